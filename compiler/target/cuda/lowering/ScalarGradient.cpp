//===- ScalarGradient.cpp - The adjoint under one λ per token -------------===//
//
// W = dA ∘ D and A go from warp to warp as fragments, 512 bytes for 16 x 16;
// dA ∘ (q kᵀ), which λ's gradient is made of, stays in fp32 registers.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

/// The sum over lanes that differ in these bits of their number.
Value ScalarEmitter::sumOfLanes(Value number, llvm::ArrayRef<int64_t> masks) {
  for (int64_t mask : masks)
    number = code.fadd(number, code.exchange(number, mask));
  return number;
}

/// Each token's sum of these and a row-wise tile's numbers, in fp32: this
/// warp's columns' part.
void ScalarEmitter::storeRowProducts(const Sums &sums, int64_t rows,
                                     int64_t region, GroupRange range) {
  Value offset = rowOffset(
      rowInTile(),
      code.add(code.mul(warp, bandTiles()), code.shiftRight(lane, 4)), shape.K);
  Value slot = code.mul(warp, chunkTokens * floatBytes);
  Value token = code.add(slot, code.shiftLeft(code.shiftRight(lane, 2), 2));
  for (int64_t own = range.first; own < range.end; ++own) {
    Value total[2] = {code.number(0), code.number(0)};
    for (int64_t place = 0; place < bandTiles(); place += 2) {
      Fragment x = code.loadMatrix(
          code.bitXor(offset, place << 4),
          rows + own * groupTokens * shape.K * bfloatBytes, false);
      for (int64_t word = 0; word < 4; ++word) {
        const auto &four =
            sums[(own - range.first) * bandTiles() + place + word / 2];
        int64_t half = word % 2;
        total[half] =
            code.fma(four[2 * half], code.unpackLow(x[word]), total[half]);
        total[half] =
            code.fma(four[2 * half + 1], code.unpackHigh(x[word]), total[half]);
      }
    }
    for (int64_t half = 0; half < 2; ++half) {
      Value sum = sumOfLanes(total[half], {1, 2});
      code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
        code.storeShared(sum, token,
                         region + (own * groupTokens + half * 8) * floatBytes);
      });
    }
  }
}

/// do Sᵀ, S being saved tiles of this warp; and with dS their product's sum.
Sums ScalarEmitter::multiplySaved(int64_t output, const Values &gradient,
                                  bool needsTotal, GroupRange range) {
  // Of four tiles the second has the next channels, the third the next rows.
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value offset =
      code.add(code.add(code.mul(warp, bandRows * shape.V * bfloatBytes),
                        code.mul(third, savedTile(1, 0))),
               code.add(code.mul(second, savedTile(0, 1)),
                        code.shiftLeft(code.bitAnd(lane, 7), 4)));
  Value sum = code.number(0);
  Sums sums = multiplyBand(
      output,
      [&](int64_t step) {
        Values right;
        for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow) {
          Fragment words = code.loadMatrix(
              offset, places.state + savedTile(2 * step, 2 * tileRow), true);
          if (needsTotal)
            for (int64_t word = 0; word < 4; ++word) {
              const Value *pair =
                  &gradient[(tileRow * stateTiles() + 2 * step) * 4 + 2 * word];
              sum = code.fma(pair[0], code.unpackLow(words[word]), sum);
              sum = code.fma(pair[1], code.unpackHigh(words[word]), sum);
            }
          right.append({words[0], words[2], words[1], words[3]});
        }
        return right;
      },
      range);
  if (needsTotal) {
    sum = sumOfLanes(sum, {1, 2, 4, 8, 16});
    code.when(code.equal(lane, 0), [&] {
      code.storeShared(sum, code.shiftLeft(warp, 2), places.totalGradient);
    });
  }
  return sums;
}

