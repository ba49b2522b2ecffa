//===- ScalarTree.cpp - Products of one λ per token -----------------------===//
//
// The product tree with one channel. At each level a token is in one sibling:
// in the right one its factor is the product from the boundary on, itself
// included; in the left one the product behind it, up to the boundary. The
// weight of (i, j) is the product of both factors at the highest level at which
// i and j differ.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

/// Two neighbouring tokens' numbers, of this lane.
void ScalarEmitter::storePair(Value first, Value second, int64_t region) {
  Value pair = mlir::LLVM::PoisonOp::create(builder, code.place,
                                            code.vector(2, code.f32()));
  for (auto [index, number] : llvm::enumerate(Values{first, second}))
    pair = mlir::LLVM::InsertElementOp::create(
        builder, code.place, pair, number,
        code.integer(static_cast<int64_t>(index)));
  code.storeShared(pair, code.shiftLeft(lane, 3), region);
}

Values ScalarEmitter::loadPair(Value token, int64_t region) {
  Value pair = code.loadShared(code.vector(2, code.f32()),
                               code.shiftLeft(token, 2), region);
  Values numbers;
  for (int64_t each = 0; each < 2; ++each)
    numbers.push_back(mlir::LLVM::ExtractElementOp::create(
        builder, code.place, pair, code.integer(each)));
  return numbers;
}

/// All factors of the chunk, by one warp.
void ScalarEmitter::storeFactors(Value lambda) {
  Values own = masked(tile(lambda).numbers, 1);
  Value one = code.number(1);
  code.when(code.equal(warp, 0), [&] {
    int64_t rowBytes = chunkTokens * floatBytes;
    storePair(one, own[1], places.factors);
    Values before = {own[0], code.fmul(own[0], own[1])};
    Values behind = {own[1], one};
    Value total = before[1];
    for (int64_t level = 1; level < levels; ++level) {
      int64_t mask = int64_t(1) << (level - 1);
      Value isRight = code.equal(code.bitAnd(lane, mask), mask);
      storePair(code.choose(isRight, before[0], behind[0]),
                code.choose(isRight, before[1], behind[1]),
                places.factors + level * rowBytes);
      Value sibling = code.exchange(total, mask);
      Value left = code.choose(isRight, sibling, one);
      Value right = code.choose(isRight, one, sibling);
      for (int64_t each = 0; each < 2; ++each) {
        before[each] = code.fmul(before[each], left);
        behind[each] = code.fmul(behind[each], right);
      }
      total = code.fmul(total, sibling);
    }
    storePair(before[0], before[1], places.before);
    storePair(behind[0], behind[1], places.behind);
    code.when(code.equal(lane, 0),
              [&] { code.storeShared(total, Value(), places.total); });
  });
}

/// Scores of a group's tokens with those of an earlier one: one level
/// has them all.
void ScalarEmitter::weighApart(Sums &scores, Value row, Value column) {
  Value apart = code.bitXor(row, column);
  Value level =
      code.choose(code.equal(apart, 1), code.integer(4), code.integer(5));
  Value start = code.mul(level, chunkTokens);
  Value i = code.add(code.add(start, code.mul(row, groupTokens)),
                     code.shiftRight(lane, 2));
  Value j = code.add(code.add(start, code.mul(column, groupTokens)),
                     code.shiftLeft(code.bitAnd(lane, 3), 1));
  Values ofRow;
  for (int64_t half = 0; half < 2; ++half)
    ofRow.push_back(code.loadShared(code.f32(), code.shiftLeft(i, 2),
                                    places.factors + half * 8 * floatBytes));
  for (int64_t place = 0; place < 2; ++place) {
    Values ofColumn = loadPair(j, places.factors + place * 8 * floatBytes);
    for (int64_t each = 0; each < 4; ++each)
      scores[place][each] = code.fmul(
          scores[place][each], code.fmul(ofRow[each / 2], ofColumn[each % 2]));
  }
}

/// Scores of 16 tokens with each other.
void ScalarEmitter::weighDiagonal(Sums &scores, Value row) {
  Value zero = code.number(0), one = code.number(1);
  Value start = code.mul(row, groupTokens);
  Value x = code.shiftRight(lane, 2);
  Value y = code.shiftLeft(code.bitAnd(lane, 3), 1);
  auto factor = [&](Value level, Value token, int64_t half) {
    Value place =
        code.add(code.mul(level, chunkTokens), code.add(start, token));
    return code.loadShared(code.f32(), code.shiftLeft(place, 2),
                           places.factors + half * 8 * floatBytes);
  };
  Value middle = code.integer(3);
  for (int64_t each = 0; each < 2; ++each) {
    Value j = code.add(y, each);
    Value apart = code.bitXor(x, j);
    Value level = code.choose(
        code.atLeast(apart, 4), code.integer(2),
        code.choose(code.atLeast(apart, 2), code.integer(1), code.integer(0)));
    for (int64_t half = 0; half < 2; ++half) {
      Value weight = code.fmul(factor(level, x, half), factor(level, j, half));
      weight = code.choose(code.less(j, x), weight,
                           code.choose(code.equal(j, x), one, zero));
      Value &score = scores[half][2 * half + each];
      score = code.fmul(score, weight);
    }
    Value &below = scores[0][2 + each];
    below =
        code.fmul(below, code.fmul(factor(middle, x, 1), factor(middle, j, 0)));
    scores[1][each] = zero;
  }
}

/// Scores of one group's tokens with another's, times their weights.
void ScalarEmitter::weigh(Sums &scores, Value row, Value column) {
  const Sums plain = scores;
  auto with = [&](llvm::function_ref<void(Sums &)> apply) {
    Sums made = plain;
    apply(made);
    Values list;
    for (const auto &four : made)
      list.append(four.begin(), four.end());
    return list;
  };
  Values list = code.choose(
      code.equal(row, column),
      [&] { return with([&](Sums &made) { weighDiagonal(made, row); }); },
      [&] { return with([&](Sums &made) { weighApart(made, row, column); }); });
  for (size_t index = 0; index < list.size(); ++index)
    scores[index / 4][index % 4] = list[index];
}

} // namespace decay::cuda
