//===- Gradient.cpp - The adjoint of a chunk's matrix products ------------===//
//
// With dA = tril(do vᵀ): each level's X has the gradient Z = (M + Mᵀ) X, where
// M is the level's part of dA. Z takes the place of X in shared memory.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// dA = do vᵀ at and below the diagonal, mirrored above it. Ten tiles of 16 x
/// 16, whose rows and columns follow from the job's number.
void KernelEmitter::multiplyWeightGradient(const Tile &output, const Tile &v) {
  constexpr int64_t jobs = groupCount * (groupCount + 1) / 2;
  Value third = code.shiftRight(lane, 4);
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  auto emitJob = [&](Value job) {
    // Row r begins at job r (r + 1) / 2.
    Value row = code.integer(0);
    for (int64_t r = 1; r < groupCount; ++r)
      row =
          code.choose(code.atLeast(job, r * (r + 1) / 2), code.integer(r), row);
    Value start = code.shiftRight(code.mul(row, code.add(row, 1)), 1);
    Value column = code.sub(job, start);
    Value i = code.mul(row, groupTokens), j = code.mul(column, groupTokens);
    Sums sums = zeroSums(code, 2);
    // Rows of v are columns of the product: its second block is further on.
    Value vRow =
        code.add(j, code.add(code.mul(third, 8), code.bitAnd(lane, 7)));
    for (int64_t step = 0; step < shape.V / 16; ++step) {
      Fragment a =
          code.loadMatrix(rowOffset(code.add(i, rowInTile()),
                                    code.add(third, step * 2), shape.V),
                          output.shared, false);
      Fragment b =
          code.loadMatrix(rowOffset(vRow, code.add(second, step * 2), shape.V),
                          v.shared, false);
      code.multiply(a, b[0], b[1], sums[0]);
      code.multiply(a, b[2], b[3], sums[1]);
    }
    for (int64_t place = 0; place < 2; ++place)
      for (int64_t each = 0; each < 4; ++each) {
        Value x = code.add(i, code.add(code.shiftRight(lane, 2), each / 2 * 8));
        Value y = code.add(j, code.add(code.shiftLeft(code.bitAnd(lane, 3), 1),
                                       place * 8 + each % 2));
        Value number = sums[place][each];
        // The diagonal is masked where it is read, but has to be there.
        code.when(code.less(y, code.add(x, 1)), [&] {
          Value half = code.narrow(number);
          code.storeShared(half, weightOffset(code, x, y),
                           regions.weightGradient);
          code.storeShared(half, weightOffset(code, y, x),
                           regions.weightGradient);
        });
        code.when(code.equal(x, y), [&] {
          code.storeShared(number, code.shiftLeft(x, 2),
                           regions.diagonalGradient);
        });
      }
  };
  for (int64_t first = 0; first < jobs; first += shape.warps()) {
    Value job = code.add(warp, first);
    code.when(code.less(job, jobs), [&] { emitJob(job); });
  }
}

/// A core's 16 x 16 sums become bf16, transposed back into columns.
static Fragment packed(Lanes &code, const std::array<Value, 4> &left,
                       const std::array<Value, 4> &right) {
  return {code.pack(left[0], left[1]), code.pack(left[2], left[3]),
          code.pack(right[0], right[1]), code.pack(right[2], right[3])};
}