/// A band as bf16 rows, one a channel, over this warp's tiles of S.
void ScalarEmitter::storeImage(const Values &state) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value row = code.add(code.mul(warp, bandTiles() * 8),
                       code.add(code.mul(second, 8), code.bitAnd(lane, 7)));
  Value offset = rowOffset(row, code.shiftRight(lane, 4), shape.V);
  code.warpBarrier();
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); place += 2) {
      const Value *eight = &state[(tileRow * stateTiles() + place) * 4];
      code.storeMatrix(packed(code, {eight[0], eight[1], eight[2], eight[3]},
                              {eight[4], eight[5], eight[6], eight[7]}),
                       code.bitXor(offset, place << 4),
                       places.state + tileRow * 16 * shape.V * bfloatBytes,
                       false);
    }
}

/// What a result of a chunk is made of, of 16 tokens: raw operands' pieces.
ScalarEmitter::Pieces
ScalarEmitter::fetchPieces(const llvm::SetVector<Value> &leaves, int64_t own,
                           const TokenPlace &at) {
  Pieces pieces;
  // Rows behind the end are not there: any other will do.
  Value token =
      code.smaller(code.add(at.token, own * groupTokens), code.add(tokens, -1));
  Value row = code.add(firstRow, code.extend(code.add(firstToken, token)));
  for (Value leaf : leaves)
    if (auto read = leaf.getDefiningOp<chunk::ReadOp>()) {
      Value stride = strideOf(read.getOperand());
      Value place = code.at(dataOf(read.getOperand()),
                            code.add(code.mul(row, stride), at.column));
      for (int64_t index = 0; index < bandTiles() / 2; ++index)
        pieces[leaf].push_back(
            code.load(code.vector(4, code.i32()), code.at(place, index * 32)));
    }
  return pieces;
}

/// q's or k's gradient, and what is made of it number by number. Raw operands
/// are asked for 32 tokens before they are needed.
void ScalarEmitter::storeGradient(chunk::RecurrenceGradientOp op,
                                  Value gradient, GroupRange range,
                                  llvm::function_ref<Sums()> make) {
  chunk::WriteOp found;
  for (auto write : op->getBlock()->getOps<chunk::WriteOp>())
    if (hasRows(write.getTile()) &&
        leavesOf(write.getTile()).contains(gradient))
      found = write;
  if (!found)
    return;
  Value made = found.getTile();
  llvm::SetVector<Value> leaves = leavesOf(made);
  TokenPlace at = tokenPlace();
  llvm::SmallVector<Pieces> ahead = {fetchPieces(leaves, range.first, at),
                                     fetchPieces(leaves, range.first + 1, at)};
  // Or the assembler would ask for them where they are needed.
  code.warpBarrier();
  Sums sums = make();
  Value data = dataOf(found.getOperand());
  Value stride = strideOf(found.getOperand());
  for (int64_t own = range.first; own < range.end; ++own) {
    if (own + 2 < range.end)
      ahead.push_back(fetchPieces(leaves, own + 2, at));
    code.warpBarrier();
    Pieces &pieces = ahead[own - range.first];
    auto change = [&](Value piece, int64_t index) {
      Values words;
      for (int64_t word = 0; word < 4; ++word) {
        auto [low, high] = numbersFrom(made, [&](Value leaf) -> Pair {
          // What the result does not depend on.
          if (leaf != gradient && !pieces.count(leaf))
            return {code.number(0), code.number(0)};
          Value four = leaf == gradient ? piece : pieces[leaf][index];
          Value pair = mlir::LLVM::ExtractElementOp::create(
              builder, code.place, four, code.integer(word));
          return {code.unpackLow(pair), code.unpackHigh(pair)};
        });
        words.push_back(code.pack(low, high));
      }
      return pieceOf(words);
    };
    if (made == gradient)
      storeTokens(sums, own, range, at, data, stride, nullptr);
    else
      storeTokens(sums, own, range, at, data, stride, change);
  }
}

/// λ and what it is made of once more: through all of the chunk they would be
/// spilled.
void ScalarEmitter::remakeNumbers(chunk::RecurrenceGradientOp op) {
  loadConstants();
  for (mlir::Operation &made : *op->getBlock()) {
    if (&made == op)
      return;
    if (mlir::isa<chunk::ReadOp, chunk::PointwiseOp, chunk::SpreadOp>(made))
      emitOperation(made);
  }
}

