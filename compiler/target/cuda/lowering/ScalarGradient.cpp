//===- ScalarGradient.cpp - The adjoint under one λ per token -------------===//
//
// dA ∘ D and, in its place when that is done with, A go from warp to warp as
// bf16; dA ∘ (q kᵀ), which λ's gradient is made of, stays in fp32 registers.
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

/// What a result of a chunk is made of, in this lane's piece number `index`:
/// raw operands' pieces.
ScalarEmitter::Pieces
ScalarEmitter::fetchPieces(const llvm::SetVector<Value> &leaves, int64_t index,
                           const TokenPlace &at) {
  Pieces pieces;
  // Rows behind the end are not there: any other will do.
  Value token = code.smaller(at.token, code.add(tokens, -1));
  Value row = code.add(firstRow, code.extend(code.add(firstToken, token)));
  for (Value leaf : leaves)
    if (auto read = leaf.getDefiningOp<chunk::ReadOp>()) {
      Value stride = strideOf(read.getOperand());
      Value place = code.at(dataOf(read.getOperand()),
                            code.add(code.mul(row, stride), at.column));
      pieces[leaf] = code.load(code.vector(4, code.i32()),
                               code.at(place, at.toPiece(index)));
    }
  return pieces;
}

/// q's or k's gradient, and what is made of it number by number. Raw operands
/// are asked for two pieces before they are needed.
void ScalarEmitter::storeGradient(chunk::RecurrenceGradientOp op,
                                  Value gradient,
                                  llvm::function_ref<Sums()> make) {
  chunk::WriteOp found;
  Value before = gradient;
  for (mlir::Operation *user : gradient.getUsers())
    if (auto rotate = mlir::dyn_cast<chunk::RotateOp>(user))
      before = rotate.getResult();
  for (auto write : op->getBlock()->getOps<chunk::WriteOp>())
    if (hasRows(write.getTile()) && leavesOf(write.getTile()).contains(before))
      found = write;
  if (!found)
    return;
  Value made = found.getTile();
  llvm::SetVector<Value> leaves = leavesOf(made);
  TokenPlace at = tokenPlace(/*hasChannels=*/true);
  int64_t count = tilesInRow() / 2;
  llvm::SmallVector<Pieces> ahead = {fetchPieces(leaves, 0, at),
                                     fetchPieces(leaves, 1, at)};
  // Or the assembler would ask for them where they are needed.
  code.warpBarrier();
  Sums sums = make();
  Value data = dataOf(found.getOperand());
  Value stride = strideOf(found.getOperand());
  for (int64_t index = 0; index < count; ++index) {
    if (index + 2 < count)
      ahead.push_back(fetchPieces(leaves, index + 2, at));
    code.warpBarrier();
    if (before != gradient && index % 2 == 0)
      turnBack(sums, index / 2);
    Pieces &pieces = ahead[index];
    Value piece = pieceOfSums(sums, 0, index);
    auto change = [&] {
      Values words;
      for (int64_t word = 0; word < 4; ++word) {
        auto [low, high] = numbersFrom(made, [&](Value leaf) -> Pair {
          // What the result does not depend on.
          if (leaf != before && !pieces.count(leaf))
            return {code.number(0), code.number(0)};
          Value four = leaf == before ? piece : pieces[leaf];
          Value pair = mlir::LLVM::ExtractElementOp::create(
              builder, code.place, four, code.integer(word));
          return {code.unpackLow(pair), code.unpackHigh(pair)};
        });
        words.push_back(code.pack(low, high));
      }
      return pieceOf(words);
    };
    storePieces({made == before ? piece : change()}, 0, index, at, data,
                stride);
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
  int64_t warps = blockThreads() / warpLanes, groups = warps / groupCount;
  Values dBefore = loadParts(places.beforeGradients, groups);
  Values dBehind = loadParts(places.behindGradients, groups);
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

struct ScalarEmitter::Adjoint {
  chunk::RecurrenceGradientOp op;
  int64_t output; ///< do
  bool needsLambda;
  const Values &gradient; ///< of the state behind the chunk
};

/// dQ = diag(before) do Sᵀ + (dA ∘ D) k. The image of dS takes the place of S
/// when that is done with.
void ScalarEmitter::emitQueryGradients(Adjoint &of) {
  Sums sums = multiplyTokens(alongRows(of.output, Value(), chunkTokens),
                             acrossSaved(), shape.V / 16);
  if (of.needsLambda) {
    storeStateProduct(of.gradient);
    storeRowProducts(sums, places.queries, places.beforeGradients);
  }
  scaleRows(sums, places.before);
  synchroniseForProducts();
  storeImage(of.gradient);
  storeGradient(of.op, of.op.getDQ(), [&] {
    return multiplyTokens(weightsAlong(),
                          acrossRows(places.keys, firstColumn(), chunkTokens),
                          groupCount, sums);
  });
}

/// dK = diag(behind) v dSᵀ + (dA ∘ D)ᵀ q.
void ScalarEmitter::emitKeyGradients(Adjoint &of) {
  storeGradient(of.op, of.op.getDK(), [&] {
    Sums sums = multiplyTokens(alongRows(places.values, Value(), chunkTokens),
                               alongRows(places.state, firstColumn(), shape.K),
                               shape.V / 16);
    if (of.needsLambda)
      storeRowProducts(sums, places.keys, places.behindGradients);
    scaleRows(sums, places.behind);
    return multiplyTokens(
        weightsAcross(), acrossRows(places.queries, firstColumn(), chunkTokens),
        groupCount, sums);
  });
}

/// Of dV what the state's gradient gives: diag(behind) k dS.
Sums ScalarEmitter::stateValueSums() {
  Sums sums = multiplyTokens(alongRows(places.keys, Value(), chunkTokens),
                             acrossRows(places.state, firstColumn(), shape.K),
                             shape.K / 16);
  scaleRows(sums, places.behind);
  return sums;
}

/// The rest of dV, Aᵀ do, and dS in front of the chunk; the next chunk's copies
/// begin as their places are done with.
void ScalarEmitter::advanceGradient(Adjoint &of, const Sums &valueSums,
                                    const Values &weights) {
  auto isNeeded = [&](int64_t region) {
    return region == places.queries || region == of.output;
  };
  copyNext([&](int64_t region) { return !isNeeded(region); });
  storeWeightTiles(weights);
  scaleQueries();
  synchroniseForProducts();
  storeAll(multiplyTokens(weightsAcross(),
                          acrossRows(of.output, firstColumn(), chunkTokens),
                          groupCount, valueSums),
           of.op.getDV());
  Tile next = assigned(of.op.getDNext());
  next.numbers = advanceByGroups(of.gradient, of.output);
  tiles[of.op.getDNext()] = next;
  synchronise();
  copyNext(isNeeded);
}

void ScalarEmitter::emitScalarGradient(chunk::RecurrenceGradientOp op) {
  const Values gradient = tile(op.getDState()).numbers;
  Adjoint of{op, tile(op.getDO()).shared, !op.getDLambda().use_empty(),
             gradient};
  activateAll({op.getQ(), op.getK()});
  places.queries = regionOf(op.getQ());
  places.keys = regionOf(op.getK());
  places.values = tile(op.getV()).shared;
  storeFactors(op.getLambda());
  synchroniseForProducts();
  Values weights = weighPairs(of.output, of.needsLambda);
  emitQueryGradients(of);
  synchroniseForProducts();
  emitKeyGradients(of);
  Sums valueSums = stateValueSums();
  synchronise();
  advanceGradient(of, valueSums, weights);
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
