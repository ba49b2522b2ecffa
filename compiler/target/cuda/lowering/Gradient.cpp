//===- Gradient.cpp - The adjoint of a chunk's matrix products ------------===//
//
// With dA = tril(do vᵀ): each level's X has the gradient Z = (M + Mᵀ) X, where
// M is the level's part of dA. Z takes the place of X in shared memory.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// Block (i, j) of dA, and block (j, i) as its mirror image.
void KernelEmitter::storeSymmetric(const Sums &sums, Value i, Value j) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value within = code.bitAnd(lane, 7);
  Fragment block = packed(code, sums[0], sums[1]);
  auto place = [&](Value row, Value column, Value down, Value along) {
    return panelOffset(code.add(code.add(row, code.mul(down, 8)), within),
                       code.add(code.shiftRight(column, 3), along),
                       chunkTokens);
  };
  code.storeMatrix(block, place(i, j, second, third), regions.weightGradient,
                   false);
  code.storeMatrix(block, place(j, i, third, second), regions.weightGradient,
                   true);
}

/// A block on dA's diagonal, which is its own mirror image: what is above the
/// diagonal comes back transposed.
void KernelEmitter::storeDiagonalBlock(const Sums &sums, Value i) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Fragment block = packed(code, sums[0], sums[1]);
  auto place = [&](Value down, Value along) {
    return panelOffset(
        code.add(code.add(i, code.mul(down, 8)), code.bitAnd(lane, 7)),
        code.add(code.shiftRight(i, 3), along), chunkTokens);
  };
  code.storeMatrix(block, place(second, third), regions.weightGradient, false);
  code.warpBarrier();
  Fragment mirrored =
      code.loadMatrix(place(third, second), regions.weightGradient, true);
  code.warpBarrier();
  for (int64_t word = 0; word < 4; ++word) {
    Value x = code.add(code.shiftRight(lane, 2), word % 2 * 8);
    Value kept = code.integer(0);
    for (int64_t each = 0; each < 2; ++each) {
      Value y = code.add(code.shiftLeft(code.bitAnd(lane, 3), 1),
                         word / 2 * 8 + each);
      kept = code.bitOr(kept, code.choose(code.less(x, y), code.integer(0),
                                          code.integer(each ? -65536 : 65535)));
      if (word / 2 == word % 2)
        code.when(code.equal(x, y), [&] {
          code.storeShared(sums[word / 2][word % 2 * 2 + each],
                           code.shiftLeft(code.add(i, x), 2),
                           regions.diagonalGradient);
        });
    }
    block[word] =
        code.bitOr(code.both(block[word], kept),
                   code.both(mirrored[word], code.bitXor(kept, int64_t(-1))));
  }
  code.storeMatrix(block, place(second, third), regions.weightGradient, false);
}

/// do vᵀ: this warp's rows, and a part of the columns.
Values KernelEmitter::multiplyWeightGradient(const Tile &output,
                                             const Tile &v) {
  int64_t width = chunkTokens / shape.columnWarps();
  return code.multiplyGroup(
      width, alongRows(output.shared, Value(), chunkTokens),
      alongRows(v.shared, code.mul(columnWarp, width), chunkTokens),
      shape.V / 16);
}

/// dA = do vᵀ at and below the diagonal, mirrored above it.
void KernelEmitter::storeWeightGradient(const Sums &sums) {
  Value i = code.mul(group, groupTokens);
  int64_t blocks = static_cast<int64_t>(sums.size()) / 2;
  for (int64_t each = 0; each < blocks; ++each) {
    Value column = code.add(code.mul(columnWarp, blocks), each);
    Sums block(sums.begin() + 2 * each, sums.begin() + 2 * each + 2);
    code.when(code.less(column, group),
              [&] { storeSymmetric(block, i, code.mul(column, groupTokens)); });
    code.when(code.equal(column, group), [&] { storeDiagonalBlock(block, i); });
  }
}

