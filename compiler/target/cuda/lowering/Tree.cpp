//===- Tree.cpp - Products of λ, and q and k scaled by them ---------------===//
//
// The product tree of compiler/dialect/chunk/README.md. A thread has the 16
// tokens of its group in registers, so the levels of 1, 2, 4 and 8 tokens need
// nothing from others; the levels of 16 and 32 and the chunk's ends need the
// groups' totals.
//
// At each level a token is used once: as a query if it is in the right sibling,
// as a key if it is in the left one. So one operand X per level holds both, and
// the level's weights are a masked part of X Xᵀ.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// Scaled operands lie in *cores*: eight tokens of a column are 16 bytes, the
/// columns of eight tokens follow each other. A thread writes its column in two
/// stores; ldmatrix reads eight columns as one matrix, plain or transposed.
void KernelEmitter::storeCore(llvm::ArrayRef<Value> numbers, int64_t region) {
  int64_t columns = shape.columns();
  Value offset =
      code.shiftLeft(code.add(code.mul(group, 2 * columns), column), 4);
  for (int64_t half = 0; half < 2; ++half) {
    Value words = mlir::LLVM::PoisonOp::create(builder, code.place,
                                               code.vector(4, code.i32()));
    for (int64_t word = 0; word < 4; ++word) {
      int64_t token = half * 8 + word * 2;
      words = mlir::LLVM::InsertElementOp::create(
          builder, code.place, words,
          code.pack(numbers[token], numbers[token + 1]), code.integer(word));
    }
    code.storeShared(words, offset, region + half * columns * 16);
  }
}

/// Levels 1 to 8, inside the thread's 16 tokens.
KernelEmitter::Tree KernelEmitter::startTree(const Values &query,
                                             const Values &key,
                                             const Values &lambda) {
  Tree tree;
  tree.key = key;
  for (auto [q, decay] : llvm::zip(query, lambda))
    tree.query.push_back(code.fmul(q, decay));
  Values totals = lambda;
  for (int64_t level = 0; level < 4; ++level) {
    int64_t size = int64_t(1) << level;
    Values operand;
    for (int64_t token = 0; token < groupTokens; ++token)
      operand.push_back(token & size ? tree.query[token] : tree.key[token]);
    storeCore(operand,
              regions.levels + level * BlockShape::tileBytes(shape.columns()));
    for (int64_t token = 0; token < groupTokens; ++token) {
      int64_t block = token / size;
      Values &scaled = token & size ? tree.query : tree.key;
      scaled[token] = code.fmul(scaled[token], totals[block ^ 1]);
    }
    Values merged;
    for (size_t block = 0; block < totals.size(); block += 2)
      merged.push_back(code.fmul(totals[block], totals[block + 1]));
    totals = merged;
    if (totals.size() == 4)
      tree.quarters = totals;
  }
  shareTotal(totals.front());
  return tree;
}

/// The group's total, for the others to see behind the next barrier.
void KernelEmitter::shareTotal(Value total) {
  Value place = code.add(code.mul(group, shape.columns()), column);
  code.storeShared(total, code.shiftLeft(place, 2), regions.totals);
}

/// q · k of each token over this warp's columns, in fp32. The halves that a
/// lane does not keep go to its partner, until each lane has one token.
void KernelEmitter::storeDiagonal(const Values &query, const Values &key) {
  Values sums(groupTokens);
  for (auto [index, q] : llvm::enumerate(query)) {
    Value &sum = sums[index % groupTokens];
    sum = sum ? code.fma(q, key[index], sum) : code.fmul(q, key[index]);
  }
  for (int64_t mask = 16; mask > 1; mask /= 2) {
    Value upper = code.equal(code.bitAnd(lane, mask), mask);
    size_t half = sums.size() / 2;
    Values kept;
    for (size_t index = 0; index < half; ++index) {
      Value low = sums[index], high = sums[index + half];
      Value given = code.choose(upper, low, high);
      Value own = code.choose(upper, high, low);
      kept.push_back(code.fadd(own, code.exchange(given, mask)));
    }
    sums = kept;
  }
  Value sum = code.fadd(sums.front(), code.exchange(sums.front(), 1));
  Value token =
      code.add(code.mul(group, groupTokens), code.shiftRight(lane, 1));
  Value offset =
      code.shiftLeft(code.add(code.mul(columnWarp, chunkTokens), token), 2);
  code.when(code.equal(code.bitAnd(lane, 1), 0),
            [&] { code.storeShared(sum, offset, regions.diagonal); });
}

