//===- ColumnLoop.cpp - A thread's two columns one after the other --------===//
//
// A scan's gradient needs all tokens of a column at once, and so does a shared
// k's that waits for λ's: of two columns more than a thread's registers, where
// more is made again for it than shares of a sum (ScanShares.cpp). There
// the adjoint of the tree and what follows from it are loops over the two,
// whose code is there once: kernels with scans stay below the 128 KiB of
// instructions that a multiprocessor keeps.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

namespace {
/// Places of eight bytes for each quarter: one in each level's operand, which
/// this thread alone has read by then.
constexpr int64_t placeCount = 4;
/// That four numbers of fp32 take.
constexpr int64_t placesOfNumbers = 2;
} // namespace

/// Where a scan's gradient or numbers kept for λ's take registers. Elsewhere
/// both columns at once take less time: the loop and what waits for its second
/// turn are instructions of their own.
bool KernelEmitter::takesColumnsInTurn(chunk::RecurrenceGradientOp op) {
  const Values kept = keptForLambda(op);
  bool hasScan =
      llvm::any_of(op->getBlock()->getOps<chunk::ScanOp>(),
                   [&](chunk::ScanOp scan) { return !keepsShares(scan); });
  if (shape.columnsPerThread != 2 || shape.isApart || !worksByQuarters(op) ||
      (!hasScan && kept.empty()))
    return false;
  int64_t before = 0, behind = 0;
  for (auto [next, part] : tailOf(op))
    if (mlir::isa<chunk::WriteOp>(next))
      ++(part == Tail::beforeLambda ? before : behind);
  bool areColumns = llvm::all_of(kept, [](Value value) {
    auto type = mlir::cast<chunk::TileType>(value.getType());
    return type.has(Axis::Token) && type.has(Axis::Channel);
  });
  auto numbers = static_cast<int64_t>(kept.size());
  return areColumns &&
         std::max(before, behind) + placesOfNumbers * numbers <= placeCount;
}

/// What is made before λ's gradient is known and is needed with it.
Values KernelEmitter::keptForLambda(chunk::RecurrenceGradientOp op) {
  llvm::DenseSet<Value> early = {op.getDQ(), op.getDK()};
  llvm::SetVector<Value> kept;
  for (auto [next, part] : tailOf(op))
    if (part == Tail::beforeLambda)
      early.insert(next->result_begin(), next->result_end());
    else
      for (Value operand : next->getOperands())
        if (early.contains(operand))
          kept.insert(operand);
  return Values(kept.begin(), kept.end());
}

/// The range's four numbers of each: to shared memory, or from there.
void KernelEmitter::keepForLambda(const Values &kept, bool isBack) {
  for (auto [index, value] : llvm::enumerate(kept)) {
    Values &numbers = tiles[value].numbers;
    for (int64_t half = 0; half < placesOfNumbers; ++half) {
      int64_t level =
          placeCount - 1 - placesOfNumbers * static_cast<int64_t>(index) - half;
      int64_t region =
          regions.levels + level * BlockShape::tileBytes(shape.columns());
      Value *pair = &numbers[firstOfRange + 2 * half];
      if (!isBack) {
        storeTwo(region, pair[0], pair[1]);
        continue;
      }
      Value offset = corePlace(region, firstOfRange / quarterTokens);
      llvm::copy(code.split(code.loadShared(code.vector(2, code.f32()), offset,
                                            region)),
                 pair);
    }
  }
}

/// The column at hand is the first or the second, as the loop goes.
void KernelEmitter::selectInTurn(Value index) {
  isSecond = code.equal(index, 1);
  halfAtHand = code.halfOf(isSecond);
  selectColumn(0);
  column = code.add(column, code.shiftLeft(index, 5));
  channel = code.add(channel, index);
}

/// `body`, with the parts of the tail in it, for one column and then the other.
/// What these leave for the chunks to come has a number for each, which goes
/// through the loop.
void KernelEmitter::inTurn(chunk::RecurrenceGradientOp op,
                           llvm::ArrayRef<Tail> parts,
                           llvm::function_ref<void()> body) {
  Values results, initial;
  auto carry = [&](Value result, Value from) {
    results.push_back(result);
    tiles[result] = tile(from);
    llvm::append_range(initial, tile(from).numbers);
  };
  for (auto [next, part] : tailOf(op)) {
    if (!llvm::is_contained(parts, part))
      continue;
    if (auto sum = mlir::dyn_cast<chunk::AccumulateOp>(next))
      carry(sum.getResult(), sum.getAccumulator());
    if (auto scan = mlir::dyn_cast<chunk::ScanGradientOp>(next))
      carry(scan.getNext(), scan.getCarry());
  }
  Values last = code.loop(
      code.integer(shape.columnsPerThread), initial,
      [&](Value index, mlir::ValueRange carried) -> Values {
        selectInTurn(index);
        bind(results, carried);
        for (Value result : results)
          tiles[result].numbers = {ownOf(tiles[result].numbers)};
        body();
        Values next;
        for (Value result : results) {
          Value own = tile(result).numbers.front();
          if (!mlir::cast<chunk::TileType>(result.getType())
                   .has(Axis::Channel)) {
            next.push_back(own);
            continue;
          }
          next.push_back(code.choose(isSecond, carried[next.size()], own));
          next.push_back(code.choose(isSecond, own, carried[next.size()]));
        }
        return next;
      });
  isSecond = halfAtHand = Value();
  selectColumn(0);
  mlir::ValueRange rest = last;
  for (Value result : results) {
    bool perChannel =
        mlir::cast<chunk::TileType>(result.getType()).has(Axis::Channel);
    int64_t count = perChannel ? shape.columnsPerThread : 1;
    tiles[result].numbers.assign(rest.begin(), rest.begin() + count);
    rest = rest.drop_front(count);
  }
}