/// Levels 1 to 8: one job per level and group, in place.
void KernelEmitter::multiplyLevelGradients() {
  int64_t columns = shape.columns(), jobs = 4 * groupCount;
  Value third = code.shiftRight(lane, 4);
  for (int64_t first = 0; first < jobs; first += shape.warps()) {
    Value job = code.add(warp, first);
    Value level = code.shiftRight(job, 2), own = code.bitAnd(job, 3);
    Value start = code.mul(own, groupTokens);
    Fragment a = code.loadMatrix(panelOffset(code.add(start, rowInTile()),
                                             code.add(code.mul(own, 2), third),
                                             chunkTokens),
                                 regions.weightGradient, false);
    // Of the symmetric dA, what belongs to the level.
    for (int64_t word = 0; word < 4; ++word) {
      Value mask = code.integer(0);
      for (int64_t each = 0; each < 2; ++each) {
        Value row = code.add(code.shiftRight(lane, 2), word % 2 * 8);
        Value column = code.add(code.shiftLeft(code.bitAnd(lane, 3), 1),
                                word / 2 * 8 + each);
        Value belongs =
            code.equal(code.shiftRight(code.bitXor(row, column), level), 1);
        mask = code.bitOr(mask, code.choose(belongs,
                                            code.integer(each ? -65536 : 65535),
                                            code.integer(0)));
      }
      a[word] = mlir::arith::AndIOp::create(builder, code.place, a[word], mask);
    }
    Value tileStart = code.mul(level, BlockShape::tileBytes(columns));
    Value from = code.add(coreOffset(own, /*tokensAreRows=*/true), tileStart);
    // All loads come first: they cannot pass a store.
    Fragments x;
    for (int64_t step = 0; step < columns / 16; ++step)
      x.push_back(code.loadMatrix(from, regions.levels + step * 256, false));
    for (auto [step, right] : llvm::enumerate(x)) {
      Sums sums = zeroSums(code, 2);
      code.multiply(a, right[0], right[1], sums[0]);
      code.multiply(a, right[2], right[3], sums[1]);
      code.storeMatrix(packed(code, sums[0], sums[1]), from,
                       regions.levels + static_cast<int64_t>(step) * 256, true);
    }
  }
}

/// Levels 16 and 32, in place: a job is 16 columns of all four groups.
void KernelEmitter::multiplyHalfGradients() {
  int64_t columns = shape.columns(), bytes = BlockShape::tileBytes(columns);
  int64_t steps = columns / 16, jobs = 2 * steps;
  Value third = code.shiftRight(lane, 4);
  auto weights = [&](int64_t row, int64_t column) {
    return code.loadMatrix(panelOffset(code.add(rowInTile(), row * groupTokens),
                                       code.add(third, column * 2),
                                       chunkTokens),
                           regions.weightGradient, false);
  };
  auto emitJob = [&](Value job, bool isWide) {
    Value offset = code.shiftLeft(job, 8);
    int64_t region = regions.wide + (isWide ? bytes : 0);
    auto place = [&](int64_t own) {
      return code.add(coreOffset(code.integer(own), true), offset);
    };
    std::array<Fragment, groupCount> x;
    for (int64_t own = 0; own < groupCount; ++own)
      x[own] = code.loadMatrix(place(own), region, false);
    Fragments made;
    for (int64_t own = 0; own < groupCount; ++own) {
      Sums sums = zeroSums(code, 2);
      // Partners: the other half of the pair, or of the chunk.
      int64_t from = isWide ? (own < 2 ? 2 : 0) : own ^ 1;
      for (int64_t other = from; other < from + (isWide ? 2 : 1); ++other) {
        Fragment a = weights(own, other);
        code.multiply(a, x[other][0], x[other][1], sums[0]);
        code.multiply(a, x[other][2], x[other][3], sums[1]);
      }
      made.push_back(packed(code, sums[0], sums[1]));
    }
    for (int64_t own = 0; own < groupCount; ++own)
      code.storeMatrix(made[own], place(own), region, true);
  };
  for (int64_t first = 0; first < jobs; first += shape.warps()) {
    Value job = code.add(warp, first);
    code.when(code.less(job, steps), [&] { emitJob(job, false); });
    code.when(code.both(code.atLeast(job, steps), code.less(job, jobs)),
              [&] { emitJob(code.sub(job, code.integer(steps)), true); });
  }
}

