//===- TreeGradient.cpp - The adjoint of the products of λ ----------------===//
//
// The program of Tree.cpp backwards, number by number: multiplications and
// sums, no division and no logarithm, so that λ = 0 is an ordinary case. What
// the levels' operands were is made again from the inputs.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// Where a core region has a quarter's tokens.
Value KernelEmitter::corePlace(int64_t &region, int64_t quarter) {
  int64_t columns = shape.columns();
  region += quarter / 2 * columns * 16 + quarter % 2 * 4 * bfloatBytes;
  return code.shiftLeft(code.add(code.mul(group, 2 * columns), column), 4);
}

Values KernelEmitter::loadCore(int64_t region) {
  Value offset = corePlace(region, firstOfRange / 4);
  Value words = code.loadShared(code.vector(2, code.i32()), offset, region);
  Values numbers;
  for (Value pair : code.split(words)) {
    numbers.push_back(code.unpackLow(pair));
    numbers.push_back(code.unpackHigh(pair));
  }
  return numbers;
}

/// A token's gradient of the column at hand.
Value &KernelEmitter::gradientAt(Value of, int64_t token) {
  return tiles[of].numbers[columnIndex * groupTokens + token];
}

/// λ's gradient so far waits where this thread has read what it needed.
void KernelEmitter::stashLambda(chunk::RecurrenceGradientOp op) {
  int64_t next = firstOfRange;
  for (int64_t region : {regions.queries, regions.keys}) {
    storeTwo(region, gradientAt(op.getDLambda(), next),
             gradientAt(op.getDLambda(), next + 1));
    next += 2;
  }
}

/// Two numbers where a core region had the range's tokens.
void KernelEmitter::storeTwo(int64_t region, Value first, Value second) {
  Value offset = corePlace(region, firstOfRange / 4);
  code.storeShared(code.join({first, second}), offset, region);
}

/// The gradients of the quarter's and the half's siblings wait as well, or the
/// compilers would keep all that they are made of.
void KernelEmitter::stashTotals(int64_t quarter, const TotalGradients &totals) {
  storeTwo(regions.wide + BlockShape::tileBytes(shape.columns()),
           totals.quarters[quarter ^ 1], totals.halves[(quarter / 2) ^ 1]);
}

/// What stashTotals of all quarters has left for this one.
void KernelEmitter::unstashTotals(int64_t quarter, TotalGradients &totals) {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  auto load = [&](int64_t from, int64_t which) {
    int64_t region = regions.wide + bytes;
    Value offset = corePlace(region, from);
    return code.loadShared(code.f32(), offset, region + which * floatBytes);
  };
  int64_t half = quarter / 2;
  totals.quarters[quarter] = load(quarter ^ 1, 0);
  totals.halves[half] = load(2 * (half ^ 1) + 1, 1);
}

void KernelEmitter::unstashLambda(chunk::RecurrenceGradientOp op) {
  int64_t next = firstOfRange;
  for (int64_t region : {regions.queries, regions.keys}) {
    Value offset = corePlace(region, firstOfRange / 4);
    Value pair = code.loadShared(code.vector(2, code.f32()), offset, region);
    for (Value number : code.split(pair))
      gradientAt(op.getDLambda(), next++) = number;
  }
}

Value KernelEmitter::halfTotal(const Tree &tree, int64_t half) {
  return code.fmul(tree.quarters[2 * half], tree.quarters[2 * half + 1]);
}

/// The range's λ of the column at hand, 1 behind the sequence's end.
Values KernelEmitter::lambdaAgain(chunk::RecurrenceGradientOp op) {
  const Values lambda = ownNumbers(tile(op.getLambda()));
  return isMasked(op.getLambda()) ? lambda : masked(lambda, 1);
}

