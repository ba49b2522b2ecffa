//===- SegmentSweeps.cpp - What a segment does to a state -----------------===//
//
// The sweeps of an entry with all left out but the state, or its gradient.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/Segments.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace decay::cuda {

using ir::Axis;
using mlir::Value;

namespace {

bool isState(Value value) {
  auto type = mlir::cast<chunk::TileType>(value.getType());
  return type.has(Axis::Channel) && type.has(Axis::Value) &&
         !type.has(Axis::Token);
}

/// Whether a value of a sweep's body is made of what such an operation makes.
template <typename Op> bool followsFrom(Value value) {
  mlir::Operation *op = value.getDefiningOp();
  return op && (mlir::isa<Op>(op) ||
                llvm::any_of(op->getOperands(), followsFrom<Op>));
}

/// A scan of terms that need no other scan, as a segment alone cannot say what
/// that comes to; or a gradient that no other one needs.
bool startsKnown(chunk::SweepOp sweep, unsigned index) {
  Value initial = sweep.getInitial()[index];
  bool isRead = bool(initial.getDefiningOp<chunk::ReadOp>());
  if (chunk::ScanOp scan = scanOf(sweep, index))
    return isRead && !followsFrom<chunk::ScanOp>(scan.getTerm());
  if (chunk::ScanGradientOp gradient = scanGradientOf(sweep, index))
    return isRead && llvm::none_of(gradient->getOperands(),
                                   followsFrom<chunk::ScanGradientOp>);
  Value yielded = sweep.getBody().front().getTerminator()->getOperand(index);
  if (followsFrom<chunk::ScanGradientOp>(yielded))
    return false;
  return isState(initial) ? isRead
                          : bool(initial.getDefiningOp<chunk::FillOp>());
}

/// Whether a value is what a scan of a sweep comes to, or the gradient of what
/// it began with.
bool isCarry(Value value) {
  auto result = mlir::dyn_cast<mlir::OpResult>(value);
  auto sweep =
      result ? mlir::dyn_cast<chunk::SweepOp>(result.getOwner()) : nullptr;
  return sweep && (scanOf(sweep, result.getResultNumber()) ||
                   scanGradientOf(sweep, result.getResultNumber()));
}

/// Operations whose results nobody uses, the last ones first.
void eraseDead(mlir::Block &block) {
  for (mlir::Operation &op :
       llvm::make_early_inc_range(llvm::reverse(block.getOperations())))
    if (mlir::isOpTriviallyDead(&op))
      op.erase();
}

/// Nothing is written, kept or checked but what is asked for: the entry's
/// kernel does that.
void eraseEffects(
    chunk::KernelOp kernel,
    llvm::function_ref<bool(mlir::Operation *)> isWanted =
        [](mlir::Operation *) { return false; }) {
  kernel.walk([&](mlir::Operation *op) {
    if (auto check = mlir::dyn_cast<chunk::CheckRangeOp>(op))
      check.getResult().replaceAllUsesWith(check.getOperand());
    else if (!mlir::isa<chunk::WriteOp, chunk::SaveOp>(op) || isWanted(op))
      return;
    op->erase();
  });
}

/// The state that the body yields, made without outputs and other gradients;
/// and λ.
std::pair<Value, Value> stateAlone(mlir::Block &body) {
  for (mlir::Operation &op : body) {
    mlir::OpBuilder builder(&op);
    if (auto forward = mlir::dyn_cast<chunk::RecurrenceOp>(op))
      return {chunk::StateOp::create(builder, op.getLoc(),
                                     forward.getNext().getType(),
                                     forward.getK(), forward.getV(),
                                     forward.getLambda(), forward.getState()),
              forward.getLambda()};
    if (auto state = mlir::dyn_cast<chunk::StateOp>(op))
      return {state.getNext(), state.getLambda()};
    if (auto backward = mlir::dyn_cast<chunk::RecurrenceGradientOp>(op))
      return {chunk::StateGradientOp::create(
                  builder, op.getLoc(), backward.getDNext().getType(),
                  backward.getQ(), backward.getDO(), backward.getLambda(),
                  backward.getDState()),
              backward.getLambda()};
  }
  llvm_unreachable("every sweep that can be cut has a state");
}

Value constantTile(mlir::OpBuilder &builder, mlir::Location place,
                   mlir::Type type, float number) {
  auto op = chunk::PointwiseOp::create(builder, place, mlir::TypeRange(type),
                                       mlir::ValueRange());
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&op.getBody());
  Value made = mlir::arith::ConstantOp::create(builder, place,
                                               builder.getF32FloatAttr(number));
  chunk::YieldOp::create(builder, place, made);
  return op.getResult(0);
}

