//===- KernelBuilder.cpp - Sweeps, what they carry, what they keep --------===//
#include "compiler/conversion/decay_to_chunk/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace decay {

using ir::Axis;
using mlir::Value;

chunk::TileType tileOf(mlir::Type field) {
  unsigned outside = ir::axisBit(Axis::Sequence) | ir::axisBit(Axis::Head);
  return chunk::TileType::get(field.getContext(),
                              mlir::cast<ir::FieldType>(field).getAxes() &
                                  ~outside);
}

KernelBuilder::KernelBuilder(mlir::func::FuncOp function, llvm::StringRef name,
                             int64_t chunkLength)
    : function(function), name(name), chunkLength(chunkLength),
      builder(function.getContext()) {
  for (mlir::Operation &op : function.getBody().front()) {
    if (auto scan = mlir::dyn_cast<ir::ScanOp>(op))
      scans.push_back(scan);
    if (auto gradient = mlir::dyn_cast<ir::ScanGradientOp>(op))
      scanGradients.push_back(gradient);
    if (auto found = mlir::dyn_cast<ir::RecurrenceOp>(op))
      recurrence = found;
    if (auto found = mlir::dyn_cast<ir::RecurrenceGradientOp>(op))
      recurrenceGradient = found;
  }
}

bool KernelBuilder::perToken(Value value) const {
  return mlir::cast<ir::FieldType>(value.getType()).has(Axis::Token);
}

void KernelBuilder::classify() {
  auto isAfter = [&](Value operand) {
    mlir::Operation *source = operand.getDefiningOp();
    return source && !perToken(operand) &&
           stages.lookup(source) != Stage::Before;
  };
  for (mlir::Operation &op : function.getBody().front().without_terminator()) {
    bool touchesTokens =
        llvm::any_of(op.getOperands(), [&](Value v) { return perToken(v); }) ||
        llvm::any_of(op.getResults(), [&](Value v) { return perToken(v); });
    if (touchesTokens)
      stages[&op] = Stage::PerToken;
    else
      stages[&op] = llvm::any_of(op.getOperands(), isAfter) ? Stage::After
                                                            : Stage::Before;
    if (auto sum = mlir::dyn_cast<ir::SumOp>(op))
      if (touchesTokens && !perToken(sum.getResult()))
        sums.push_back(sum.getResult());
  }
  if (recurrenceGradient && !perToken(recurrenceGradient.getDLambda()))
    sums.push_back(recurrenceGradient.getDLambda());
}

/// Axes as the package ABI spells them, e.g. "B T H K".
static std::string shapeOf(ir::FieldType field) {
  bool state = field.has(Axis::Channel) && field.has(Axis::Value);
  std::string shape;
  auto add = [&](bool present, llvm::StringRef axis) {
    if (present)
      shape += (shape.empty() ? "" : " ") + axis.str();
  };
  add(field.has(Axis::Sequence), "N");
  add(field.has(Axis::Layer), "L");
  add(field.has(Axis::Token), "B T");
  add(field.has(Axis::Head), "H");
  add(field.has(Axis::Channel), state ? "W" : "K");
  add(field.has(Axis::Value), "V");
  return shape;
}

