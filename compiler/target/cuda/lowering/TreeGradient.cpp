//===- TreeGradient.cpp - The adjoint of the products of λ ----------------===//
//
// The program of Tree.cpp backwards, number by number: multiplications and
// sums, no division and no logarithm, so that λ = 0 is an ordinary case. What
// the levels' operands were is made again from the inputs.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

constexpr int64_t halfTokens = groupTokens / 2;

/// Eight of this thread's tokens in a core region.
Values KernelEmitter::loadCore(int64_t region, int64_t half) {
  int64_t columns = shape.columns();
  Value offset = code.shiftLeft(
      code.add(code.mul(group, 2 * columns), column), 4);
  Value words = code.loadShared(code.vector(4, code.i32()), offset,
                                region + half * columns * 16);
  Values numbers;
  for (int64_t word = 0; word < 4; ++word) {
    Value pair = mlir::LLVM::ExtractElementOp::create(
        builder, code.place, words, code.integer(word));
    numbers.push_back(code.unpackLow(pair));
    numbers.push_back(code.unpackHigh(pair));
  }
  return numbers;
}

/// The levels 1, 2 and 4 of a half, from its inputs: as in startTree.
KernelEmitter::HalfTree
KernelEmitter::startHalf(int64_t half, chunk::RecurrenceGradientOp op) {
  Values q = masked(tile(op.getQ()).numbers, 0);
  Values k = masked(tile(op.getK()).numbers, 0);
  Values lambda = masked(tile(op.getLambda()).numbers, 1);
  HalfTree tree;
  Values query, key, totals;
  for (int64_t token = firstOfRange; token < endOfRange; ++token) {
    query.push_back(code.fmul(q[token], lambda[token]));
    key.push_back(k[token]);
    totals.push_back(lambda[token]);
  }
  for (int64_t level = 0; level < 4; ++level) {
    int64_t size = int64_t(1) << level;
    bool isRight = level == 3 && half == 1;
    tree.blocks[level] = totals;
    for (int64_t token = 0; token < halfTokens; ++token)
      tree.operands[level].push_back(
          token & size || isRight ? query[token] : key[token]);
    if (level == 3)
      break;
    for (int64_t token = 0; token < halfTokens; ++token) {
      Values &scaled = token & size ? query : key;
      scaled[token] = code.fmul(scaled[token], totals[(token / size) ^ 1]);
    }
    Values merged;
    for (size_t block = 0; block < totals.size(); block += 2)
      merged.push_back(code.fmul(totals[block], totals[block + 1]));
    totals = merged;
  }
  // The other side of level 8 is not used by it, but by the levels above.
  tree.operands[0].append(half == 1 ? key : query);
  return tree;
}

/// Gradients from the chunk's ends and the levels above the group.
KernelEmitter::TreeGradient
KernelEmitter::upperGradients(Tree &tree, chunk::RecurrenceGradientOp op) {
  loadTotals(tree);
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  Value zero = code.number(0);
  TreeGradient made;
  made.before = made.behind = made.factor = zero;
  std::array<HalfTree, 2> halves;
  for (int64_t half = 0; half < 2; ++half) {
    firstOfRange = half * halfTokens;
    endOfRange = firstOfRange + halfTokens;
    makeColumnsAgain(op);
    halves[half] = startHalf(half, op);
    made.halfTotals[half] = halves[half].blocks[3].front();
  }
  for (int64_t half = 0; half < 2; ++half) {
    Values x = loadCore(regions.queries, half);
    Values y = loadCore(regions.keys, half);
    Values sixteen = loadCore(regions.wide, half);
    Values thirtyTwo = loadCore(regions.wide + bytes, half);
    Value other = made.halfTotals[half ^ 1];
    made.halves[half ^ 1] = zero;
    for (int64_t token = 0; token < halfTokens; ++token) {
      Value used = halves[half].operands[3][token];
      Value unused = halves[half].operands[0][halfTokens + token];
      // Level 8 scales the side that it uses.
      Value scaled = code.fmul(used, other);
      Value query = half == 1 ? scaled : unused;
      Value key = half == 1 ? unused : scaled;
      made.before = code.fma(x[token], query, made.before);
      made.behind = code.fma(y[token], key, made.behind);
      Value wide = code.choose(tree.isUpper, query, key);
      made.factor = code.fma(thirtyTwo[token], wide, made.factor);
      Value fromWide = code.fmul(thirtyTwo[token], tree.factor);
      Value dQuery = code.fma(
          x[token], tree.before,
          code.fadd(code.choose(tree.isUpper, fromWide, zero),
                    code.choose(tree.isRight, sixteen[token], zero)));
      Value dKey = code.fma(
          y[token], tree.behind,
          code.fadd(code.choose(tree.isUpper, zero, fromWide),
                    code.choose(tree.isRight, zero, sixteen[token])));
      made.halves[half ^ 1] = code.fma(half == 1 ? dQuery : dKey, used,
                                       made.halves[half ^ 1]);
      made.query.push_back(dQuery);
      made.key.push_back(dKey);
    }
  }
  return made;
}