void KernelEmitter::loadTotals(Tree &tree) {
  for (int64_t other = 0; other < groupCount; ++other)
    tree.totals.push_back(
        code.loadShared(code.f32(), code.shiftLeft(column, 2),
                        regions.totals + other * shape.columns() * floatBytes));
  Value one = code.number(1);
  // Products of the groups before and behind this one.
  tree.before = tree.behind = one;
  for (int64_t other = 0; other < groupCount; ++other) {
    Value total = tree.totals[other];
    if (other < groupCount - 1)
      tree.before = code.fmul(
          tree.before,
          code.choose(code.less(code.integer(other), group), total, one));
    if (other > 0)
      tree.behind = code.fmul(tree.behind,
                              code.choose(code.less(group, other), total, one));
  }
  tree.isRight = code.equal(code.bitAnd(group, 1), 1);
  tree.isUpper = code.atLeast(group, 2);
  tree.factor = code.choose(
      tree.isUpper, code.choose(code.equal(group, 3), tree.totals[2], one),
      code.choose(code.equal(group, 0), tree.totals[1], one));
}

void KernelEmitter::storeChunkTotal(const Tree &tree) {
  Value total = code.fmul(code.fmul(tree.totals[0], tree.totals[1]),
                          code.fmul(tree.totals[2], tree.totals[3]));
  code.when(code.equal(group, 0), [&] {
    code.storeShared(total, code.shiftLeft(column, 2), regions.chunkTotal);
  });
}

/// Levels 16, 32 and the chunk, from the totals of the groups.
void KernelEmitter::finishTree(Tree &tree) {
  loadTotals(tree);
  Values sixteen, thirtyTwo, query, key;
  for (auto [q, k] : llvm::zip(tree.query, tree.key)) {
    sixteen.push_back(code.choose(tree.isRight, q, k));
    thirtyTwo.push_back(
        code.fmul(code.choose(tree.isUpper, q, k), tree.factor));
    query.push_back(code.fmul(q, tree.before));
    key.push_back(code.fmul(k, tree.behind));
  }
  storeCore(sixteen, regions.wide);
  storeCore(thirtyTwo, regions.wide + BlockShape::tileBytes(shape.columns()));
  storeCore(query, regions.queries);
  storeCore(key, regions.keys);
  storeChunkTotal(tree);
}

/// Tokens behind the sequence's end: λ = 1 and q = k = 0 change nothing.
Values KernelEmitter::masked(const Values &numbers, float otherwise) {
  llvm::ArrayRef<Value> range =
      llvm::ArrayRef(numbers).slice(firstOfRange, endOfRange - firstOfRange);
  auto choose = [&] {
    Values made;
    for (auto [index, number] : llvm::enumerate(range))
      made.push_back(
          code.choose(isValid(firstOfRange + static_cast<int64_t>(index)),
                      number, code.number(otherwise)));
    return made;
  };
  Values inRange = isBehindRecurrence
                       ? choose()
                       : code.choose(
                             isWhole(), [&] { return Values(range); },
                             [&] {
                               code.warpBarrier();
                               return choose();
                             });
  Values made(tokensPerThread);
  llvm::copy(inRange, made.begin() + firstOfRange);
  return made;
}