mlir::ArrayAttr KernelBuilder::describeOperands() {
  llvm::SmallVector<mlir::Attribute> operands;
  auto add = [&](mlir::Attribute operandName, ir::FieldType field, bool write,
                 bool optional, bool reduce) {
    mlir::NamedAttrList entry;
    entry.set("name", operandName);
    entry.set("shape", builder.getStringAttr(shapeOf(field)));
    entry.set("access", builder.getI64IntegerAttr(write));
    entry.set("optional", builder.getI64IntegerAttr(optional));
    if (reduce)
      entry.set("reduce", builder.getBoolAttr(true));
    operands.push_back(entry.getDictionary(builder.getContext()));
  };
  llvm::StringSet<> parameters;
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    auto argument =
        function.getArgAttrOfType<mlir::StringAttr>(index, "decay.name");
    auto role = function.getArgAttrOfType<mlir::StringAttr>(index, "decay.role")
                    .getValue();
    if (role == "parameter")
      parameters.insert(("d_" + argument.getValue()).str());
    bool optional =
        role == "initial" || (role == "gradient" && argument != "d_o");
    add(argument, mlir::cast<ir::FieldType>(type), false, optional, false);
  }
  for (auto [index, type] : llvm::enumerate(function.getResultTypes())) {
    auto result =
        function.getResultAttrOfType<mlir::StringAttr>(index, "decay.name");
    bool isParameter = parameters.contains(result.getValue());
    bool optional = result != "o" && name != "init_parameters";
    add(result, mlir::cast<ir::FieldType>(type), true, optional, isParameter);
  }
  if (recurrence && !recurrenceGradient) {
    auto lambda = mlir::cast<ir::FieldType>(recurrence.getLambda().getType());
    add(builder.getStringAttr("lambda"),
        lambda.with(Axis::Token).with(Axis::Head), true, true, false);
  }
  return builder.getArrayAttr(operands);
}

Value KernelBuilder::tile(Value value) {
  if (Value known = tiles.lookup(value))
    return known;
  auto argument = mlir::cast<mlir::BlockArgument>(value);
  mlir::OpBuilder::InsertionGuard guard(builder);
  if (!perToken(value))
    builder.setInsertionPointToStart(&kernel.getBody().front());
  Value read =
      chunk::ReadOp::create(builder, function.getLoc(), tileOf(value.getType()),
                            argument.getArgNumber());
  tiles[value] = read;
  return read;
}

KernelBuilder::Carried &KernelBuilder::carriedFor(Value key) {
  for (Carried &entry : carried)
    if (entry.key == key)
      return entry;
  llvm_unreachable("the sweep carries nothing for this value");
}

chunk::SweepOp KernelBuilder::beginSweep(
    bool descending, llvm::ArrayRef<std::pair<Value, Value>> keysAndInitials) {
  llvm::SmallVector<Value> initials;
  llvm::SmallVector<mlir::Type> types;
  for (auto [key, initial] : keysAndInitials) {
    initials.push_back(initial);
    types.push_back(initial.getType());
  }
  auto sweep = chunk::SweepOp::create(builder, function.getLoc(), types,
                                      initials, descending);
  mlir::Block *body = &sweep.getBody().emplaceBlock();
  carried.clear();
  for (auto [key, initial] : keysAndInitials) {
    Value before = body->addArgument(initial.getType(), function.getLoc());
    carried.push_back({key, before, before});
  }
  builder.setInsertionPointToStart(body);
  return sweep;
}

void KernelBuilder::endSweep(chunk::SweepOp sweep) {
  llvm::SmallVector<Value> yields;
  for (Carried &entry : carried)
    yields.push_back(entry.after);
  chunk::YieldOp::create(builder, function.getLoc(), yields);
  builder.setInsertionPointAfter(sweep);
  // Tiles of one sweep mean nothing in the next.
  llvm::SmallVector<Value> inside;
  for (auto [value, known] : tiles)
    if (perToken(value) || known.getParentBlock() == &sweep.getBody().front())
      inside.push_back(value);
  for (Value value : inside)
    tiles.erase(value);
  for (auto [entry, result] : llvm::zip(carried, sweep.getResults()))
    tiles[entry.key] = result;
}

void KernelBuilder::buildForwardSweep() {
  llvm::SmallVector<std::pair<Value, Value>> initial{
      {recurrence.getFinal(), tile(recurrence.getInitial())}};
  for (ir::ScanOp scan : scans)
    initial.push_back({scan.getFinal(), tile(scan.getInitial())});
  chunk::SweepOp sweep = beginSweep(/*descending=*/false, initial);
  convertStage(Stage::PerToken);
  Value lambda = tile(recurrence.getLambda());
  auto rows = mlir::cast<chunk::TileType>(lambda.getType()).with(Axis::Token);
  chunk::WriteOp::create(builder, function.getLoc(), broadcast(lambda, rows),
                         resultOperand(function.getNumResults()));
  writeResults();
  endSweep(sweep);
}

