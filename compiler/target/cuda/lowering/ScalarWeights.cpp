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

/// Tiles of W and A, and what they say of λ's gradient.
void ScalarEmitter::emitWeights(Value row, Value column, int64_t output,
                                bool needsLambda) {
  Sums scores =
      multiplyStrip(row, column, places.queries, places.keys, shape.K);
  Sums gradients = multiplyStrip(row, column, output, places.values, shape.V);
  forTiles(row, column, [&](Value at, int64_t each) {
    Sums left(gradients.begin() + 2 * each, gradients.begin() + 2 * each + 2);
    Sums right(scores.begin() + 2 * each, scores.begin() + 2 * each + 2);
    Sums weights(
        2, {code.number(1), code.number(1), code.number(1), code.number(1)});
    weigh(weights, row, at);
    Sums products = left;
    for (int64_t place = 0; place < 2; ++place)
      for (int64_t each = 0; each < 4; ++each) {
        Value weight = weights[place][each];
        products[place][each] =
            code.fmul(products[place][each], right[place][each]);
        left[place][each] = code.fmul(left[place][each], weight);
        right[place][each] = code.fmul(right[place][each], weight);
      }
    Value tile = weightPlace(row, at);
    storeWeights(left, tile, places.weightGradients);
    storeWeights(right, tile, places.weights);
    if (!needsLambda)
      return;
    code.choose(
        code.equal(row, at),
        [&]() -> Values {
          gatherDiagonal(products, row);
          return {};
        },
        [&]() -> Values {
          gatherApart(products, row, at);
          return {};
        });
  });
}

} // namespace decay::cuda