/// All three at once, so that whole chunks branch once.
void KernelEmitter::maskColumns(Values &query, Values &key, Values &lambda) {
  std::pair<Values *, float> all[] = {{&query, 0}, {&key, 0}, {&lambda, 1}};
  Values joined = code.choose(
      isWhole(),
      [&] {
        Values same;
        for (auto [numbers, otherwise] : all)
          same.append(*numbers);
        return same;
      },
      [&] {
        // Without it ptxas would choose number by number instead.
        code.warpBarrier();
        Values made;
        for (auto [numbers, otherwise] : all)
          for (auto [index, number] : llvm::enumerate(*numbers))
            made.push_back(
                code.choose(isValid(static_cast<int64_t>(index) % groupTokens),
                            number, code.number(otherwise)));
        return made;
      });
  llvm::ArrayRef<Value> rest = joined;
  for (auto [numbers, otherwise] : all) {
    *numbers = Values(rest.take_front(numbers->size()));
    rest = rest.drop_front(numbers->size());
  }
}

/// Whether nobody asks for what is made before the recurrence does, but for
/// others that wait.
bool KernelEmitter::canWait(mlir::Operation *op) {
  mlir::Operation *recurrence = nullptr;
  // In backward only for scans: elsewhere registers are not that scarce.
  bool hasScan = !op->getBlock()->getOps<chunk::ScanOp>().empty();
  for (mlir::Operation &other : *op->getBlock())
    if (mlir::isa<chunk::RecurrenceOp>(other) ||
        (hasScan && mlir::isa<chunk::RecurrenceGradientOp>(other)))
      recurrence = &other;
  if (!recurrence || shape.columnsPerThread == 1 ||
      !op->isBeforeInBlock(recurrence) ||
      !mlir::isa<chunk::PointwiseOp, chunk::ScanOp>(op) ||
      op->getNumResults() == 0 ||
      assigned(op->getResult(0)).kind != Tile::Kind::columns ||
      !mlir::cast<chunk::TileType>(op->getResult(0).getType())
           .has(ir::Axis::Channel))
    return false;
  return llvm::all_of(op->getUsers(), [&](mlir::Operation *user) {
    return !user->isBeforeInBlock(recurrence) || canWait(user);
  });
}

/// From here on inputs are what they were, but the assembler does not know:
/// what is made of them stays behind this.
void KernelEmitter::hideInputs() {
  code.warpBarrier();
  Value zero = code.loadShared(code.i32(), Value(), regions.zero);
  llvm::SetVector<Value> inputs;
  for (mlir::Operation *op : waiting)
    inputs.insert(op->operand_begin(), op->operand_end());
  for (Value input : inputs) {
    Tile &made = tile(input);
    for (auto [pair, word] : llvm::enumerate(made.pairs))
      unpackPair(made, static_cast<int64_t>(pair), word, zero);
  }
}

void KernelEmitter::emitWaiting(int64_t ofColumn) {
  if (ofColumn > 0)
    hideInputs();
  onlyColumn = ofColumn;
  for (mlir::Operation *op : waiting) {
    code.place = op->getLoc();
    if (auto scan = mlir::dyn_cast<chunk::ScanOp>(op))
      emitScan(scan);
    else
      emitPointwise(mlir::cast<chunk::PointwiseOp>(op));
  }
  onlyColumn.reset();
}

/// Levels 1 to 8 of q, k and λ, and the diagonal. Formulas that have waited are
/// made one column ahead of the tree: they are bound by the unit of
/// exponentials and reciprocals, which a tree has no use for.
KernelEmitter::Trees KernelEmitter::startTrees(Value q, Value k, Value decay) {
  int64_t columns = shape.columnsPerThread;
  int64_t atOnce = waiting.empty() ? columns : 1;
  Values query, key, lambda;
  auto prepare = [&](int64_t first) {
    Values own[3];
    forColumns([&] {
      if (columnIndex < first || columnIndex >= first + atOnce)
        return;
      own[0].append(ownNumbers(tile(q)));
      own[1].append(ownNumbers(tile(k)));
      own[2].append(ownNumbers(tile(decay)));
    });
    maskColumns(own[0], own[1], own[2]);
    query.append(own[0]);
    key.append(own[1]);
    lambda.append(own[2]);
  };
  auto own = [&](const Values &all) {
    return Values(
        llvm::ArrayRef(all).slice(columnIndex * groupTokens, groupTokens));
  };
  emitWaiting(0);
  prepare(0);
  Trees trees;
  forColumns([&] {
    int64_t next = columnIndex + 1;
    bool isNextMissing = atOnce == 1 && next < columns;
    if (isNextMissing)
      emitWaiting(next);
    trees.push_back(startTree(own(query), own(key), own(lambda)));
    if (isNextMissing)
      prepare(next);
  });
  waiting.clear();
  storeDiagonal(query, key);
  return trees;
}

