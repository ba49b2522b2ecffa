//===- Sums.cpp - Between the columns of a block --------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

/// The numbers of the thread of this group whose column is `apart` places
/// further on. Before the recurrence the wide levels' place is free, and two
/// calls in turn use its two halves; behind it (`isLate`) others may still be
/// reading there.
Values KernelEmitter::exchangeColumns(const Values &numbers, Value apart,
                                      bool isLate) {
  int64_t rowBytes = shape.columns() * floatBytes;
  bool hasTokens = static_cast<int64_t>(numbers.size()) >= tokensPerThread;
  int64_t count = hasTokens ? tokensPerThread : 1;
  int64_t region;
  if (count == 1) {
    region = reserve(groupCount * rowBytes);
  } else {
    region = regions.wide + (secondExchange ? chunkTokens * rowBytes : 0);
    secondExchange = !secondExchange;
    if (isLate)
      code.barrier();
  }
  Value row = code.mul(group, count * rowBytes);
  forColumns([&] {
    Value own = code.add(row, code.shiftLeft(column, 2));
    for (int64_t token = 0; token < count; ++token)
      code.storeShared(numbers[columnIndex * count + token], own,
                       region + token * rowBytes);
  });
  code.barrier();
  Values made;
  forColumns([&] {
    Value other = code.add(row, code.shiftLeft(code.add(column, apart), 2));
    for (int64_t token = 0; token < count; ++token)
      made.push_back(
          code.loadShared(code.f32(), other, region + token * rowBytes));
  });
  return made;
}

/// Of all numbers of a thread.
Value KernelEmitter::sumOf(const Values &numbers) {
  Value sum = numbers.front();
  for (Value number : llvm::drop_begin(numbers))
    sum = code.fadd(sum, number);
  return sum;
}

/// The sum over the columns of a number without tokens.
Value KernelEmitter::sumOfThreads(Value number) {
  for (int64_t mask = 1; mask < warpLanes; mask *= 2)
    number = code.fadd(number, code.exchange(number, mask));
  int64_t region = reserve(shape.warps() * floatBytes);
  // Someone may still be reading an earlier round of a loop.
  code.barrier();
  code.when(code.equal(lane, 0),
            [&] { code.storeShared(number, code.shiftLeft(warp, 2), region); });
  code.barrier();
  Value sum = code.number(0);
  for (int64_t part = 0; part < shape.columnWarps(); ++part)
    sum = code.fadd(sum,
                    code.loadShared(code.f32(), code.shiftLeft(group, 2),
                                    region + part * groupCount * floatBytes));
  return sum;
}

/// Under lrpe_cosine both halves hold what has no pair axis: one counts.
Values KernelEmitter::countedOnce(const Values &numbers, chunk::TileType type) {
  if (shape.pairs == 1 || type.has(Axis::Pair))
    return numbers;
  // All columns of a thread are in the same half.
  Value counts = code.less(column, shape.K);
  Values made;
  for (Value number : numbers)
    made.push_back(code.choose(counts, number, code.number(0)));
  return made;
}

/// Those of the other half of the columns are added.
void KernelEmitter::addOtherHalf(Values &numbers) {
  Value apart = code.choose(code.atLeast(column, shape.K),
                            code.integer(-shape.K), code.integer(shape.K));
  Values others = exchangeColumns(numbers, apart, /*isLate=*/true);
  for (auto [number, other] : llvm::zip(numbers, others))
    number = code.fadd(number, other);
}

void KernelEmitter::emitSum(chunk::SumOp op) {
  if (worksOnRows(op))
    return emitRowsSum(op);
  Tile from = tile(op.getOperand());
  auto type = mlir::cast<chunk::TileType>(op.getOperand().getType());
  auto made = mlir::cast<chunk::TileType>(op.getResult().getType());
  bool channelsGo = type.has(Axis::Channel) && !made.has(Axis::Channel);
  bool pairsGo = type.has(Axis::Pair) && !made.has(Axis::Pair);
  if (type.has(Axis::Layer) && !made.has(Axis::Layer)) {
    Tile sum;
    sum.numbers = columnsOf(op.getOperand(), [&] {
      return overLayers(code.number(0), [&](Value layer, Value so) {
        return code.fadd(so, numberOf(from, layer));
      });
    });
    from = sum;
  }
  if (from.kind == Tile::Kind::layers) {
    if (channelsGo)
      from.atLayer = [=, this](Value layer) {
        Values all = perColumn([&] { return numberOf(from, layer); });
        return sumOfThreads(sumOf(countedOnce(all, type)));
      };
  } else if (channelsGo && from.kind == Tile::Kind::columns) {
    code.barrier();
    from.numbers = sumColumns(countedOnce(from.numbers, type));
  } else if (channelsGo) {
    from.numbers = {sumOfThreads(sumOf(countedOnce(from.numbers, type)))};
  } else if (pairsGo) {
    addOtherHalf(from.numbers);
  }
  tiles[op.getResult()] = from;
}

/// Both halves of the columns hold these numbers as it is.
void KernelEmitter::emitRepeatPair(chunk::RepeatPairOp op) {
  tiles[op.getResult()] = Tile(tile(op.getOperand()));
}

} // namespace decay::cuda