/// Gradients of the four groups' totals, from those of each group's factors.
Values KernelEmitter::totalGradients(const Tree &tree,
                                     const TreeGradient &gradient) {
  int64_t columns = shape.columns();
  Value place = code.shiftLeft(
      code.add(code.mul(group, columns), column), 2);
  int64_t kind = groupCount * columns * floatBytes;
  Value factors[] = {gradient.before, gradient.behind, gradient.factor};
  for (auto [index, value] : llvm::enumerate(factors))
    code.storeShared(value, place, regions.factorGradients + index * kind);
  code.barrier();
  auto of = [&](int64_t index, int64_t other) {
    return code.loadShared(code.f32(), code.shiftLeft(column, 2),
                           regions.factorGradients + index * kind +
                               other * columns * floatBytes);
  };
  Value chunk = code.number(0);
  for (int64_t part = 0; part < groupCount; ++part)
    chunk = code.fadd(
        chunk, code.loadShared(code.f32(), code.shiftLeft(column, 2),
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
  return made;
}

/// Level 8 and the levels inside a half, from 4 down to 1, to q, k and λ.
void KernelEmitter::adjointHalf(int64_t half, TreeGradient &gradient,
                                Value total, chunk::RecurrenceGradientOp op) {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  HalfTree tree = startHalf(half, op);
  Value other = gradient.halfTotals[half ^ 1];
  Values z = loadCore(regions.levels + 3 * bytes, half);
  Values &side = half == 1 ? gradient.query : gradient.key;
  for (int64_t token = 0; token < halfTokens; ++token)
    side[firstOfRange + token] =
        code.fma(side[firstOfRange + token], other, z[token]);
  Values dTotals = {code.fma(total, other, gradient.halves[half])};
  for (int64_t level = 2; level >= 0; --level) {
    int64_t size = int64_t(1) << level;
    const Values &blocks = tree.blocks[level];
    Values lower;
    for (size_t block = 0; block < blocks.size(); ++block)
      lower.push_back(code.fmul(dTotals[block / 2], blocks[block ^ 1]));
    z = loadCore(regions.levels + level * bytes, half);
    for (int64_t token = 0; token < halfTokens; ++token) {
      Value &own = token & size ? gradient.query[firstOfRange + token]
                                : gradient.key[firstOfRange + token];
      int64_t sibling = (token / size) ^ 1;
      lower[sibling] =
          code.fma(own, tree.operands[level][token], lower[sibling]);
      own = code.fma(own, blocks[sibling], z[token]);
    }
    dTotals = lower;
  }
  // q ∘ λ and k are where the tree starts; the diagonal needs no λ.
  Values q = masked(tile(op.getQ()).numbers, 0);
  Values k = masked(tile(op.getK()).numbers, 0);
  Values lambda = masked(tile(op.getLambda()).numbers, 1);
  Value row = code.shiftLeft(code.mul(group, groupTokens), 2);
  for (int64_t token = firstOfRange; token < endOfRange; ++token) {
    Value diagonal = code.loadShared(
        code.f32(), row, regions.diagonalGradient + token * floatBytes);
    Value dQuery = gradient.query[token], dKey = gradient.key[token];
    tiles[op.getDQ()].numbers[token] =
        code.fma(diagonal, k[token], code.fmul(dQuery, lambda[token]));
    tiles[op.getDK()].numbers[token] = code.fma(diagonal, q[token], dKey);
    tiles[op.getDLambda()].numbers[token] =
        code.fma(dQuery, q[token], dTotals[token - firstOfRange]);
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
