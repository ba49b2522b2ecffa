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

bool startsKnown(Value initial) {
  return isState(initial) ? bool(initial.getDefiningOp<chunk::ReadOp>())
                          : bool(initial.getDefiningOp<chunk::FillOp>());
}

/// Operations whose results nobody uses, the last ones first.
void eraseDead(mlir::Block &block) {
  for (mlir::Operation &op :
       llvm::make_early_inc_range(llvm::reverse(block.getOperations())))
    if (mlir::isOpTriviallyDead(&op))
      op.erase();
}

/// Nothing is written, kept or checked: the entry's kernel does that.
void eraseEffects(chunk::KernelOp kernel) {
  kernel.walk([](mlir::Operation *op) {
    if (auto check = mlir::dyn_cast<chunk::CheckRangeOp>(op))
      check.getResult().replaceAllUsesWith(check.getOperand());
    else if (!mlir::isa<chunk::WriteOp, chunk::SaveOp>(op))
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

/// A tile of ones.
Value ones(mlir::OpBuilder &builder, mlir::Location place,
           chunk::TileType type) {
  auto op = chunk::PointwiseOp::create(builder, place, mlir::TypeRange(type),
                                       mlir::ValueRange());
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&op.getBody());
  Value one = mlir::arith::ConstantOp::create(builder, place,
                                              builder.getF32FloatAttr(1));
  chunk::YieldOp::create(builder, place, one);
  return op.getResult(0);
}

/// The sweep with two results: the state and the product of λ.
void narrow(chunk::SweepOp sweep) {
  mlir::Block &body = sweep.getBody().front();
  mlir::Location place = sweep.getLoc();
  auto [state, lambda] = stateAlone(body);
  auto totalType =
      mlir::cast<chunk::TileType>(lambda.getType()).without(Axis::Token);
  Value total = body.addArgument(totalType, place);
  body.getTerminator()->erase();
  mlir::OpBuilder builder(sweep);
  builder.setInsertionPointToEnd(&body);
  Value product =
      chunk::ProductOp::create(builder, place, totalType, total, lambda);
  chunk::YieldOp::create(builder, place, mlir::ValueRange{state, product});
  eraseDead(body);
  body.eraseArguments([&](mlir::BlockArgument argument) {
    return !isState(argument) && argument != total;
  });
  builder.setInsertionPoint(sweep);
  Value zero = chunk::FillOp::create(builder, place, state.getType());
  Value one = ones(builder, place, totalType);
  auto narrowed = chunk::SweepOp::create(
      builder, place, mlir::TypeRange{state.getType(), totalType},
      mlir::ValueRange{zero, one}, sweep.getDescending());
  narrowed.getBody().takeBody(sweep.getBody());
  sweep.erase();
}

} // namespace

bool canBeCut(chunk::KernelOp kernel) {
  if (kernel.getBody().empty() || kernel.getChunkLength() == 1)
    return false;
  auto sweeps = kernel.getOps<chunk::SweepOp>();
  bool startAllKnown = llvm::all_of(sweeps, [](chunk::SweepOp sweep) {
    return llvm::all_of(sweep.getInitial(), startsKnown);
  });
  // What a segment alone cannot know must be a sum over items.
  bool writesAllKnown =
      llvm::all_of(kernel.getOps<chunk::WriteOp>(), [&](chunk::WriteOp write) {
        auto operand = mlir::cast<mlir::DictionaryAttr>(
            kernel.getOperands()[write.getOperand()]);
        return operand.get("reduce") || isState(write.getTile());
      });
  return !sweeps.empty() && startAllKnown && writesAllKnown;
}

chunk::SweepOp sweepOf(chunk::KernelOp kernel, bool descending) {
  for (auto sweep : kernel.getOps<chunk::SweepOp>())
    if (sweep.getDescending() == descending)
      return sweep;
  return nullptr;
}

chunk::KernelOp makeSegmentSweep(chunk::KernelOp kernel, bool descending) {
  mlir::OpBuilder builder(kernel);
  auto made = mlir::cast<chunk::KernelOp>(builder.clone(*kernel));
  eraseEffects(made);
  for (auto sweep : llvm::make_early_inc_range(made.getOps<chunk::SweepOp>())) {
    bool isOther = sweep.getDescending() != descending;
    if (isOther) {
      // Gradients of parameters that were written are all that used it.
      eraseDead(made.getBody().front());
      sweep.erase();
    }
  }
  eraseDead(made.getBody().front());
  narrow(sweepOf(made, descending));
  eraseDead(made.getBody().front());
  return made;
}

} // namespace decay::cuda
