//===- TreeGradient.cpp - The adjoint of the products of λ ----------------===//
//
// The program of Tree.cpp backwards, number by number: multiplications and
// sums, no division and no logarithm, so that λ = 0 is an ordinary case.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// This thread's 16 tokens of a core region.
Values KernelEmitter::loadCore(int64_t region) {
  int64_t columns = shape.columns();
  Value offset = code.shiftLeft(
      code.add(code.mul(group, 2 * columns), column), 4);
  Values numbers;
  for (int64_t half = 0; half < 2; ++half) {
    Value words = code.loadShared(code.vector(4, code.i32()), offset,
                                  region + half * columns * 16);
    for (int64_t word = 0; word < 4; ++word) {
      Value pair = mlir::LLVM::ExtractElementOp::create(
          builder, code.place, words, code.integer(word));
      numbers.push_back(code.unpackLow(pair));
      numbers.push_back(code.unpackHigh(pair));
    }
  }
  return numbers;
}

/// Gradients of the four groups' totals, from those of each group's factors.
Values KernelEmitter::totalGradients(const Tree &tree, Value before,
                                     Value behind, Value factor) {
  int64_t columns = shape.columns();
  Value place = code.shiftLeft(
      code.add(code.mul(group, columns), column), 2);
  int64_t kind = groupCount * columns * floatBytes;
  for (auto [index, value] : llvm::enumerate(Values{before, behind, factor}))
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

static Value dot(Lanes &code, const Values &x, const Values &y) {
  Value sums[2] = {code.number(0), code.number(0)};
  for (auto [index, pair] : llvm::enumerate(llvm::zip(x, y)))
    sums[index % 2] =
        code.fma(std::get<0>(pair), std::get<1>(pair), sums[index % 2]);
  return code.fadd(sums[0], sums[1]);
}

KernelEmitter::TreeGradient
KernelEmitter::adjointTree(const Tree &tree, const Values &query,
                           const Values &key, const Values &lambda) {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  // The chunk's ends and the levels above the group.
  Values x = loadCore(regions.queries), y = loadCore(regions.keys);
  Value before = dot(code, x, tree.query), behind = dot(code, y, tree.key);
  Values dQuery, dKey;
  for (auto [fromOutput, fromValue] : llvm::zip(x, y)) {
    dQuery.push_back(code.fmul(fromOutput, tree.before));
    dKey.push_back(code.fmul(fromValue, tree.behind));
  }
  Value zero = code.number(0), factor = zero;
  Values sixteen = loadCore(regions.wide);
  Values thirtyTwo = loadCore(regions.wide + bytes);
  for (int64_t token = 0; token < groupTokens; ++token) {
    Value used = code.choose(tree.isUpper, tree.query[token], tree.key[token]);
    factor = code.fma(thirtyTwo[token], used, factor);
    Value scaled = code.fmul(thirtyTwo[token], tree.factor);
    dQuery[token] = code.fadd(
        dQuery[token],
        code.fadd(code.choose(tree.isUpper, scaled, zero),
                  code.choose(tree.isRight, sixteen[token], zero)));
    dKey[token] = code.fadd(
        dKey[token],
        code.fadd(code.choose(tree.isUpper, zero, scaled),
                  code.choose(tree.isRight, zero, sixteen[token])));
  }
  Values all = totalGradients(tree, before, behind, factor);
  Value own = all[0];
  for (int64_t other = 1; other < groupCount; ++other)
    own = code.choose(code.equal(group, other), all[other], own);

  // The levels inside the group, from 8 down to 1.
  Values dTotals = {own};
  for (int64_t level = 3; level >= 0; --level) {
    int64_t size = int64_t(1) << level;
    const Values &blocks = tree.blocks[level];
    Values lower;
    for (size_t block = 0; block < blocks.size(); ++block)
      lower.push_back(code.fmul(dTotals[block / 2], blocks[block ^ 1]));
    Values z = loadCore(regions.levels + level * bytes);
    for (int64_t token = 0; token < groupTokens; ++token) {
      Value &gradient = token & size ? dQuery[token] : dKey[token];
      int64_t sibling = (token / size) ^ 1;
      lower[sibling] =
          code.fma(gradient, tree.operands[level][token], lower[sibling]);
      gradient = code.fma(gradient, blocks[sibling], z[token]);
    }
    dTotals = lower;
  }
  // q ∘ λ and k are where the tree starts; the diagonal needs no λ.
  TreeGradient made;
  Value row = code.shiftLeft(code.mul(group, groupTokens), 2);
  for (int64_t token = 0; token < groupTokens; ++token) {
    Value diagonal = code.loadShared(code.f32(), row,
                                     regions.diagonalGradient +
                                         token * floatBytes);
    made.query.push_back(code.fma(diagonal, key[token],
                                  code.fmul(dQuery[token], lambda[token])));
    made.key.push_back(code.fma(diagonal, query[token], dKey[token]));
    made.lambda.push_back(
        code.fma(dQuery[token], query[token], dTotals[token]));
  }
  return made;
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
