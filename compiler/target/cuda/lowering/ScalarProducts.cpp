//===- ScalarProducts.cpp - Matrix products under one λ per token ---------===//
//
// A warp's scores go from the sums of one product to the left operand of the
// next in registers.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

/// 16 x 16 sums as bf16.
Fragment ScalarEmitter::packed(Lanes &code, const std::array<Value, 4> &left,
                               const std::array<Value, 4> &right) {
  return {code.pack(left[0], left[1]), code.pack(left[2], left[3]),
          code.pack(right[0], right[1]), code.pack(right[2], right[3])};
}

/// The 16 tokens of this warp. Later ones have more to do: those warps of a
/// scheduler that have different columns have different groups.
Value ScalarEmitter::tokenGroup() {
  Value own = code.bitAnd(warp, groupCount - 1);
  if (blockThreads() / warpLanes == groupCount)
    return own;
  Value isSecond = code.atLeast(warp, groupCount);
  return code.choose(isSecond, code.sub(code.integer(groupCount - 1), own),
                     own);
}

/// The first of this warp's columns of what has tokens, in pieces of eight.
Value ScalarEmitter::outputPiece() {
  return code.mul(code.shiftRight(warp, 2), outputTiles);
}

/// This lane's address in the first 16 x 16 matrix of a row-wise tile's rows.
Value ScalarEmitter::leftOffset(Value row, int64_t width) {
  return rowOffset(code.add(row, rowInTile()), code.shiftRight(lane, 4), width);
}

/// The matrix `step` further along the rows: a row's swizzle is an xor.
Fragment ScalarEmitter::loadLeft(Value offset, int64_t step, int64_t region) {
  return code.loadMatrix(code.bitXor(offset, step << 5), region, false);
}

/// sums += a times 16 rows of a tile that is V wide, from `row` on.
void ScalarEmitter::addProducts(const Fragment &a, Value firstPiece, Value row,
                                int64_t region, Sums &sums) {
  Value offset =
      rowOffset(code.add(row, rowInTile()),
                code.add(firstPiece, code.shiftRight(lane, 4)), shape.V);
  for (size_t place = 0; place < sums.size(); place += 2) {
    Value at = code.bitXor(offset, static_cast<int64_t>(place) << 4);
    Fragment b = code.loadMatrix(at, region, true);
    code.multiply(a, b[0], b[1], sums[place]);
    code.multiply(a, b[2], b[3], sums[place + 1]);
  }
}

/// Rows of one group of a tile times those of a group of another: 16 x 16.
Sums ScalarEmitter::multiplyRowsOf(Value row, Value column, int64_t left,
                                   int64_t right, int64_t width) {
  Sums sums = zeroSums(code, 2);
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value leftAt = leftOffset(code.mul(row, groupTokens), width);
  Value token = code.add(code.mul(column, groupTokens),
                         code.add(code.mul(third, 8), code.bitAnd(lane, 7)));
  Value rightAt = rowOffset(token, second, width);
  for (int64_t step = 0; step < width / 16; ++step) {
    Fragment a = loadLeft(leftAt, step, left);
    Fragment b = loadLeft(rightAt, step, right);
    code.multiply(a, b[0], b[1], sums[0]);
    code.multiply(a, b[2], b[3], sums[1]);
  }
  return sums;
}

/// Rows of this warp's tokens times the state: [16, 64 columns of v].
Sums ScalarEmitter::multiplyState(int64_t rows) {
  Sums sums = zeroSums(code, outputTiles);
  Value left = leftOffset(code.mul(tokenGroup(), groupTokens), shape.K);
  for (int64_t step = 0; step < shape.K / 16; ++step)
    addProducts(loadLeft(left, step, rows), outputPiece(),
                code.integer(step * 16), places.state, sums);
  return sums;
}

/// Each row of this warp's tokens times its number in `region`.
void ScalarEmitter::scaleRows(Sums &sums, int64_t region) {
  Value row =
      code.add(code.mul(tokenGroup(), groupTokens), code.shiftRight(lane, 2));
  for (int64_t half = 0; half < 2; ++half) {
    Value factor = code.loadShared(code.f32(), code.shiftLeft(row, 2),
                                   region + half * 8 * floatBytes);
    for (auto &four : sums)
      for (int64_t each = 0; each < 2; ++each)
        four[2 * half + each] = code.fmul(four[2 * half + each], factor);
  }
}

