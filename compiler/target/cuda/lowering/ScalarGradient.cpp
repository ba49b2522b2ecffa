//===- ScalarGradient.cpp - The adjoint under one λ per token -------------===//
//
// W = dA ∘ D and A go from warp to warp as fragments, 512 bytes for 16 x 16;
// dA ∘ (q kᵀ), which λ's gradient is made of, stays in fp32 registers.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

/// A lower-triangular tile's place: row r begins at r (r + 1) / 2.
Value ScalarEmitter::weightPlace(Value row, Value column) {
  Value start = code.shiftRight(code.mul(row, code.add(row, 1)), 1);
  return code.mul(code.add(start, column), fragmentBytes);
}

void ScalarEmitter::storeWeights(const Sums &sums, Value tile, int64_t region) {
  code.storeMatrix(packed(code, sums[0], sums[1]),
                   code.add(tile, code.shiftLeft(lane, 4)), region, false);
}

Fragment ScalarEmitter::loadWeights(Value tile, int64_t region,
                                    bool transposed) {
  Value own = lane;
  if (transposed) {
    // Blocks two and three change places.
    Value block = code.shiftRight(lane, 3);
    Value mirrored = code.bitOr(code.shiftLeft(code.bitAnd(block, 1), 1),
                                code.shiftRight(block, 1));
    own = code.add(code.mul(mirrored, 8), code.bitAnd(lane, 7));
  }
  return code.loadMatrix(code.add(tile, code.shiftLeft(own, 4)), region,
                         transposed);
}

/// The sum over lanes that differ in these bits of their number.
Value ScalarEmitter::sumOfLanes(Value number, llvm::ArrayRef<int64_t> masks) {
  for (int64_t mask : masks)
    number = code.fadd(number, code.exchange(number, mask));
  return number;
}

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

/// One tile of W and A, and what it says of λ's gradient.
void ScalarEmitter::emitWeights(Value row, Value column, int64_t output,
                                bool needsLambda) {
  Sums scores =
      multiplyRowsOf(row, column, places.queries, places.keys, shape.K);
  Sums gradients = multiplyRowsOf(row, column, output, places.values, shape.V);
  Sums weights(
      2, {code.number(1), code.number(1), code.number(1), code.number(1)});
  weigh(weights, row, column);
  Sums left = gradients, right = scores, products = gradients;
  for (int64_t place = 0; place < 2; ++place)
    for (int64_t each = 0; each < 4; ++each) {
      left[place][each] = code.fmul(left[place][each], weights[place][each]);
      right[place][each] = code.fmul(right[place][each], weights[place][each]);
      products[place][each] =
          code.fmul(products[place][each], scores[place][each]);
    }
  Value tile = weightPlace(row, column);
  storeWeights(left, tile, places.weightGradients);
  storeWeights(right, tile, places.weights);
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
}

void ScalarEmitter::emitAllWeights(int64_t output, bool needsLambda) {
  constexpr int64_t tiles = groupCount * (groupCount + 1) / 2;
  int64_t warps = blockThreads() / warpLanes;
  Value rounds =
      code.divide(code.add(code.sub(code.integer(tiles - 1), warp), warps),
                  code.integer(warps));
  code.loop(rounds, {}, [&](Value round, mlir::ValueRange) -> Values {
    // The longest rows first.
    Value job = code.add(warp, code.mul(round, warps));
    Value row = code.integer(0);
    for (int64_t r = 1; r < groupCount; ++r)
      row =
          code.choose(code.atLeast(job, r * (r + 1) / 2), code.integer(r), row);
    Value start = code.shiftRight(code.mul(row, code.add(row, 1)), 1);
    emitWeights(row, code.sub(job, start), output, needsLambda);
    return {};
  });
}

/// Rows of this warp's tokens times the state's rows: [16, 64 columns of k].
Sums ScalarEmitter::multiplyByRows(int64_t rows) {
  Sums sums = zeroSums(code, outputTiles);
  Value left = leftOffset(code.mul(tokenGroup(), groupTokens), shape.V);
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value channel = code.add(
      code.mul(outputPiece(), 8),
      code.add(code.mul(code.shiftRight(lane, 4), 8), code.bitAnd(lane, 7)));
  Value right = rowOffset(channel, second, shape.V);
  for (int64_t step = 0; step < shape.V / 16; ++step) {
    Fragment a = loadLeft(left, step, rows);
    for (int64_t place = 0; place < outputTiles; place += 2) {
      Fragment b = loadLeft(right, step,
                            places.state + place * 8 * shape.V * bfloatBytes);
      code.multiply(a, b[0], b[1], sums[place]);
      code.multiply(a, b[2], b[3], sums[place + 1]);
    }
  }
  return sums;
}

