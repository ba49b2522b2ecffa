//===- ScalarWeights.cpp - What pairs of tokens say of λ's gradient -------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

/// Gradients of the factors of one level between two groups.
void ScalarEmitter::gatherApart(const Sums &products, Value row, Value column) {
  Value isNear = code.equal(code.bitXor(row, column), 1);
  Value level = code.choose(isNear, code.integer(4), code.integer(5));
  Value i = code.add(code.mul(row, groupTokens), code.shiftRight(lane, 2));
  Value j = code.add(code.mul(column, groupTokens),
                     code.shiftLeft(code.bitAnd(lane, 3), 1));
  Value start = code.mul(level, chunkTokens);
  Values ofRow, ofColumn;
  for (int64_t half = 0; half < 2; ++half)
    ofRow.push_back(code.loadShared(code.f32(),
                                    code.shiftLeft(code.add(start, i), 2),
                                    places.factors + half * 8 * floatBytes));
  for (int64_t place = 0; place < 2; ++place)
    ofColumn.append(
        loadPair(code.add(start, j), places.factors + place * 8 * floatBytes));
  // Two groups have a part each in a token's factor of level 32.
  Value rowSlot = code.choose(isNear, code.integer(4), code.add(column, 5));
  Value columnSlot = code.choose(isNear, code.integer(4), code.add(row, 3));
  auto at = [&](Value slot, Value token) {
    return code.shiftLeft(code.add(code.mul(slot, chunkTokens), token), 2);
  };
  for (int64_t half = 0; half < 2; ++half) {
    Value sum = code.number(0);
    for (int64_t place = 0; place < 2; ++place)
      for (int64_t each = 0; each < 2; ++each)
        sum = code.fma(products[place][2 * half + each],
                       ofColumn[2 * place + each], sum);
    sum = sumOfLanes(sum, {1, 2});
    code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
      code.storeShared(sum, at(rowSlot, i),
                       places.factorGradients + half * 8 * floatBytes);
    });
  }
  for (int64_t place = 0; place < 2; ++place)
    for (int64_t each = 0; each < 2; ++each) {
      Value sum = code.fma(products[place][each], ofRow[0],
                           code.fmul(products[place][2 + each], ofRow[1]));
      sum = sumOfLanes(sum, {4, 8, 16});
      code.when(code.less(lane, 4), [&] {
        code.storeShared(sum, at(columnSlot, j),
                         places.factorGradients +
                             (place * 8 + each) * floatBytes);
      });
    }
}

/// The same inside a group: level 8, then levels 1 to 4, of which a pair of
/// tokens has one.
void ScalarEmitter::gatherDiagonal(const Sums &products, Value row) {
  Value zero = code.number(0);
  Value start = code.mul(row, groupTokens);
  Value x = code.shiftRight(lane, 2);
  Value y = code.shiftLeft(code.bitAnd(lane, 3), 1);
  auto place = [&](Value level, Value token) {
    return code.shiftLeft(
        code.add(code.mul(level, chunkTokens), code.add(start, token)), 2);
  };
  auto factor = [&](Value level, Value token, int64_t half) {
    return code.loadShared(code.f32(), place(level, token),
                           places.factors + half * 8 * floatBytes);
  };
  auto store = [&](Value condition, Value sum, int64_t level, Value token,
                   int64_t half) {
    code.when(condition, [&] {
      code.storeShared(sum, place(code.integer(level), token),
                       places.factorGradients + half * 8 * floatBytes);
    });
  };
  Value isFirst = code.equal(code.bitAnd(lane, 3), 0);
  Value isTop = code.less(lane, 4);
  Value middle = code.integer(3), sum = zero;
  for (int64_t each = 0; each < 2; ++each)
    sum = code.fma(products[0][2 + each], factor(middle, code.add(y, each), 0),
                   sum);
  store(isFirst, sumOfLanes(sum, {1, 2}), 3, x, 1);
  for (int64_t each = 0; each < 2; ++each) {
    Value ofColumn = code.fmul(products[0][2 + each], factor(middle, x, 1));
    store(isTop, sumOfLanes(ofColumn, {4, 8, 16}), 3, code.add(y, each), 0);
  }
  Value apart[2], levelOf[2];
  for (int64_t each = 0; each < 2; ++each) {
    Value j = code.add(y, each);
    apart[each] = code.bitXor(x, j);
    levelOf[each] = code.choose(code.atLeast(apart[each], 4), code.integer(2),
                                code.choose(code.atLeast(apart[each], 2),
                                            code.integer(1), code.integer(0)));
  }
  for (int64_t half = 0; half < 2; ++half) {
    Value ofRow[2], ofColumn[2];
    for (int64_t each = 0; each < 2; ++each) {
      Value j = code.add(y, each);
      Value product =
          code.choose(code.less(j, x), products[half][2 * half + each], zero);
      ofRow[each] = code.fmul(product, factor(levelOf[each], j, half));
      ofColumn[each] = code.fmul(product, factor(levelOf[each], x, half));
    }
    for (int64_t level = 0; level < 3; ++level) {
      int64_t bit = int64_t(1) << level;
      Value rowSum = zero;
      for (int64_t each = 0; each < 2; ++each) {
        Value belongs = code.equal(levelOf[each], level);
        rowSum = code.fadd(rowSum, code.choose(belongs, ofRow[each], zero));
        Value j = code.add(y, each);
        Value columnSum =
            sumOfLanes(code.choose(belongs, ofColumn[each], zero), {4, 8, 16});
        store(code.both(isTop, code.equal(code.bitAnd(j, bit), 0)), columnSum,
              level, j, half);
      }
      store(code.both(isFirst, code.equal(code.bitAnd(x, bit), bit)),
            sumOfLanes(rowSum, {1, 2}), level, x, half);
    }
  }
}