/// A row's two channels leave together: the first one's numbers wait for the
/// second's, four tokens in eight bytes.
void KernelEmitter::storeInTurn(const Tile &from, int64_t operand) {
  int64_t level = turnsStored++ % placeCount;
  int64_t start =
      regions.levels + level * BlockShape::tileBytes(shape.columns());
  constexpr int64_t columnBytes = 8 * bfloatBytes;
  Values rows(groupTokens);
  auto placeOf = [&](int64_t token, int64_t &region) {
    region = start;
    return corePlace(region, token / quarterTokens);
  };
  auto pairsOf = [&](int64_t token) {
    auto pack = [&](int64_t at) {
      return code.pack(numberAt(from, at), numberAt(from, at + 1));
    };
    return Values{pack(token), pack(token + 2)};
  };
  auto keep = [&] {
    for (int64_t token = firstOfRange; token < endOfRange;
         token += quarterTokens) {
      int64_t region = 0;
      Value place = placeOf(token, region);
      code.storeShared(code.join(pairsOf(token)), place, region);
    }
    return Values();
  };
  auto storeBoth = [&] {
    for (int64_t token = firstOfRange; token < endOfRange;
         token += quarterTokens) {
      int64_t region = 0;
      Value place = placeOf(token, region);
      Values first = code.split(code.loadShared(
          code.vector(2, code.i32()), place, region - warpLanes * columnBytes));
      for (auto [pair, second] : llvm::enumerate(pairsOf(token))) {
        Value *row = &rows[token + 2 * static_cast<int64_t>(pair)];
        row[0] = code.lowHalves(first[pair], second);
        row[1] = code.highHalves(first[pair], second);
      }
    }
    overRows(operand, [&](int64_t token, Value place, Value condition) {
      code.storeWhere(condition, rows[token], place);
    });
    return Values();
  };
  code.choose(isSecond, storeBoth, keep);
}

/// As emitColumnGradients.
void KernelEmitter::emitColumnsInTurn(const Trees &forward,
                                      chunk::RecurrenceGradientOp op) {
  for (auto scan : op->getBlock()->getOps<chunk::ScanOp>()) {
    if (keepsShares(scan))
      continue;
    const Values &sums = tile(scan.getExclusive()).numbers;
    Values &starts = scanStarts[scan];
    starts.clear();
    for (size_t token = 0; token < sums.size(); token += quarterTokens)
      starts.push_back(sums[token]);
  }
  for (Value result : {op.getDQ(), op.getDK(), op.getDLambda()}) {
    Tile &made = tiles[result];
    made = assigned(result);
    made.numbers.assign(groupTokens * shape.columnsPerThread, Value());
  }
  const Values kept = keptForLambda(op);
  TotalGradients totals;
  auto begin = [&] {
    Tree tree;
    for (int64_t quarter = 0; quarter < groupTokens / quarterTokens; ++quarter)
      tree.quarters.push_back(
          ownOf({forward[0].quarters[quarter], forward[1].quarters[quarter]}));
    loadTotals(tree);
    totals = noTotals();
    return tree;
  };
  isBehindRecurrence = true;
  inTurn(op, {Tail::beforeLambda}, [&] {
    Tree tree = begin();
    overQuarters([&](int64_t quarter) {
      makeColumnsAgain(op);
      adjointQuarter(tree, quarter, totals, op);
      stashLambda(op);
      stashTotals(quarter, totals);
      turnsStored = 0;
      emitTail(op, Tail::beforeLambda);
      keepForLambda(kept, /*isBack=*/false);
    });
    shareTotalGradients(tree, totals);
  });
  code.barrier();
  forgetLanes();
  inTurn(op, {Tail::withLambda, Tail::behindScan}, [&] {
    Tree tree = begin();
    Value own = ownTotalGradient(tree);
    overQuarters([&](int64_t quarter) {
      makeColumnsAgain(op);
      unstashLambda(op);
      unstashTotals(quarter, totals);
      finishLambda(tree, quarter, own, totals, op);
      keepForLambda(kept, /*isBack=*/true);
      for (auto scan : op->getBlock()->getOps<chunk::ScanGradientOp>())
        noteScanWeights(scan);
      turnsStored = 0;
      emitTail(op, Tail::withLambda);
    });
    emitTail(op, Tail::behindScan);
  });
  isBehindRecurrence = false;
}

} // namespace decay::cuda