/// The program of storeFactors backwards; the same in all warps.
Values ScalarEmitter::lambdaGradient(Value lambda) {
  Values own = masked(tile(lambda).numbers, 1);
  Value one = code.number(1);
  struct Level {
    Values before, behind;
    Value isRight, sibling;
  };
  Values before = {own[0], code.fmul(own[0], own[1])}, behind = {own[1], one};
  Value total = before[1];
  llvm::SmallVector<Level> climbed;
  for (int64_t level = 1; level < levels; ++level) {
    int64_t mask = int64_t(1) << (level - 1);
    Level made{before, behind, code.equal(code.bitAnd(lane, mask), mask),
               code.exchange(total, mask)};
    Value left = code.choose(made.isRight, made.sibling, one);
    Value right = code.choose(made.isRight, one, made.sibling);
    for (int64_t each = 0; each < 2; ++each) {
      before[each] = code.fmul(before[each], left);
      behind[each] = code.fmul(behind[each], right);
    }
    total = code.fmul(total, made.sibling);
    climbed.push_back(made);
  }
  int64_t rowBytes = chunkTokens * floatBytes;
  auto loadParts = [&](int64_t region, int64_t parts) {
    Values numbers = loadPair(ownStart(), region);
    for (int64_t part = 1; part < parts; ++part)
      for (auto [sum, more] :
           llvm::zip(numbers, loadPair(ownStart(), region + part * rowBytes)))
        sum = code.fadd(sum, more);
    return numbers;
  };
  int64_t warps = blockThreads() / warpLanes;
  Values dBefore = loadParts(places.beforeGradients, warps);
  Values dBehind = loadParts(places.behindGradients, warps);
  Value dTotal = code.number(0);
  for (int64_t other = 0; other < warps; ++other)
    dTotal = code.fadd(
        dTotal, code.loadShared(code.f32(), Value(),
                                places.totalGradient + other * floatBytes));
  for (int64_t level = levels - 1; level > 0; --level) {
    const Level &at = climbed[level - 1];
    int64_t mask = int64_t(1) << (level - 1);
    Values given = loadParts(places.factorGradients + level * rowBytes,
                             level == levels - 1 ? 2 : 1);
    Value toSibling = code.number(0);
    for (int64_t each = 0; each < 2; ++each) {
      Value &scaled = dBefore[each], &other = dBehind[each];
      Value share = code.choose(at.isRight, code.fmul(scaled, at.before[each]),
                                code.fmul(other, at.behind[each]));
      toSibling = code.fadd(toSibling, share);
      Value right = code.fma(scaled, at.sibling, given[each]);
      Value left = code.fma(other, at.sibling, given[each]);
      scaled = code.choose(at.isRight, right, scaled);
      other = code.choose(at.isRight, other, left);
    }
    for (int64_t within = 1; within < mask; within *= 2)
      toSibling = sumOfLanes(toSibling, {within});
    dTotal = code.fma(dTotal, at.sibling, code.exchange(toSibling, mask));
  }
  Values given = loadPair(ownStart(), places.factorGradients);
  Value ofBoth = code.fadd(dBefore[1], dTotal);
  Value second = code.fadd(dBehind[0], given[1]);
  return {code.fma(ofBoth, own[1], dBefore[0]),
          code.fma(ofBoth, own[0], second)};
}

/// Eight warps have 128 registers a thread: a band and the sums of half the
/// tokens.
llvm::ArrayRef<GroupRange> ScalarEmitter::rangesOfBackward() const {
  static constexpr GroupRange all[] = {{}},
                              halves[] = {{0, groupCount / 2},
                                          {groupCount / 2, groupCount}};
  if (blockThreads() / warpLanes > groupCount)
    return halves;
  return all;
}

struct ScalarEmitter::Adjoint {
  chunk::RecurrenceGradientOp op;
  int64_t output; ///< do
  bool needsLambda;
  const Values &gradient; ///< of the state behind the chunk
};