void KernelEmitter::storeCores(const Fragments &fragments, int64_t region) {
  Value offset = code.add(coreOffset(group, true),
                          code.mul(columnWarp, shape.warpColumns() * 16));
  for (auto [half, fragment] : llvm::enumerate(fragments))
    code.storeMatrix(fragment, offset,
                     region + static_cast<int64_t>(half) * 256, true);
}

/// Σ_v S ∘ dS of each row, this warp's part of v; S lies in rows.
void KernelEmitter::shareStateProducts(const Values &gradient) {
  for (int64_t tileRow = 0; tileRow < shape.stateTileRows(); ++tileRow) {
    Value sums[2] = {code.number(0), code.number(0)};
    for (int64_t tile = 0; tile < shape.stateTiles(); tile += 2) {
      Fragment words = code.loadMatrix(stateRowsOffset(tileRow, tile, nullptr),
                                       regions.state, false);
      for (int64_t word = 0; word < 4; ++word) {
        int64_t half = word / 2;
        const Value *pair =
            &gradient[(tileRow * shape.stateTiles() + tile + word % 2) * 4 +
                      half * 2];
        Value &sum = sums[half];
        sum = code.fma(code.unpackLow(words[word]), pair[0], sum);
        sum = code.fma(code.unpackHigh(words[word]), pair[1], sum);
      }
    }
    for (int64_t half = 0; half < 2; ++half) {
      Value sum = code.fadd(sums[half], code.exchange(sums[half], 1));
      sum = code.fadd(sum, code.exchange(sum, 2));
      Value place = code.add(code.mul(columnWarp, shape.columns()),
                             statePlace(tileRow, half));
      code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
        code.storeShared(sum, code.shiftLeft(place, 2), regions.stateProducts);
      });
    }
  }
}

/// A, dA and do Sᵀ, of which the last is returned.
Fragments KernelEmitter::multiplyPairs(const Tile &output, const Tile &v,
                                       const Values &gradient) {
  code.beginProducts();
  Values weightGradient = multiplyWeightGradient(output, v);
  code.commitProducts();
  Values outputSums = multiplyByState(output);
  code.commitProducts();
  clearUpperWeights();
  multiplyLevels();
  shareStateProducts(gradient);
  storeWeightGradient(unflatten(code.waitProducts(weightGradient, 1)));
  multiplyHalves(2 * groupCount);
  return packed(code, unflatten(code.waitProducts(outputSums, 0)));
}

/// Z of each level and, meanwhile, dS in front of the chunk; then v dSᵀ and dV,
/// which are returned.
std::pair<Fragments, Fragments>
KernelEmitter::multiplyGradients(chunk::RecurrenceGradientOp op) {
  const Tile v = tile(op.getV()), output = tile(op.getDO());
  const Values gradient = tile(op.getDState()).numbers;
  storeStateRows(packedState(gradient));
  Tile next = assigned(op.getDNext());
  next.numbers = beginNextState(gradient, regions.queries, output);
  // With two columns there are no registers for more sums meanwhile.
  bool isEarly = shape.columnsPerThread == 1;
  Values outputs;
  if (isEarly) {
    outputs = multiplyWeights(output, /*transposed=*/true);
    code.commitProducts();
  }
  multiplyLevelGradients();
  multiplyHalfGradients();
  next.numbers = code.waitProducts(next.numbers, isEarly ? 1 : 0);
  tiles[op.getDNext()] = next;
  if (isEarly)
    outputs = code.waitProducts(outputs, 0);
  barrierBeforeProducts();
  code.beginProducts();
  Values valueSums = multiplyByState(v);
  code.commitProducts();
  if (!isEarly)
    outputs = multiplyWeights(output, /*transposed=*/true);
  outputs = addFromState(outputs, regions.keys);
  code.commitProducts();
  Fragments fromValue =
      packed(code, unflatten(code.waitProducts(valueSums, 1)));
  return {fromValue, packed(code, unflatten(code.waitProducts(outputs, 0)))};
}