/// What the state behind a chunk depends on, in the function's order.
static llvm::SetVector<mlir::Operation *>
ancestors(llvm::ArrayRef<Value> values) {
  llvm::SetVector<mlir::Operation *> found;
  llvm::SmallVector<Value> pending(values);
  while (!pending.empty()) {
    mlir::Operation *op = pending.pop_back_val().getDefiningOp();
    if (op && found.insert(op))
      llvm::append_range(pending, op->getOperands());
  }
  return found;
}

void KernelBuilder::buildStateSweep() {
  ir::RecurrenceGradientOp gradient = recurrenceGradient;
  llvm::SmallVector<Value> roots{gradient.getK(), gradient.getV(),
                                 gradient.getLambda()};
  llvm::SmallVector<std::pair<Value, Value>> initial{
      {gradient.getInitial(), tile(gradient.getInitial())}};
  for (ir::ScanOp scan : scans) {
    roots.push_back(scan.getTerm());
    initial.push_back({scan.getFinal(), tile(scan.getInitial())});
  }
  chunk::SweepOp sweep = beginSweep(/*descending=*/false, initial);
  for (auto [slot, entry] : llvm::enumerate(carried))
    chunk::SaveOp::create(builder, function.getLoc(), entry.before, slot,
                          mlir::IntegerAttr());

  llvm::SetVector<mlir::Operation *> needed = ancestors(roots);
  for (ir::ScanOp scan : scans)
    needed.insert(scan);
  for (mlir::Operation &op : function.getBody().front())
    if (needed.contains(&op) && stages.lookup(&op) == Stage::PerToken)
      convert(op);
  Value k = tile(gradient.getK());
  Carried &state = carriedFor(gradient.getInitial());
  state.after = chunk::StateOp::create(
      builder, gradient.getLoc(), state.before.getType(), k,
      tile(gradient.getV()), recurrenceLambda(gradient.getLambda(), k),
      state.before);
  endSweep(sweep);
  tiles.erase(gradient.getInitial());
}

void KernelBuilder::buildGradientSweep() {
  ir::RecurrenceGradientOp gradient = recurrenceGradient;
  llvm::SmallVector<std::pair<Value, Value>> initial{
      {gradient.getDInitial(), tile(gradient.getDFinal())}};
  for (ir::ScanGradientOp scan : scanGradients)
    initial.push_back({scan.getDInitial(), tile(scan.getDFinal())});
  for (Value sum : sums)
    initial.push_back({sum, chunk::FillOp::create(builder, sum.getLoc(),
                                                  tileOf(sum.getType()))});
  chunk::SweepOp sweep = beginSweep(/*descending=*/true, initial);
  convertStage(Stage::PerToken);
  writeResults();
  endSweep(sweep);
}

void KernelBuilder::writeResults() {
  bool inSweep = builder.getInsertionBlock() != &kernel.getBody().front();
  auto returned = mlir::cast<mlir::func::ReturnOp>(
      function.getBody().front().getTerminator());
  for (auto [index, value] : llvm::enumerate(returned.getOperands()))
    if (perToken(value) == inSweep)
      chunk::WriteOp::create(builder, function.getLoc(), tile(value),
                             resultOperand(index));
}

chunk::KernelOp KernelBuilder::build() {
  classify();
  builder.setInsertionPoint(function);
  kernel = chunk::KernelOp::create(builder, function.getLoc(), name,
                                   describeOperands(), chunkLength);
  builder.setInsertionPointToStart(&kernel.getBody().emplaceBlock());
  convertStage(Stage::Before);
  if (recurrenceGradient) {
    buildStateSweep();
    buildGradientSweep();
  } else if (recurrence) {
    buildForwardSweep();
  }
  convertStage(Stage::After);
  writeResults();
  return kernel;
}

} // namespace decay