/// As in startTree, for the range's tokens. Behind the sequence's end λ = 1;
/// there no gradient arrives, so that q and k do not matter.
KernelEmitter::QuarterTree
KernelEmitter::climbQuarter(const Tree &tree, int64_t quarter,
                            chunk::RecurrenceGradientOp op) {
  const Values lambda = lambdaAgain(op);
  QuarterTree made;
  for (int64_t token = firstOfRange; token < endOfRange; ++token) {
    made.lambda.push_back(lambda[token]);
    made.query.push_back(
        code.fmul(numberAt(tile(op.getQ()), token), lambda[token]));
    made.key.push_back(numberAt(tile(op.getK()), token));
  }
  made.pairs = {code.fmul(made.lambda[0], made.lambda[1]),
                code.fmul(made.lambda[2], made.lambda[3])};
  for (int64_t level = 0; level < 4; ++level) {
    int64_t size = int64_t(1) << level;
    for (int64_t token = 0; token < 4; ++token) {
      bool isRight = (quarter * 4 + token) & size;
      Value &scaled = isRight ? made.query[token] : made.key[token];
      Value sibling = level == 0   ? made.lambda[token ^ 1]
                      : level == 1 ? made.pairs[(token / 2) ^ 1]
                      : level == 2 ? tree.quarters[quarter ^ 1]
                                   : halfTotal(tree, (quarter / 2) ^ 1);
      made.operands[level].push_back(scaled);
      scaled = code.fmul(scaled, sibling);
    }
  }
  return made;
}

/// Gradients of four tokens' q and k, and of λ but for what comes through the
/// products of the quarter and more.
void KernelEmitter::adjointQuarter(const Tree &tree, int64_t quarter,
                                   TotalGradients &totals,
                                   chunk::RecurrenceGradientOp op) {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  QuarterTree up = climbQuarter(tree, quarter, op);
  Value zero = code.number(0), one = code.number(1);
  Value wideQuery = code.choose(tree.isUpper, tree.factor, zero);
  Value wideKey = code.choose(tree.isUpper, zero, tree.factor);
  Value nearQuery = code.choose(tree.isRight, one, zero);
  Value nearKey = code.choose(tree.isRight, zero, one);
  Values x = loadCore(regions.queries), y = loadCore(regions.keys);
  Values near = loadCore(regions.wide), wide = loadCore(regions.wide + bytes);
  Values query, key;
  for (int64_t token = 0; token < 4; ++token) {
    totals.before = code.fma(x[token], up.query[token], totals.before);
    totals.behind = code.fma(y[token], up.key[token], totals.behind);
    totals.factorOfQuery =
        code.fma(wide[token], up.query[token], totals.factorOfQuery);
    totals.factorOfKey =
        code.fma(wide[token], up.key[token], totals.factorOfKey);
    query.push_back(code.fma(
        x[token], tree.before,
        code.fma(wide[token], wideQuery, code.fmul(near[token], nearQuery))));
    key.push_back(code.fma(
        y[token], tree.behind,
        code.fma(wide[token], wideKey, code.fmul(near[token], nearKey))));
  }
  Values pairTotals(2, zero), lambda(4, zero);
  for (int64_t level = 3; level >= 0; --level) {
    int64_t size = int64_t(1) << level;
    Values z = loadCore(regions.levels + level * bytes);
    if (level == 0)
      for (int64_t token = 0; token < 4; ++token)
        lambda[token] = code.fmul(pairTotals[token / 2], up.lambda[token ^ 1]);
    for (int64_t token = 0; token < 4; ++token) {
      bool isRight = (quarter * 4 + token) & size;
      Value &own = isRight ? query[token] : key[token];
      int64_t pair = (token / 2) ^ 1;
      Value &total = level == 3   ? totals.halves[(quarter / 2) ^ 1]
                     : level == 2 ? totals.quarters[quarter ^ 1]
                     : level == 1 ? pairTotals[pair]
                                  : lambda[token ^ 1];
      Value sibling = level == 3   ? halfTotal(tree, (quarter / 2) ^ 1)
                      : level == 2 ? tree.quarters[quarter ^ 1]
                      : level == 1 ? up.pairs[pair]
                                   : up.lambda[token ^ 1];
      total = code.fma(own, up.operands[level][token], total);
      own = code.fma(own, sibling, z[token]);
    }
  }
  // q ∘ λ and k are where the tree starts; the diagonal needs no λ.
  Value row = code.shiftLeft(code.mul(group, groupTokens), 2);
  for (int64_t index = 0; index < 4; ++index) {
    int64_t token = firstOfRange + index;
    Value diagonal = code.loadShared(
        code.f32(), row, regions.diagonalGradient + token * floatBytes);
    Value q = numberAt(tile(op.getQ()), token),
          k = numberAt(tile(op.getK()), token);
    gradientAt(op.getDQ(), token) =
        code.fma(diagonal, k, code.fmul(query[index], up.lambda[index]));
    gradientAt(op.getDK(), token) = code.fma(diagonal, q, key[index]);
    gradientAt(op.getDLambda(), token) =
        code.fma(query[index], q, lambda[index]);
  }
}