/// Of q's gradient what the state before the chunk gives.
Sums ScalarEmitter::querySums(Adjoint &of, GroupRange range) {
  bool needsTotal = of.needsLambda && range.first == 0;
  Sums sums = multiplySaved(of.output, of.gradient, needsTotal, range);
  if (of.needsLambda)
    storeRowProducts(sums, places.queries, places.beforeGradients, range);
  scaleRows(sums, places.before, range);
  return sums;
}

/// As much as can be before other warps' weights are there; dS's image takes
/// the place of S when that is done with.
void ScalarEmitter::emitQueryGradients(Adjoint &of) {
  llvm::ArrayRef<GroupRange> ranges = rangesOfBackward();
  Sums sums = querySums(of, ranges.front());
  if (ranges.size() == 1)
    storeImage(of.gradient);
  synchronise();
  for (const GroupRange &range : ranges)
    storeGradient(of.op, of.op.getDQ(), range, [&] {
      if (range.first > 0)
        sums = querySums(of, range);
      addWeighted(sums, places.weightGradients, places.keys, false, range);
      return sums;
    });
  if (ranges.size() > 1) {
    storeImage(of.gradient);
    code.warpBarrier();
  }
}

void ScalarEmitter::emitKeyGradients(Adjoint &of, GroupRange range) {
  storeGradient(of.op, of.op.getDK(), range, [&] {
    Value own = rightOffset(code.mul(warp, bandRows), shape.V);
    Sums made = multiplyBand(
        places.values,
        [&](int64_t step) {
          Values right;
          for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
            llvm::append_range(
                right,
                loadLeft(own, step,
                         places.state + tileRow * 16 * shape.V * bfloatBytes));
          return right;
        },
        range);
    if (of.needsLambda)
      storeRowProducts(made, places.keys, places.behindGradients, range);
    scaleRows(made, places.behind, range);
    addWeighted(made, places.weightGradients, places.queries, true, range);
    return made;
  });
}

void ScalarEmitter::emitValueGradients(Adjoint &of, GroupRange range) {
  Sums sums = multiplyBand(
      places.keys,
      [&](int64_t step) { return loadRight(step * 16, places.state); }, range);
  scaleRows(sums, places.behind, range);
  addWeighted(sums, places.weights, of.output, true, range);
  storeAll(sums, of.op.getDV(), range);
}

/// dS in front of the chunk; the next chunk's copies begin as their places
/// are done with.
void ScalarEmitter::advanceGradient(Adjoint &of) {
  auto isNeeded = [&](int64_t region) {
    return region == places.queries || region == of.output;
  };
  copyNext([&](int64_t region) { return !isNeeded(region); });
  Tile next = assigned(of.op.getDNext());
  next.numbers = advance(of.gradient, places.queries, places.before, of.output);
  tiles[of.op.getDNext()] = next;
  synchronise();
  copyNext(isNeeded);
}

void ScalarEmitter::emitScalarGradient(chunk::RecurrenceGradientOp op) {
  const Values gradient = tile(op.getDState()).numbers;
  Adjoint of{op, tile(op.getDO()).shared, !op.getDLambda().use_empty(),
             gradient};
  places.queries = activate(op.getQ());
  places.keys = activate(op.getK());
  places.values = tile(op.getV()).shared;
  storeFactors(op.getLambda());
  synchronise();
  overStrips([&](Value row, Value column) {
    emitWeights(row, column, of.output, of.needsLambda);
  });
  emitQueryGradients(of);
  llvm::ArrayRef<GroupRange> ranges = rangesOfBackward();
  for (const GroupRange &range : ranges)
    emitKeyGradients(of, range);
  if (ranges.size() > 1)
    synchronise();
  for (const GroupRange &range : ranges)
    emitValueGradients(of, range);
  synchronise();
  advanceGradient(of);
  fetchNumbers(nextToken);
  if (of.needsLambda) {
    remakeNumbers(op);
    Tile made = assigned(op.getDLambda());
    made.numbers = lambdaGradient(op.getLambda());
    tiles[op.getDLambda()] = made;
  }
  for (mlir::Operation *rest = op->getNextNode(); rest;
       rest = rest->getNextNode())
    emitAt(*rest);
}

} // namespace decay::cuda