/// One tile of dA ∘ D and A, and what it says of λ's gradient. Returns A's
/// words.
Values ScalarEmitter::emitWeights(Sums scores, Sums gradients, Value column,
                                  bool needsLambda) {
  Value row = ownGroup();
  Sums weights(
      2, {code.number(1), code.number(1), code.number(1), code.number(1)});
  weigh(weights, row, column);
  Sums products = gradients;
  for (int64_t place = 0; place < 2; ++place)
    for (int64_t each = 0; each < 4; ++each) {
      Value weight = weights[place][each];
      Value &score = scores[place][each], &gradient = gradients[place][each];
      products[place][each] = code.fmul(gradient, score);
      gradient = code.fmul(gradient, weight);
      score = code.fmul(score, weight);
    }
  storeWeightTile(packed(code, gradients[0], gradients[1]), row, column);
  if (needsLambda)
    code.choose(
        code.equal(row, column),
        [&]() -> Values {
          gatherDiagonal(products, row);
          return {};
        },
        [&]() -> Values {
          gatherApart(products, row, column);
          return {};
        });
  Fragment words = packed(code, scores[0], scores[1]);
  return {words[0], words[1], words[2], words[3]};
}

/// q kᵀ and do vᵀ, weighed: dA ∘ D goes to memory, of A this warp's tiles are
/// returned. Above the diagonal both are zeros.
Values ScalarEmitter::weighPairs(int64_t output, bool needsLambda) {
  int64_t width = chunkTokens / (shape.K / groupColumns());
  Value first = code.mul(columnWarp, width);
  auto multiply = [&](int64_t left, int64_t right) {
    return code.multiplyGroup(width, alongRows(left, Value(), chunkTokens),
                              alongRows(right, first, chunkTokens),
                              shape.K / 16);
  };
  code.beginProducts();
  Values scores = multiply(places.queries, places.keys);
  Values gradients = multiply(output, places.values);
  code.commitProducts();
  scores.append(gradients);
  Sums sums = unflatten(code.waitProducts(scores, 0));
  int64_t tiles = width / groupTokens;
  Values words;
  for (int64_t each = 0; each < tiles; ++each) {
    Value column = code.add(code.mul(columnWarp, tiles), each);
    Sums own(sums.begin() + 2 * each, sums.begin() + 2 * each + 2);
    auto ofOutput = sums.begin() + 2 * (tiles + each);
    Sums other(ofOutput, ofOutput + 2);
    words.append(code.choose(
        code.atLeast(code.sub(ownGroup(), column), 0),
        [&] { return emitWeights(own, other, column, needsLambda); },
        [&] {
          Value zero = code.integer(0);
          storeWeightTile({zero, zero, zero, zero}, ownGroup(), column);
          return Values(4, zero);
        }));
  }
  return words;
}

} // namespace decay::cuda
