//===- ScalarProducts.cpp - Matrix products under one λ per token ---------===//
//
// In ascending sweeps a warp has a *band* of the state: some columns of v, as
// rows of its accumulators, and all channels. As bf16 a band is the right
// operand of a product over the channels as it stands, so that q S reads the
// state from no memory. Outputs are all tokens in as many columns as a band has
// rows.
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

/// This lane's address in the first 16 x 16 matrix of a row-wise tile's rows.
Value ScalarEmitter::leftOffset(Value row, int64_t width) {
  return rowOffset(code.add(row, rowInTile()), code.shiftRight(lane, 4), width);
}

/// The same, the matrix being a right operand: its rows are the columns.
Value ScalarEmitter::rightOffset(Value row, int64_t width) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value within =
      code.add(code.mul(code.shiftRight(lane, 4), 8), code.bitAnd(lane, 7));
  return rowOffset(code.add(row, within), second, width);
}

/// The matrix `step` further along the rows: a row's swizzle is an xor.
Fragment ScalarEmitter::loadLeft(Value offset, int64_t step, int64_t region) {
  return code.loadMatrix(code.bitXor(offset, step << 5), region, false);
}

/// Neighbouring 16 x 16 tiles of left rightᵀ, rows being tokens.
Sums ScalarEmitter::multiplyStrip(Value row, Value column, int64_t left,
                                  int64_t right, int64_t width) {
  Sums sums = zeroSums(code, 2 * tilesAtOnce);
  Value leftAt = leftOffset(code.mul(row, groupTokens), width);
  Value rightAt = rightOffset(code.mul(column, groupTokens), width);
  for (int64_t step = 0; step < width / 16; ++step) {
    Fragment a = loadLeft(leftAt, step, left);
    for (int64_t each = 0; each < tilesAtOnce; ++each) {
      Fragment b = loadLeft(rightAt, step,
                            right + each * groupTokens * width * bfloatBytes);
      code.multiply(a, b[0], b[1], sums[2 * each]);
      code.multiply(a, b[2], b[3], sums[2 * each + 1]);
    }
  }
  return sums;
}

namespace {

/// Where strips of A begin, by 16 tokens, in the order in which the warps of
/// each round take them.
struct StripOrder {
  int64_t count;
  int64_t rows, columns; ///< two bits a strip
};

template <size_t count>
constexpr StripOrder orderOf(const int64_t (&places)[count][2]) {
  StripOrder order{count, 0, 0};
  for (size_t strip = 0; strip < count; ++strip) {
    order.rows |= places[strip][0] << (2 * strip);
    order.columns |= places[strip][1] << (2 * strip);
  }
  return order;
}

/// Two tiles of a row, the second of which may lie above the diagonal. The
/// longest rows first.
constexpr StripOrder pairs =
    orderOf({{3, 0}, {3, 2}, {2, 0}, {1, 0}, {2, 2}, {0, 0}});

} // namespace

/// All tiles on the diagonal and below.
void ScalarEmitter::overStrips(
    llvm::function_ref<void(Value row, Value column)> emit) {
  int64_t warps = blockThreads() / warpLanes;
  Value rounds = code.divide(
      code.add(code.sub(code.integer(pairs.count - 1), warp), warps),
      code.integer(warps));
  code.loop(rounds, {}, [&](Value round, mlir::ValueRange) -> Values {
    Value strip = code.add(warp, code.mul(round, warps));
    auto place = [&](int64_t places) {
      return code.bitAnd(
          code.shiftRight(code.integer(places), code.shiftLeft(strip, 1)), 3);
    };
    emit(place(pairs.rows), place(pairs.columns));
    return {};
  });
}

/// Those of a strip's tiles that count.
void ScalarEmitter::forTiles(
    Value row, Value column,
    llvm::function_ref<void(Value at, int64_t each)> emit) {
  for (int64_t each = 0; each < tilesAtOnce; ++each) {
    Value at = code.add(column, each);
    code.when(code.atLeast(code.sub(row, at), 0), [&] { emit(at, each); });
  }
}

/// A lower-triangular tile's place: row r begins at r (r + 1) / 2.
Value ScalarEmitter::weightPlace(Value row, Value column) {
  Value start = code.shiftRight(code.mul(row, code.add(row, 1)), 1);
  return code.mul(code.add(start, column), fragmentBytes);
}

void ScalarEmitter::storeWeights(const Sums &sums, Value tile, int64_t region) {
  code.storeMatrix(packed(code, sums[0], sums[1]),
                   code.add(tile, code.shiftLeft(lane, 4)), region, false);
}

Fragment ScalarEmitter::loadWeights(int64_t row, int64_t column) {
  int64_t tile = row * (row + 1) / 2 + column;
  return code.loadMatrix(code.shiftLeft(lane, 4),
                         places.weights + tile * fragmentBytes, false);
}