void KernelEmitter::finishTrees(Trees &trees) {
  forColumns([&] { finishTree(trees[columnIndex]); });
}

void KernelEmitter::emitRecurrence(chunk::RecurrenceOp op) {
  Trees trees = startTrees(op.getQ(), op.getK(), op.getLambda());
  code.barrier();
  forgetLanes();
  // Everyone has read the chunk's columns: the next may come.
  copyColumns();
  finishTrees(trees);
  clearUpperWeights();
  multiplyLevels();
  // All but the columns that were asked for last.
  code.waitCopies(1);
  barrierBeforeProducts();
  if (makeRowsInPlace(op.getV()))
    barrierBeforeProducts();
  const Values state = tile(op.getState()).numbers;
  const Tile v = tile(op.getV());
  storeStateRows(packedState(state));
  Tile next = assigned(op.getNext());
  next.numbers = beginNextState(state, regions.keys, v);
  multiplyHalves(0);
  barrierBeforeProducts();
  saveRows(op.getState());
  code.beginProducts();
  Values sums =
      addFromState(multiplyWeights(v, /*transposed=*/false), regions.queries);
  code.commitProducts();
  next.numbers = code.waitProducts(next.numbers, 1);
  tiles[op.getNext()] = next;
  Fragments output = packed(code, unflatten(code.waitProducts(sums, 0)));
  if (std::optional<int64_t> operand = outputOperand(op.getO()))
    storeOutput(output, *operand, regions.wide);
  tiles[op.getO()] = assigned(op.getO());
}

/// The state, or its gradient, without what else a chunk makes: `rows` scaled
/// to the chunk's end, or to its start, meet `right`.
Values KernelEmitter::advanceState(Value rows, Value decay, Value state,
                                   Value right, bool toEnd) {
  int64_t region = toEnd ? regions.keys : regions.queries;
  Trees trees(shape.columnsPerThread);
  forColumns([&] {
    Values &own = trees[columnIndex].key;
    own = masked(ownNumbers(tile(rows)), 0);
    Values lambda = masked(ownNumbers(tile(decay)), 1);
    // A key meets the λ behind it, a query its own as well.
    Value product;
    for (int64_t index = 0; index < groupTokens; ++index) {
      int64_t token = toEnd ? groupTokens - 1 - index : index;
      if (toEnd && product)
        own[token] = code.fmul(own[token], product);
      product = product ? code.fmul(product, lambda[token]) : lambda[token];
      if (!toEnd)
        own[token] = code.fmul(own[token], product);
    }
    shareTotal(product);
  });
  code.barrier();
  forgetLanes();
  copyColumns();
  forColumns([&] {
    Tree &tree = trees[columnIndex];
    loadTotals(tree);
    for (Value &number : tree.key)
      number = code.fmul(number, toEnd ? tree.behind : tree.before);
    storeCore(tree.key, region);
    storeChunkTotal(tree);
  });
  if (rowsOut != RowsOut::none)
    storeStateRows(packedState(tile(state).numbers),
                   [&](Value row) { return keptRow(row); });
  code.waitCopies(1);
  barrierBeforeProducts();
  if (rowsOut != RowsOut::none)
    saveRows(state);
  if (makeRowsInPlace(right))
    barrierBeforeProducts();
  Values next = beginNextState(tile(state).numbers, region, tile(right));
  return code.waitProducts(next, 0);
}

void KernelEmitter::emitState(chunk::StateOp op) {
  Tile next = assigned(op.getNext());
  next.numbers = advanceState(op.getK(), op.getLambda(), op.getState(),
                              op.getV(), /*toEnd=*/true);
  tiles[op.getNext()] = next;
}

} // namespace decay::cuda