/// S <- tot S + (left ∘ factors)ᵀ right, left [64, K], right [64, V].
Values ScalarEmitter::advance(const Values &state, int64_t left,
                              int64_t factors, int64_t right) {
  Value total = code.loadShared(code.f32(), Value(), places.total);
  llvm::SmallVector<Sums> sums(stateTileRows());
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); ++place) {
      std::array<Value, 4> four;
      for (int64_t each = 0; each < 4; ++each)
        four[each] = code.fmul(
            state[(tileRow * stateTiles() + place) * 4 + each], total);
      sums[tileRow].push_back(four);
    }
  int64_t rowWarps = shape.K / 32;
  Value channelPiece = code.mul(code.bitAnd(warp, rowWarps - 1), 4);
  Value valuePiece =
      code.mul(code.divide(warp, code.integer(rowWarps)), stateTiles());
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value token = code.add(code.mul(third, 8), code.bitAnd(lane, 7));
  Value leftAt = rowOffset(token, code.add(channelPiece, second), shape.K);
  Value rightAt = rowOffset(rowInTile(), code.add(valuePiece, third), shape.V);
  for (int64_t step = 0; step < groupCount; ++step) {
    llvm::SmallVector<Fragment> a;
    for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
      a.push_back(code.loadMatrix(
          code.bitXor(leftAt, tileRow << 5),
          left + step * groupTokens * shape.K * bfloatBytes, true));
    for (int64_t late = 0; late < 2; ++late) {
      Values factor =
          loadPair(code.shiftLeft(code.bitAnd(lane, 3), 1),
                   factors + (step * groupTokens + late * 8) * floatBytes);
      for (Fragment &fragment : a)
        for (int64_t half = 0; half < 2; ++half) {
          Value &pair = fragment[2 * late + half];
          pair = code.pack(code.fmul(code.unpackLow(pair), factor[0]),
                           code.fmul(code.unpackHigh(pair), factor[1]));
        }
    }
    for (int64_t place = 0; place < stateTiles(); place += 2) {
      Fragment b = code.loadMatrix(
          code.bitXor(rightAt, place << 4),
          right + step * groupTokens * shape.V * bfloatBytes, true);
      for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow) {
        code.multiply(a[tileRow], b[0], b[1], sums[tileRow][place]);
        code.multiply(a[tileRow], b[2], b[3], sums[tileRow][place + 1]);
      }
    }
  }
  Values made;
  for (const Sums &row : sums)
    for (const auto &four : row)
      made.append(four.begin(), four.end());
  return made;
}

/// This lane's address in the first 16 x 16 matrix of the warp's state.
Value ScalarEmitter::stateImageOffset() {
  int64_t rowWarps = shape.K / 32;
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value row = code.add(code.mul(code.bitAnd(warp, rowWarps - 1), 32),
                       code.add(code.mul(second, 8), code.bitAnd(lane, 7)));
  Value piece = code.add(
      code.mul(code.divide(warp, code.integer(rowWarps)), stateTiles()), third);
  return rowOffset(row, piece, shape.V);
}

/// The state as bf16 rows, one a channel.
void ScalarEmitter::storeStateImage(const Values &state, int64_t region) {
  Value offset = stateImageOffset();
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); place += 2) {
      const Value *eight = &state[(tileRow * stateTiles() + place) * 4];
      Fragment fragment = packed(code, {eight[0], eight[1], eight[2], eight[3]},
                                 {eight[4], eight[5], eight[6], eight[7]});
      code.storeMatrix(fragment, code.bitXor(offset, place << 4),
                       region + tileRow * 16 * shape.V * bfloatBytes, false);
    }
}

/// Four lanes have two columns each of four tiles; afterwards each has the
/// eight columns of one tile, its number being the lane's in the four.
Value ScalarEmitter::pieceOfQuad(const Fragments &fragments, int64_t half,
                                 int64_t four) {
  Values words;
  for (int64_t index = 0; index < 4; ++index)
    words.push_back(fragments[four * 2 + index / 2][index % 2 * 2 + half]);
  for (int64_t mask : {1, 2}) {
    Value isOdd = code.equal(code.bitAnd(lane, mask), mask);
    Values made(4);
    for (int64_t index = 0; index < 4; ++index) {
      if (index & mask)
        continue;
      Value low = words[index], high = words[index | mask];
      Value other = code.exchange(code.choose(isOdd, low, high), mask);
      made[index] = code.choose(isOdd, other, low);
      made[index | mask] = code.choose(isOdd, high, other);
    }
    words = made;
  }
  Value piece = mlir::LLVM::PoisonOp::create(builder, code.place,
                                             code.vector(4, code.i32()));
  for (int64_t word = 0; word < 4; ++word)
    piece = mlir::LLVM::InsertElementOp::create(
        builder, code.place, piece, words[word], code.integer(word));
  return piece;
}