void KernelEmitter::emitRecurrenceGradient(chunk::RecurrenceGradientOp op) {
  makeRowsInPlace(op.getV());
  const Tile v = tile(op.getV()), output = tile(op.getDO());
  Trees trees = startTrees(op.getQ(), op.getK(), op.getLambda());
  code.barrier();
  forgetLanes();
  // The raw columns are read: their place is free for weights and state.
  copySavedRows(op.getState());
  finishTrees(trees);
  code.waitCopies(0);
  barrierBeforeProducts();
  Fragments fromOutput = multiplyPairs(output, v, tile(op.getDState()).numbers);
  barrierBeforeProducts();
  auto [fromValue, valueGradient] = multiplyGradients(op);
  code.barrier();
  forgetLanes();
  if (keepsColumns)
    loadPairs(*op->getBlock());
  storeCores(fromOutput, regions.queries);
  storeCores(fromValue, regions.keys);
  Tile &dV = tiles[op.getDV()] = assigned(op.getDV());
  dV.shared = v.shared;
  bool isWritten = !followsFrom(op.getDV());
  if (!isWritten)
    storeOutputRows(valueGradient, v.shared);
  else if (std::optional<int64_t> operand = outputOperand(op.getDV()))
    storeOutput(valueGradient, *operand, v.shared);
  code.barrier();
  forgetLanes();
  if (!isWritten) {
    emitRowsTail(op);
    code.barrier();
    forgetLanes();
  }
  copyNext();
  emitColumnGradients(trees, op);
}

void KernelEmitter::setRange(int64_t first, int64_t count) {
  firstOfRange = first;
  endOfRange = first + count;
}

/// Four tokens of one column at a time: registers are scarce, and the barrier
/// keeps what is loaded for the next ones from coming earlier. `before` and
/// `behind` are for both columns.
void KernelEmitter::overQuarters(llvm::function_ref<void(int64_t quarter)> body,
                                 llvm::function_ref<void()> before,
                                 llvm::function_ref<void()> behind) {
  for (int64_t quarter = 0; quarter < 4; ++quarter) {
    setRange(quarter * quarterTokens, quarterTokens);
    if (before) {
      code.warpBarrier();
      before();
    }
    forColumns([&] {
      onlyColumn = columnIndex;
      code.warpBarrier();
      body(quarter);
    });
    onlyColumn.reset();
    if (behind)
      behind();
  }
  setRange(0, groupTokens);
}

KernelEmitter::TotalGradients KernelEmitter::noTotals() {
  Value zero = code.number(0);
  TotalGradients none{zero, zero, zero, zero, {}, {}};
  none.quarters.fill(zero);
  none.halves.fill(zero);
  return none;
}