/// sums += left right, right being tiles of eight columns, two words each.
void ScalarEmitter::addTo(Sums &sums, int64_t at, const Fragment &left,
                          const Values &right) {
  for (int64_t place = 0; place < bandTiles(); ++place)
    code.multiply(left, right[2 * place], right[2 * place + 1],
                  sums[at * bandTiles() + place]);
}

/// Tokens' rows times the transpose of a band.
Sums ScalarEmitter::multiplyBand(int64_t rows, const Values &state) {
  Sums sums = zeroSums(code, groupCount * bandTiles());
  Value left = leftOffset(code.integer(0), shape.K);
  for (int64_t step = 0; step < shape.K / 16; ++step) {
    Values right = bandOf(state, step);
    for (int64_t own = 0; own < groupCount; ++own)
      addTo(sums, own,
            loadLeft(left, step,
                     rows + own * groupTokens * shape.K * bfloatBytes),
            right);
  }
  return sums;
}

/// Of a band in registers.
Values ScalarEmitter::bandOf(const Values &state, int64_t step) {
  Values right;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow) {
    const Value *near = &state[(tileRow * stateTiles() + 2 * step) * 4];
    const Value *far = near + 4;
    for (int64_t half = 0; half < 2; ++half)
      for (const Value *pair : {near + 2 * half, far + 2 * half})
        right.push_back(code.pack(pair[0], pair[1]));
  }
  return right;
}

/// 16 rows of this warp's columns of a row-wise tile.
Values ScalarEmitter::loadRight(int64_t row, int64_t region) {
  Value piece = code.add(code.mul(warp, bandTiles()), code.shiftRight(lane, 4));
  Value offset = rowOffset(rowInTile(), piece, shape.V);
  Values right;
  for (int64_t place = 0; place < bandTiles(); place += 2)
    llvm::append_range(
        right, code.loadMatrix(code.bitXor(offset, place << 4),
                               region + row * shape.V * bfloatBytes, true));
  return right;
}

/// sums += A rows.
void ScalarEmitter::addWeighted(Sums &sums, int64_t rows) {
  for (int64_t other = 0; other < groupCount; ++other) {
    Values right = loadRight(other * groupTokens, rows);
    for (int64_t own = other; own < groupCount; ++own)
      addTo(sums, own, loadWeights(own, other), right);
  }
}

/// Each token's row times its number in `region`.
void ScalarEmitter::scaleRows(Sums &sums, int64_t region) {
  Value first = code.shiftLeft(firstOwnRow(), 2);
  int64_t tiles = tilesInRow();
  for (auto [index, four] : llvm::enumerate(sums))
    for (int64_t half = 0; half < 2; ++half) {
      int64_t row = static_cast<int64_t>(index) / tiles * groupTokens;
      Value factor = code.loadShared(code.f32(), first,
                                     region + (row + half * 8) * floatBytes);
      for (int64_t each = 0; each < 2; ++each)
        four[2 * half + each] = code.fmul(four[2 * half + each], factor);
    }
}

/// A band of S <- tot S + (left ∘ factors)ᵀ right, both [64, columns].
Values ScalarEmitter::advance(const Values &state, int64_t left,
                              int64_t factors, int64_t right) {
  Value total = code.loadShared(code.f32(), Value(), places.total);
  Values sums;
  for (Value number : state)
    sums.push_back(code.fmul(number, total));
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value token = code.add(code.mul(third, 8), code.bitAnd(lane, 7));
  Value leftAt =
      rowOffset(token, code.add(code.mul(warp, bandTiles()), second), shape.K);
  Value rightAt = rowOffset(rowInTile(), third, shape.K);
  int64_t stepBytes = groupTokens * shape.K * bfloatBytes;
  for (int64_t step = 0; step < groupCount; ++step) {
    Fragments a;
    for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
      a.push_back(code.loadMatrix(code.bitXor(leftAt, tileRow << 5),
                                  left + step * stepBytes, true));
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
      Fragment b = code.loadMatrix(code.bitXor(rightAt, place << 4),
                                   right + step * stepBytes, true);
      for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
        for (int64_t each = 0; each < 2; ++each)
          code.multiply(a[tileRow], b[2 * each], b[2 * each + 1],
                        llvm::MutableArrayRef(sums).slice(
                            (tileRow * stateTiles() + place + each) * 4, 4));
    }
  }
  return sums;
}

/// Four lanes have two columns each of four tiles; afterwards each has the
/// eight columns of one tile, its number being the lane's in the four.
Value ScalarEmitter::pieceOfQuad(Values words) {
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
  return pieceOf(words);
}