/// Where each thread has read what it needed of level 16.
Value KernelEmitter::groupPlace(Value ofGroup) {
  return code.shiftLeft(
      code.add(code.mul(ofGroup, 2 * shape.columns()), column), 4);
}

void KernelEmitter::shareTotalGradients(const Tree &tree,
                                        const TotalGradients &totals) {
  Value factors[] = {
      totals.before, totals.behind,
      code.choose(tree.isUpper, totals.factorOfQuery, totals.factorOfKey)};
  for (auto [index, value] : llvm::enumerate(factors))
    code.storeShared(value, groupPlace(group),
                     regions.wide + static_cast<int64_t>(index) * floatBytes);
}

/// The gradient of this group's total, from those of each group's factors.
Value KernelEmitter::ownTotalGradient(const Tree &tree) {
  int64_t columns = shape.columns();
  auto of = [&](int64_t index, int64_t other) {
    return code.loadShared(code.f32(), groupPlace(code.integer(other)),
                           regions.wide + index * floatBytes);
  };
  Value chunk = code.number(0);
  for (int64_t part = 0; part < shape.columnWarps(); ++part)
    chunk =
        code.fadd(chunk, code.loadShared(code.f32(), code.shiftLeft(column, 2),
                                         regions.stateProducts +
                                             part * columns * floatBytes));
  const Values &t = tree.totals;
  // before: 1, t0, t0 t1, t0 t1 t2; the chunk's total ends the chain.
  Value p2 = code.fmul(t[0], t[1]), p3 = code.fmul(p2, t[2]);
  Value d3 = code.fma(chunk, t[3], of(0, 3));
  Value d2 = code.fma(d3, t[2], of(0, 2));
  Value d1 = code.fma(d2, t[1], of(0, 1));
  Values made = {d1, code.fmul(d2, t[0]), code.fmul(d3, p2),
                 code.fmul(chunk, p3)};
  // behind: t1 t2 t3, t2 t3, t3, 1.
  Value r2 = code.fmul(t[2], t[3]);
  Value e1 = of(1, 0);
  Value e2 = code.fma(e1, t[1], of(1, 1));
  Value e3 = code.fma(e2, t[2], of(1, 2));
  made[1] = code.fma(e1, r2, made[1]);
  made[2] = code.fma(e2, t[3], made[2]);
  made[3] = code.fadd(made[3], e3);
  // Level 32: the third total for the fourth group, the second for the first.
  made[2] = code.fadd(made[2], of(2, 3));
  made[1] = code.fadd(made[1], of(2, 0));
  Value own = made[0];
  for (int64_t other = 1; other < groupCount; ++other)
    own = code.choose(code.equal(group, other), made[other], own);
  return own;
}

/// What λ's gradient gets through the products of its quarter and more.
void KernelEmitter::finishLambda(const Tree &tree, int64_t quarter, Value own,
                                 const TotalGradients &totals,
                                 chunk::RecurrenceGradientOp op) {
  int64_t half = quarter / 2;
  Value ofHalf = code.fma(own, halfTotal(tree, half ^ 1), totals.halves[half]);
  Value ofQuarter =
      code.fma(ofHalf, tree.quarters[quarter ^ 1], totals.quarters[quarter]);
  const Values all = lambdaAgain(op);
  const Value *lambda = &all[firstOfRange];
  Value pairs[] = {code.fmul(lambda[0], lambda[1]),
                   code.fmul(lambda[2], lambda[3])};
  for (int64_t index = 0; index < 4; ++index) {
    Value ofPair = code.fmul(ofQuarter, pairs[(index / 2) ^ 1]);
    Value &made = gradientAt(op.getDLambda(), firstOfRange + index);
    made = code.fma(ofPair, lambda[index ^ 1], made);
  }
}

/// Each token's sum over all columns, in every thread of the group.
Values KernelEmitter::sumColumns(const Values &numbers) {
  Values ones(numbers.size(), code.number(1));
  storeDiagonal(numbers, ones);
  code.barrier();
  Values sums;
  Value row = code.shiftLeft(code.mul(group, groupTokens), 2);
  for (int64_t token = 0; token < groupTokens; ++token) {
    Value sum = code.number(0);
    for (int64_t part = 0; part < shape.columnWarps(); ++part)
      sum = code.fadd(sum, code.loadShared(code.f32(), row,
                                           regions.diagonal +
                                               part * chunkTokens * floatBytes +
                                               token * floatBytes));
    sums.push_back(sum);
  }
  return sums;
}

} // namespace decay::cuda