/// Levels 1 to 8: one job per level and group, in place.
void KernelEmitter::multiplyLevelGradients() {
  int64_t columns = shape.columns(), jobs = 4 * groupCount;
  Value third = code.shiftRight(lane, 4);
  for (int64_t first = 0; first < jobs; first += shape.warps()) {
    Value job = code.add(warp, first);
    Value level = code.shiftRight(job, 2), own = code.bitAnd(job, 3);
    Value start = code.mul(own, groupTokens);
    Fragment a = code.loadMatrix(rowOffset(code.add(start, rowInTile()),
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
    for (int64_t step = 0; step < columns / 16; ++step) {
      Fragment x = code.loadMatrix(from, regions.levels + step * 256, false);
      Sums sums = zeroSums(code, 2);
      code.multiply(a, x[0], x[1], sums[0]);
      code.multiply(a, x[2], x[3], sums[1]);
      code.storeMatrix(packed(code, sums[0], sums[1]), from,
                       regions.levels + step * 256, true);
    }
  }
}

/// Levels 16 and 32, in place: a job is 16 columns of all four groups.
void KernelEmitter::multiplyHalfGradients() {
  int64_t columns = shape.columns(), bytes = BlockShape::tileBytes(columns);
  int64_t steps = columns / 16, jobs = 2 * steps;
  Value third = code.shiftRight(lane, 4);
  auto weights = [&](int64_t row, int64_t column) {
    return code.loadMatrix(rowOffset(code.add(rowInTile(), row * groupTokens),
                                     code.add(third, column * 2), chunkTokens),
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
    for (int64_t own = 0; own < groupCount; ++own) {
      Sums sums = zeroSums(code, 2);
      // Partners: the other half of the pair, or of the chunk.
      int64_t from = isWide ? (own < 2 ? 2 : 0) : own ^ 1;
      for (int64_t other = from; other < from + (isWide ? 2 : 1); ++other) {
        Fragment a = weights(own, other);
        code.multiply(a, x[other][0], x[other][1], sums[0]);
        code.multiply(a, x[other][2], x[other][3], sums[1]);
      }
      code.storeMatrix(packed(code, sums[0], sums[1]), place(own), region,
                       true);
    }
  };
  for (int64_t first = 0; first < jobs; first += shape.warps()) {
    Value job = code.add(warp, first);
    code.when(code.less(job, steps), [&] { emitJob(job, false); });
    code.when(code.both(code.atLeast(job, steps), code.less(job, jobs)),
              [&] { emitJob(code.sub(job, code.integer(steps)), true); });
  }
}

/// Rows of tokens times the state's rows, transposed: [64, columns], this
/// warp's group and its 32 columns.
Sums KernelEmitter::multiplyByState(const Tile &rows) {
  Value third = code.shiftRight(lane, 4);
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Sums sums = zeroSums(code, 4);
  Value token = code.add(code.mul(group, groupTokens), rowInTile());
  Value stateRow = code.add(code.mul(columnWarp, 32),
                            code.add(code.mul(third, 8), code.bitAnd(lane, 7)));
  for (int64_t step = 0; step < shape.V / 16; ++step) {
    Fragment a =
        code.loadMatrix(rowOffset(token, code.add(third, step * 2), shape.V),
                        rows.shared, false);
    for (int64_t half = 0; half < 2; ++half) {
      Fragment b = code.loadMatrix(
          rowOffset(stateRow, code.add(second, step * 2), shape.V),
          regions.state + half * 16 * shape.V * bfloatBytes, false);
      code.multiply(a, b[0], b[1], sums[2 * half]);
      code.multiply(a, b[2], b[3], sums[2 * half + 1]);
    }
  }
  return sums;
}

void KernelEmitter::storeCoreSums(const Sums &sums, int64_t region) {
  Value offset =
      code.add(coreOffset(group, true), code.mul(columnWarp, 32 * 16));
  for (int64_t half = 0; half < 2; ++half)
    code.storeMatrix(packed(code, sums[2 * half], sums[2 * half + 1]), offset,
                     region + half * 256, true);
}

/// Σ_v S ∘ dS of each row, this warp's part of v.
void KernelEmitter::shareStateProducts(const Values &state,
                                       const Values &gradient) {
  for (int64_t tileRow = 0; tileRow < 2; ++tileRow)
    for (int64_t half = 0; half < 2; ++half) {
      Value sum = code.number(0);
      for (int64_t place = 0; place < shape.stateTiles(); ++place)
        for (int64_t each = 0; each < 2; ++each) {
          int64_t index =
              (tileRow * shape.stateTiles() + place) * 4 + half * 2 + each;
          sum = code.fma(state[index], gradient[index], sum);
        }
      sum = code.fadd(sum, code.exchange(sum, 1));
      sum = code.fadd(sum, code.exchange(sum, 2));
      Value row =
          code.add(code.add(code.mul(columnWarp, 32), code.shiftRight(lane, 2)),
                   tileRow * 16 + half * 8);
      Value place = code.add(code.mul(group, shape.columns()), row);
      code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
        code.storeShared(sum, code.shiftLeft(place, 2), regions.stateProducts);
      });
    }
}

void KernelEmitter::emitRecurrenceGradient(chunk::RecurrenceGradientOp op) {
  Values query = masked(tile(op.getQ()).numbers, 0);
  Values key = masked(tile(op.getK()).numbers, 0);
  Values lambda = masked(tile(op.getLambda()).numbers, 1);
  const Tile v = tile(op.getV()), output = tile(op.getDO());
  const Values gradient = tile(op.getDState()).numbers;
  storeDiagonal(query, key);
  Tree tree = startTree(query, key, lambda);
  code.barrier();
  forgetLanes();
  // The raw columns are read: their place is free for weights and state.
  clearWeights();
  Values state = loadSavedState(op.getState());
  finishTree(tree);
  storeStateRows(state, regions.state);
  shareStateProducts(state, gradient);
  code.barrier();
  forgetLanes();
  multiplyLevels();
  multiplyWeightGradient(output, v);
  multiplyHalves();
  Sums fromOutput = multiplyByState(output);
  code.barrier();
  forgetLanes();
  multiplyLevelGradients();
  multiplyHalfGradients();
  storeStateRows(gradient, regions.state);
  code.barrier();
  forgetLanes();
  Sums fromValue = multiplyByState(v);
  Sums valueGradient = multiplyOutput(regions.keys, regions.state, output,
                                      /*transposed=*/true);
  Tile next;
  next.kind = Tile::Kind::state;
  next.numbers = updateState(gradient, regions.queries, output);
  tiles[op.getDNext()] = next;
  code.barrier();
  forgetLanes();
  storeCoreSums(fromOutput, regions.queries);
  storeCoreSums(fromValue, regions.keys);
  if (std::optional<int64_t> operand = outputOperand(op.getDV()))
    storeOutput(valueGradient, *operand, v.shared);
  tiles[op.getDV()].kind = Tile::Kind::rows;
  code.barrier();
  forgetLanes();
  copyNext();
  emitColumnGradients(tree, op);
}

void KernelEmitter::setRange(int64_t first, int64_t count) {
  firstOfRange = first;
  endOfRange = first + count;
}

/// The adjoint of the tree, and with it what follows in the chunk: by quarters
/// of the group where that is all pointwise, since a thread cannot hold more.
void KernelEmitter::emitColumnGradients(const Tree &forward,
                                        chunk::RecurrenceGradientOp op) {
  for (Value result : {op.getDQ(), op.getDK(), op.getDLambda()}) {
    Tile &made = tiles[result];
    made.kind = Tile::Kind::columns;
    made.numbers.assign(groupTokens, Value());
  }
  constexpr int64_t quarterTokens = groupTokens / 4;
  Tree tree = forward;
  tree.totals.clear();
  loadTotals(tree);
  Value zero = code.number(0);
  TotalGradients totals{zero, zero, zero, zero, {}, {}};
  totals.quarters.fill(zero);
  totals.halves.fill(zero);
  bool byQuarters = worksByQuarters(op);
  for (int64_t quarter = 0; quarter < 4; ++quarter) {
    setRange(quarter * quarterTokens, quarterTokens);
    makeColumnsAgain(op);
    adjointQuarter(tree, quarter, totals, op);
    stashLambda(op);
    if (byQuarters)
      emitTail(op, Tail::beforeLambda);
  }
  Value own = ownTotalGradient(tree, totals);
  for (int64_t quarter = 0; quarter < 4; ++quarter) {
    setRange(quarter * quarterTokens, quarterTokens);
    makeColumnsAgain(op);
    unstashLambda(op);
    finishLambda(tree, quarter, own, totals, op);
    if (byQuarters)
      emitTail(op, Tail::withLambda);
  }
  setRange(0, groupTokens);
  if (byQuarters)
    return;
  auto type = mlir::cast<chunk::TileType>(op.getDLambda().getType());
  if (!type.has(ir::Axis::Channel)) {
    Tile &made = tiles[op.getDLambda()];
    made.numbers = sumColumns(made.numbers);
  }
  makeColumnsAgain(op);
  emitTail(op, Tail::all);
}

/// Whether what follows works token by token.
bool KernelEmitter::worksByQuarters(chunk::RecurrenceGradientOp op) {
  auto type = mlir::cast<chunk::TileType>(op.getDLambda().getType());
  if (!type.has(ir::Axis::Channel))
    return false;
  for (mlir::Operation *next = op->getNextNode(); next;
       next = next->getNextNode())
    if (!mlir::isa<chunk::PointwiseOp, chunk::AccumulateOp, chunk::WriteOp,
                   chunk::YieldOp>(next))
      return false;
  return true;
}

/// What follows the gradient in its chunk: all, or what waits for λ's gradient,
/// or what does not.
void KernelEmitter::emitTail(chunk::RecurrenceGradientOp op, Tail part) {
  llvm::DenseSet<Value> waiting;
  waiting.insert(op.getDLambda());
  for (mlir::Operation *next = op->getNextNode();
       next && !mlir::isa<chunk::YieldOp>(next); next = next->getNextNode()) {
    bool waits = llvm::any_of(next->getOperands(), [&](Value operand) {
      return waiting.contains(operand);
    });
    if (waits)
      waiting.insert(next->result_begin(), next->result_end());
    if (part != Tail::all && waits != (part == Tail::withLambda))
      continue;
    code.place = next->getLoc();
    emitOperation(*next);
  }
}

} // namespace decay::cuda