/// The sweep with the results alone that are yielded for `kept` of its body's
/// arguments, which start with `initial`.
void replaceSweep(
    chunk::SweepOp sweep,
    const llvm::SmallDenseMap<Value, std::pair<Value, Value>> &kept) {
  mlir::Block &body = sweep.getBody().front();
  mlir::OpBuilder builder(sweep);
  llvm::SmallVector<Value> initial, yielded;
  llvm::SmallVector<mlir::Type> types;
  for (Value argument : body.getArguments())
    if (auto found = kept.find(argument); found != kept.end()) {
      initial.push_back(found->second.first);
      yielded.push_back(found->second.second);
      types.push_back(argument.getType());
    }
  body.getTerminator()->erase();
  builder.setInsertionPointToEnd(&body);
  chunk::YieldOp::create(builder, sweep.getLoc(), yielded);
  eraseDead(body);
  body.eraseArguments(
      [&](mlir::BlockArgument argument) { return !kept.contains(argument); });
  builder.setInsertionPoint(sweep);
  auto narrowed = chunk::SweepOp::create(builder, sweep.getLoc(), types,
                                         initial, sweep.getDescending());
  narrowed.getBody().takeBody(sweep.getBody());
  sweep.erase();
}

/// The sweep with the state, what scans come to, and the product of λ.
void narrow(chunk::SweepOp sweep) {
  mlir::Block &body = sweep.getBody().front();
  mlir::Location place = sweep.getLoc();
  llvm::SmallDenseMap<Value, std::pair<Value, Value>> kept;
  auto [state, lambda] = stateAlone(body);
  assert(isState(body.getArgument(0)) && "the first result is the state");
  mlir::OpBuilder builder(sweep);
  for (mlir::BlockArgument argument : body.getArguments())
    if (chunk::ScanOp scan = scanOf(sweep, argument.getArgNumber()))
      kept[argument] = {sweep.getInitial()[argument.getArgNumber()],
                        scan.getNext()};
    else if (isState(argument))
      kept[argument] = {chunk::FillOp::create(builder, place, state.getType()),
                        state};
  auto totalType =
      mlir::cast<chunk::TileType>(lambda.getType()).without(Axis::Token);
  Value one = constantTile(builder, place, totalType, 1);
  Value total = body.addArgument(totalType, place);
  builder.setInsertionPoint(body.getTerminator());
  kept[total] = {
      one, chunk::ProductOp::create(builder, place, totalType, total, lambda)};
  replaceSweep(sweep, kept);
}

/// The sweep with its scans alone, from their carries or from what changes
/// nothing.
void narrowToScans(chunk::SweepOp sweep, bool isNeutral) {
  llvm::SmallDenseMap<Value, std::pair<Value, Value>> kept;
  mlir::OpBuilder builder(sweep);
  for (mlir::BlockArgument argument : sweep.getBody().front().getArguments())
    if (chunk::ScanOp scan = scanOf(sweep, argument.getArgNumber()))
      kept[argument] = {isNeutral ? constantTile(builder, sweep.getLoc(),
                                                 argument.getType(),
                                                 neutralOf(scan.getKind()))
                                  : sweep.getInitial()[argument.getArgNumber()],
                        scan.getNext()};
  replaceSweep(sweep, kept);
}

/// The sweep with the gradients alone that come of the scans' own, and are
/// linear in these: all others are zero.
void narrowToCorrections(chunk::SweepOp sweep) {
  mlir::Block &body = sweep.getBody().front();
  mlir::OpBuilder builder(sweep);
  builder.setInsertionPointToStart(&body);
  auto zeroOf = [&](Value like) {
    return constantTile(builder, sweep.getLoc(), like.getType(), 0);
  };
  for (auto recurrence : body.getOps<chunk::RecurrenceGradientOp>())
    for (Value result : recurrence->getResults())
      for (mlir::OpOperand &use : llvm::make_early_inc_range(result.getUses()))
        if (!mlir::isa<chunk::YieldOp>(use.getOwner()))
          use.set(zeroOf(result));
  llvm::SmallDenseMap<Value, std::pair<Value, Value>> kept;
  for (mlir::BlockArgument argument : body.getArguments())
    if (auto gradient = scanGradientOf(sweep, argument.getArgNumber())) {
      gradient.getDInclusiveMutable().assign(zeroOf(gradient.getDInclusive()));
      gradient.getDExclusiveMutable().assign(zeroOf(gradient.getDExclusive()));
      mlir::OpBuilder before(sweep);
      kept[argument] = {
          constantTile(before, sweep.getLoc(), argument.getType(), 0),
          gradient.getNext()};
    }
  replaceSweep(sweep, kept);
}

} // namespace

/// What advances that argument of the sweep's body as its carry, if it is such
/// an operation.
template <typename Op>
static Op carrierOf(chunk::SweepOp sweep, unsigned index) {
  mlir::Block &body = sweep.getBody().front();
  Op op = body.getTerminator()->getOperand(index).getDefiningOp<Op>();
  return op && op.getCarry() == body.getArgument(index) ? op : Op();
}