/// This warp's rows of an operand over tokens, 16 bytes a lane; `change` makes
/// of a piece and its place in bytes what is stored.
void ScalarEmitter::storeTokens(
    const Sums &sums, int64_t operand,
    llvm::function_ref<Value(Value piece, Value row, Value column)> change) {
  Fragments fragments;
  for (int64_t place = 0; place < outputTiles; place += 2)
    fragments.push_back(packed(code, sums[place], sums[place + 1]));
  Value data = dataOf(operand), stride = strideOf(operand);
  Value within = code.add(code.mul(outputPiece(), 8),
                          code.shiftLeft(code.bitAnd(lane, 3), 3));
  Value column = code.shiftLeft(code.add(code.mul(head, shape.V), within), 1);
  Value own =
      code.add(code.mul(tokenGroup(), groupTokens), code.shiftRight(lane, 2));
  for (int64_t half = 0; half < 2; ++half) {
    Value token = code.add(own, half * 8);
    Value row = code.add(firstRow, code.extend(code.add(firstToken, token)));
    Values pieces;
    for (int64_t four = 0; four < outputTiles / 4; ++four)
      pieces.push_back(pieceOfQuad(fragments, half, four));
    Value writes = code.both(code.less(token, tokens), code.notNull(data));
    code.when(writes, [&] {
      Value place =
          code.at(data, code.add(code.mul(row, stride), code.extend(column)));
      for (auto [four, piece] : llvm::enumerate(pieces)) {
        auto further = static_cast<int64_t>(four) * 64;
        Value made =
            change ? change(piece, row, code.add(column, further)) : piece;
        code.store(made, code.at(place, further));
      }
    });
  }
}

/// A state as bf16 rows in the workspace, swizzled as they will lie.
void ScalarEmitter::saveState(const Values &state, int64_t slot) {
  int64_t rowWarps = shape.K / 32;
  Value place = imagePlace(slot, chunkIndex);
  Value firstPiece = code.add(
      code.mul(code.divide(warp, code.integer(rowWarps)), stateTiles()),
      code.bitAnd(lane, 3));
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow) {
    Fragments fragments;
    for (int64_t tileColumn = 0; tileColumn < stateTiles(); tileColumn += 2) {
      const Value *eight = &state[(tileRow * stateTiles() + tileColumn) * 4];
      fragments.push_back(packed(code, {eight[0], eight[1], eight[2], eight[3]},
                                 {eight[4], eight[5], eight[6], eight[7]}));
    }
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t four = 0; four < stateTiles() / 4; ++four) {
        Value row = code.add(
            code.mul(code.bitAnd(warp, rowWarps - 1), 32),
            code.add(code.shiftRight(lane, 2), tileRow * 16 + half * 8));
        Value piece = code.add(firstPiece, four * 4);
        code.store(pieceOfQuad(fragments, half, four),
                   code.at(place, rowOffset(row, piece, shape.V)));
      }
  }
}

Values listOf(const Sums &sums) {
  Values list;
  for (const auto &four : sums)
    list.append(four.begin(), four.end());
  return list;
}

Sums sumsOf(mlir::ValueRange list) {
  Sums sums;
  for (size_t index = 0; index < list.size(); index += 4)
    sums.push_back(
        {list[index], list[index + 1], list[index + 2], list[index + 3]});
  return sums;
}

void ScalarEmitter::emitScalarRecurrence(chunk::RecurrenceOp op) {
  const Values state = tile(op.getState()).numbers;
  places.queries = activate(op.getQ());
  places.keys = activate(op.getK());
  places.values = tile(op.getV()).shared;
  storeFactors(op.getLambda());
  storeStateImage(state, places.state);
  synchronise();
  Sums output = multiplyState(places.queries);
  scaleRows(output, places.before);
  Value own = tokenGroup();
  Values so = code.loop(
      code.add(own, 1), listOf(output),
      [&](Value other, mlir::ValueRange carried) -> Values {
        Sums scores =
            multiplyRowsOf(own, other, places.queries, places.keys, shape.K);
        weigh(scores, own, other);
        Sums sums = sumsOf(carried);
        addProducts(packed(code, scores[0], scores[1]), outputPiece(),
                    code.mul(other, groupTokens), places.values, sums);
        return listOf(sums);
      });
  Tile next;
  next.kind = Tile::Kind::state;
  next.numbers = advance(state, places.keys, places.behind, places.values);
  tiles[op.getNext()] = next;
  synchronise();
  copyAll();
  if (std::optional<int64_t> operand = outputOperand(op.getO()))
    storeTokens(sumsOf(so), *operand, nullptr);
  tiles[op.getO()].kind = Tile::Kind::rows;
}

void ScalarEmitter::emitScalarState(chunk::StateOp op) {
  const Values state = tile(op.getState()).numbers;
  places.keys = activate(op.getK());
  storeFactors(op.getLambda());
  synchronise();
  Tile next;
  next.kind = Tile::Kind::state;
  next.numbers =
      advance(state, places.keys, places.behind, tile(op.getV()).shared);
  tiles[op.getNext()] = next;
  synchronise();
  copyAll();
}

} // namespace decay::cuda