/// Each token's sum of these and a row-wise tile's numbers, in fp32.
void ScalarEmitter::storeRowProducts(const Sums &sums, int64_t rows,
                                     int64_t region) {
  Value start = code.mul(tokenGroup(), groupTokens);
  Value offset =
      rowOffset(code.add(start, rowInTile()),
                code.add(outputPiece(), code.shiftRight(lane, 4)), shape.K);
  Value total[2] = {code.number(0), code.number(0)};
  for (int64_t place = 0; place < outputTiles; place += 2) {
    Fragment x = code.loadMatrix(code.bitXor(offset, place << 4), rows, false);
    for (int64_t word = 0; word < 4; ++word) {
      const auto &four = sums[place + word / 2];
      int64_t half = word % 2;
      total[half] =
          code.fma(four[2 * half], code.unpackLow(x[word]), total[half]);
      total[half] =
          code.fma(four[2 * half + 1], code.unpackHigh(x[word]), total[half]);
    }
  }
  Value slot = code.mul(code.shiftRight(warp, 2), chunkTokens);
  Value token = code.add(start, code.shiftRight(lane, 2));
  for (int64_t half = 0; half < 2; ++half) {
    Value sum = sumOfLanes(total[half], {1, 2});
    code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
      code.storeShared(sum, code.shiftLeft(code.add(slot, token), 2),
                       region + half * 8 * floatBytes);
    });
  }
}

/// sums += W rows, or Wᵀ rows: of this warp's tokens and 64 columns.
Sums ScalarEmitter::addWeighted(const Sums &sums, int64_t weights, int64_t rows,
                                bool transposed) {
  Value own = tokenGroup();
  Value count =
      transposed ? code.sub(code.integer(groupCount), own) : code.add(own, 1);
  Values so = code.loop(
      count, listOf(sums), [&](Value index, mlir::ValueRange carried) {
        Sums made = sumsOf(carried);
        Value other = transposed ? code.add(own, index) : index;
        Value tile =
            transposed ? weightPlace(other, own) : weightPlace(own, other);
        addProducts(loadWeights(tile, weights, transposed), outputPiece(),
                    code.mul(other, groupTokens), rows, made);
        return listOf(made);
      });
  return sumsOf(so);
}

/// Σ S ∘ dS, this warp's part.
void ScalarEmitter::storeStateProduct(const Values &gradient) {
  Value offset = stateImageOffset(), sum = code.number(0);
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); place += 2) {
      const Value *eight = &gradient[(tileRow * stateTiles() + place) * 4];
      Fragment x = code.loadMatrix(
          code.bitXor(offset, place << 4),
          places.state + tileRow * 16 * shape.V * bfloatBytes, false);
      for (int64_t word = 0; word < 4; ++word) {
        sum = code.fma(eight[2 * word], code.unpackLow(x[word]), sum);
        sum = code.fma(eight[2 * word + 1], code.unpackHigh(x[word]), sum);
      }
    }
  sum = sumOfLanes(sum, {1, 2, 4, 8, 16});
  code.when(code.equal(lane, 0), [&] {
    code.storeShared(sum, code.shiftLeft(warp, 2), places.totalGradient);
  });
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
  int64_t halves = blockThreads() / (groupCount * warpLanes);
  Values dBefore = loadParts(places.beforeGradients, halves);
  Values dBehind = loadParts(places.behindGradients, halves);
  Value dTotal = code.number(0);
  for (int64_t other = 0; other < blockThreads() / warpLanes; ++other)
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

void ScalarEmitter::emitScalarGradient(chunk::RecurrenceGradientOp op) {
  const Values gradient = tile(op.getDState()).numbers;
  int64_t output = tile(op.getDO()).shared;
  bool needsLambda = !op.getDLambda().use_empty();
  places.queries = activate(op.getQ());
  places.keys = activate(op.getK());
  places.values = tile(op.getV()).shared;
  storeFactors(op.getLambda());
  synchronise();
  emitAllWeights(output, needsLambda);
  if (needsLambda)
    storeStateProduct(gradient);
  Sums sums = multiplyByRows(output);
  if (needsLambda)
    storeRowProducts(sums, places.queries, places.beforeGradients);
  scaleRows(sums, places.before);
  synchronise();
  storeStateImage(gradient, places.state);
  sums = addWeighted(sums, places.weightGradients, places.keys, false);
  storeGradient(sums, op, op.getDQ());
  synchronise();
  sums = multiplyByRows(places.values);
  if (needsLambda)
    storeRowProducts(sums, places.keys, places.behindGradients);
  scaleRows(sums, places.behind);
  sums = addWeighted(sums, places.weightGradients, places.queries, true);
  storeGradient(sums, op, op.getDK());
  sums = multiplyState(places.keys);
  scaleRows(sums, places.behind);
  sums = addWeighted(sums, places.weights, output, true);
  if (std::optional<int64_t> operand = outputOperand(op.getDV()))
    storeTokens(sums, *operand, nullptr);
  tiles[op.getDV()].kind = Tile::Kind::rows;
  Tile next;
  next.kind = Tile::Kind::state;
  next.numbers = advance(gradient, places.queries, places.before, output);
  tiles[op.getDNext()] = next;
  synchronise();
  copyAll();
  if (needsLambda) {
    Tile &made = tiles[op.getDLambda()];
    made.kind = Tile::Kind::columns;
    made.numbers = lambdaGradient(op.getLambda());
  }
  for (mlir::Operation *rest = op->getNextNode(); rest;
       rest = rest->getNextNode()) {
    code.place = rest->getLoc();
    emitOperation(*rest);
  }
}

} // namespace decay::cuda