template <typename Op>
static llvm::SmallVector<Op> carriersOf(chunk::KernelOp kernel) {
  llvm::SmallVector<Op> carriers;
  for (auto sweep : kernel.getOps<chunk::SweepOp>())
    for (unsigned index = 0; index < sweep.getInitial().size(); ++index)
      if (Op op = carrierOf<Op>(sweep, index))
        carriers.push_back(op);
  return carriers;
}

chunk::ScanOp scanOf(chunk::SweepOp sweep, unsigned index) {
  return carrierOf<chunk::ScanOp>(sweep, index);
}

chunk::ScanGradientOp scanGradientOf(chunk::SweepOp sweep, unsigned index) {
  return carrierOf<chunk::ScanGradientOp>(sweep, index);
}

llvm::SmallVector<chunk::ScanOp> carriedScans(chunk::KernelOp kernel) {
  return carriersOf<chunk::ScanOp>(kernel);
}

llvm::SmallVector<chunk::ScanGradientOp>
carriedGradients(chunk::KernelOp kernel) {
  return carriersOf<chunk::ScanGradientOp>(kernel);
}

bool canBeCut(chunk::KernelOp kernel) {
  if (kernel.getBody().empty() || kernel.getChunkLength() == 1)
    return false;
  auto sweeps = kernel.getOps<chunk::SweepOp>();
  bool startAllKnown = llvm::all_of(sweeps, [](chunk::SweepOp sweep) {
    auto indices = llvm::seq<unsigned>(0, sweep.getInitial().size());
    return llvm::all_of(
        indices, [&](unsigned index) { return startsKnown(sweep, index); });
  });
  // What a segment alone cannot know must be a sum over items.
  bool writesAllKnown =
      llvm::all_of(kernel.getOps<chunk::WriteOp>(), [&](chunk::WriteOp write) {
        auto operand = mlir::cast<mlir::DictionaryAttr>(
            kernel.getOperands()[write.getOperand()]);
        return operand.get("reduce") || isState(write.getTile()) ||
               isCarry(write.getTile());
      });
  return !sweeps.empty() && startAllKnown && writesAllKnown;
}

chunk::SweepOp sweepOf(chunk::KernelOp kernel, bool descending) {
  for (auto sweep : kernel.getOps<chunk::SweepOp>())
    if (sweep.getDescending() == descending)
      return sweep;
  return nullptr;
}

/// A copy beside the kernel, with the effects that are wanted.
static chunk::KernelOp copyOf(
    chunk::KernelOp kernel,
    llvm::function_ref<bool(mlir::Operation *)> isWanted =
        [](mlir::Operation *) { return false; }) {
  mlir::OpBuilder builder(kernel);
  auto made = mlir::cast<chunk::KernelOp>(builder.clone(*kernel));
  eraseEffects(made, isWanted);
  return made;
}

static void eraseSweep(chunk::KernelOp kernel, bool descending) {
  // Gradients of parameters that were written are all that used it.
  eraseDead(kernel.getBody().front());
  if (chunk::SweepOp sweep = sweepOf(kernel, descending))
    sweep.erase();
}

chunk::KernelOp makeSegmentSweep(chunk::KernelOp kernel, bool descending) {
  // λ of a sweep over gradients needs the scans in front of each chunk.
  bool needsScans = descending && !carriedScans(kernel).empty();
  chunk::KernelOp made = copyOf(kernel, [&](mlir::Operation *op) {
    auto save = mlir::dyn_cast<chunk::SaveOp>(op);
    return needsScans && save && !isState(save.getTile());
  });
  eraseDead(made.getBody().front());
  if (needsScans)
    narrowToScans(sweepOf(made, /*descending=*/false), /*isNeutral=*/false);
  else
    eraseSweep(made, !descending);
  narrow(sweepOf(made, descending));
  eraseDead(made.getBody().front());
  return made;
}

chunk::KernelOp makeScanSweep(chunk::KernelOp kernel) {
  chunk::KernelOp made = copyOf(kernel);
  eraseSweep(made, /*descending=*/true);
  narrowToScans(sweepOf(made, /*descending=*/false), /*isNeutral=*/true);
  eraseDead(made.getBody().front());
  return made;
}

chunk::KernelOp makeScanCorrections(chunk::KernelOp kernel) {
  chunk::KernelOp made = copyOf(kernel, [](mlir::Operation *op) {
    auto write = mlir::dyn_cast<chunk::WriteOp>(op);
    return write && followsFrom<chunk::ScanGradientOp>(write.getTile());
  });
  eraseSweep(made, /*descending=*/false);
  narrowToCorrections(sweepOf(made, /*descending=*/true));
  eraseDead(made.getBody().front());
  return made;
}

} // namespace decay::cuda