Value ScalarEmitter::pieceOf(const Values &words) {
  Value piece = mlir::LLVM::PoisonOp::create(builder, code.place,
                                             code.vector(4, code.i32()));
  for (auto [index, word] : llvm::enumerate(words))
    piece = mlir::LLVM::InsertElementOp::create(
        builder, code.place, piece, word,
        code.integer(static_cast<int64_t>(index)));
  return piece;
}

/// Where this lane's first piece of an operand over tokens is: of four lanes
/// the lower two have rows of eight tokens, the others those of the next ones.
ScalarEmitter::TokenPlace ScalarEmitter::tokenPlace(bool hasChannels) {
  const bool isHalved = hasChannels && isTurning;
  Value within = code.add(code.mul(hasGradient ? columnWarp : warp,
                                   tilesInRow() * (isHalved ? 4 : 8)),
                          code.shiftLeft(code.bitAnd(lane, 1), 3));
  Value column = code.shiftLeft(code.add(code.mul(head, shape.V), within), 1);
  Value first =
      code.add(firstOwnRow(), code.shiftLeft(code.bitAnd(lane, 2), 2));
  return {first, code.extend(column), isHalved ? shape.K / 2 * bfloatBytes : 0};
}

/// Bytes of this lane's piece number `index` of 16 tokens' sums.
Value ScalarEmitter::pieceOfSums(const Sums &sums, int64_t own, int64_t index) {
  Values words;
  for (int64_t word = 0; word < 4; ++word) {
    const auto &four = sums[own * tilesInRow() + 2 * index + word % 2];
    words.push_back(code.pack(four[word / 2 * 2], four[word / 2 * 2 + 1]));
  }
  return pieceOfQuad(words);
}

/// 16 tokens' pieces, 16 bytes each; `first` is the first one's number.
void ScalarEmitter::storePieces(const Values &pieces, int64_t own,
                                int64_t first, const TokenPlace &at, Value data,
                                Value stride) {
  Value token = code.add(at.token, own * groupTokens);
  Value writes = code.both(code.less(token, tokens), code.notNull(data));
  code.when(writes, [&] {
    Value row = code.add(firstRow, code.extend(code.add(firstToken, token)));
    Value place = code.at(data, code.add(code.mul(row, stride), at.column));
    for (auto [index, piece] : llvm::enumerate(pieces))
      code.store(
          piece,
          code.at(place, at.toPiece(first + static_cast<int64_t>(index))));
  });
}

void ScalarEmitter::storeAll(const Sums &sums, mlir::Value output) {
  if (std::optional<int64_t> operand = outputOperand(output)) {
    Value data = dataOf(*operand), stride = strideOf(*operand);
    TokenPlace at = tokenPlace(/*hasChannels=*/false);
    auto tokenGroups = static_cast<int64_t>(sums.size()) / tilesInRow();
    for (int64_t own = 0; own < tokenGroups; ++own) {
      Values pieces;
      for (int64_t index = 0; index < tilesInRow() / 2; ++index)
        pieces.push_back(pieceOfSums(sums, own, index));
      storePieces(pieces, own, 0, at, data, stride);
    }
  }
  tiles[output] = assigned(output);
}

void ScalarEmitter::emitScalarRecurrence(chunk::RecurrenceOp op) {
  const Values state = tile(op.getState()).numbers;
  activateAll({op.getQ(), op.getK()});
  places.queries = regionOf(op.getQ());
  places.keys = regionOf(op.getK());
  places.values = tile(op.getV()).shared;
  storeFactors(op.getLambda());
  synchronise();
  overStrips([&](Value row, Value column) {
    Sums scores =
        multiplyStrip(row, column, places.queries, places.keys, shape.K);
    forTiles(row, column, [&](Value at, int64_t each) {
      Sums two(scores.begin() + 2 * each, scores.begin() + 2 * each + 2);
      weigh(two, row, at);
      storeWeights(two, weightPlace(row, at), places.weights);
    });
  });
  Sums output = multiplyBand(places.queries, state);
  scaleRows(output, places.before);
  synchronise();
  addWeighted(output, places.values);
  storeAll(output, op.getO());
  fetchNumbers(nextToken);
  Tile next = assigned(op.getNext());
  next.numbers = advance(state, places.values, places.behind, places.keys);
  tiles[op.getNext()] = next;
}

void ScalarEmitter::emitScalarState(chunk::StateOp op) {
  const Values state = tile(op.getState()).numbers;
  activateAll({op.getK()});
  places.keys = regionOf(op.getK());
  storeFactors(op.getLambda());
  synchronise();
  fetchNumbers(nextToken);
  Tile next = assigned(op.getNext());
  next.numbers =
      advance(state, tile(op.getV()).shared, places.behind, places.keys);
  tiles[op.getNext()] = next;
}

} // namespace decay::cuda