/// The adjoint of the tree, and with it what follows in the chunk: by quarters
/// of the group where that is all pointwise, since a thread cannot hold more.
void KernelEmitter::emitColumnGradients(const Trees &forward,
                                        chunk::RecurrenceGradientOp op) {
  if (takesColumnsInTurn(op))
    return emitColumnsInTurn(forward, op);
  for (Value result : {op.getDQ(), op.getDK(), op.getDLambda()}) {
    Tile &made = tiles[result];
    made = assigned(result);
    made.numbers.assign(groupTokens * shape.columnsPerThread, Value());
  }
  Trees trees = forward;
  AllTotals totals(trees.size(), noTotals());
  forColumns([&] {
    trees[columnIndex].totals.clear();
    loadTotals(trees[columnIndex]);
  });
  bool byQuarters = worksByQuarters(op);
  isBehindRecurrence = true;
  auto adjoint = [&](int64_t quarter) {
    adjointQuarter(trees[columnIndex], quarter, totals[columnIndex], op);
    stashLambda(op);
    stashTotals(quarter, totals[columnIndex]);
  };
  if (shape.isApart)
    // A rotation needs both columns, before the tree and behind it.
    overQuarters(
        adjoint, [&] { makeColumnsAgain(op); },
        [&] { emitTail(op, Tail::beforeLambda); });
  else
    overQuarters([&](int64_t quarter) {
      makeColumnsAgain(op);
      adjoint(quarter);
      if (byQuarters)
        emitTail(op, Tail::beforeLambda);
    });
  forColumns(
      [&] { shareTotalGradients(trees[columnIndex], totals[columnIndex]); });
  code.barrier();
  forgetLanes();
  Values own = perColumn([&] { return ownTotalGradient(trees[columnIndex]); });
  overQuarters([&](int64_t quarter) {
    makeColumnsAgain(op);
    unstashLambda(op);
    unstashTotals(quarter, totals[columnIndex]);
    finishLambda(trees[columnIndex], quarter, ownOf(own), totals[columnIndex],
                 op);
    if (!byQuarters)
      return;
    for (auto scan : op->getBlock()->getOps<chunk::ScanGradientOp>())
      noteScanWeights(scan);
    emitTail(op, Tail::withLambda);
  });
  isBehindRecurrence = false;
  if (byQuarters)
    return emitTail(op, Tail::behindScan);
  auto type = mlir::cast<chunk::TileType>(op.getDLambda().getType());
  if (!type.has(ir::Axis::Channel)) {
    Tile &made = tiles[op.getDLambda()];
    made.numbers = sumColumns(made.numbers);
  }
  makeColumnsAgain(op);
  emitTail(op, Tail::all);
}

/// Whether what follows works token by token, but for scans at the end.
bool KernelEmitter::worksByQuarters(chunk::RecurrenceGradientOp op) {
  auto type = mlir::cast<chunk::TileType>(op.getDLambda().getType());
  if (!type.has(ir::Axis::Channel))
    return false;
  for (mlir::Operation *next = op->getNextNode(); next;
       next = next->getNextNode())
    if (!worksOnRows(next) &&
        !(shape.isApart && mlir::isa<chunk::RotateOp>(next)) &&
        !mlir::isa<chunk::PointwiseOp, chunk::AccumulateOp, chunk::WriteOp,
                   chunk::ScanGradientOp, chunk::YieldOp>(next))
      return false;
  return true;
}

/// What follows the gradient in its chunk, in parts: what does not wait for
/// λ's gradient, what does, and what waits for a scan's gradient as well.
KernelEmitter::TailOperations
KernelEmitter::tailOf(chunk::RecurrenceGradientOp op) {
  TailOperations tail;
  llvm::DenseMap<Value, Tail> parts;
  parts[op.getDLambda()] = Tail::withLambda;
  for (mlir::Operation *next = op->getNextNode();
       next && !mlir::isa<chunk::YieldOp>(next); next = next->getNextNode()) {
    if (worksOnRows(next)) // done before the next chunk came
      continue;
    Tail own = mlir::isa<chunk::ScanGradientOp>(next) ? Tail::behindScan
                                                      : Tail::beforeLambda;
    for (Value operand : next->getOperands())
      own = std::max(own, parts.lookup_or(operand, Tail::beforeLambda));
    for (Value result : next->getResults())
      parts[result] = own;
    tail.emplace_back(next, own);
  }
  return tail;
}

void KernelEmitter::emitTail(chunk::RecurrenceGradientOp op, Tail part) {
  for (auto [next, own] : tailOf(op)) {
    if (part != Tail::all && own != part)
      continue;
    // Rows go out when all columns of the thread are there.
    if (onlyColumn && *onlyColumn + 1 < columnsAtHand() &&
        mlir::isa<chunk::WriteOp>(next))
      continue;
    emitAt(*next);
  }
}

} // namespace decay::cuda
