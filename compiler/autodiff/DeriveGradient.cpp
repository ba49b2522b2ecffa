//===- DeriveGradient.cpp - @backward from @forward -----------------------===//
#include "compiler/autodiff/Passes.h"
#include "compiler/autodiff/rules/Rules.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

namespace decay {

#define GEN_PASS_DEF_DERIVEGRADIENT
#include "compiler/autodiff/Passes.h.inc"

namespace {

using mlir::Value;
using mlir::func::FuncOp;
using mlir::func::ReturnOp;

/// Adds to the gradients of an operation's operands.
mlir::LogicalResult differentiateOperation(mlir::Operation &op,
                                           Adjoints &adjoints) {
  return llvm::TypeSwitch<mlir::Operation *, mlir::LogicalResult>(&op)
      .Case<ir::MapOp, ir::BroadcastOp, ir::SumOp, ir::AcrossLayersOp,
            ir::AtLayerOp, ir::RotateOp, ir::CheckRangeOp, ir::ScanOp,
            ir::RecurrenceOp>([&](auto known) {
        differentiate(known, adjoints);
        return mlir::success();
      })
      .Default([](mlir::Operation *unknown) {
        return unknown->emitOpError("has no derivative rule");
      });
}

std::string gradientName(mlir::Attribute name) {
  return "d_" + mlir::cast<mlir::StringAttr>(name).str();
}

/// An empty @backward with forward's arguments, the gradients of its results,
/// and one result per argument.
FuncOp declareBackward(FuncOp forward) {
  mlir::OpBuilder builder(forward.getContext());
  builder.setInsertionPointAfter(forward);
  llvm::SmallVector<mlir::Type> inputs(forward.getArgumentTypes());
  llvm::append_range(inputs, forward.getResultTypes());
  auto type = builder.getFunctionType(inputs, forward.getArgumentTypes());
  auto backward = FuncOp::create(builder, forward.getLoc(), "backward", type);
  unsigned count = forward.getNumArguments();
  for (unsigned index = 0; index < count; ++index) {
    backward.setArgAttrs(index, forward.getArgAttrDict(index));
    auto name = forward.getArgAttr(index, "decay.name");
    backward.setResultAttr(index, "decay.name",
                           builder.getStringAttr(gradientName(name)));
  }
  for (unsigned index = 0; index < forward.getNumResults(); ++index) {
    auto name = forward.getResultAttr(index, "decay.name");
    backward.setArgAttr(count + index, "decay.name",
                        builder.getStringAttr(gradientName(name)));
    backward.setArgAttr(count + index, "decay.role",
                        builder.getStringAttr("gradient"));
  }
  return backward;
}

/// Copies forward's operations and marks what depends on its arguments.
/// Returns the copies of its results.
llvm::SmallVector<Value> replayForward(FuncOp forward, FuncOp backward,
                                       Adjoints &adjoints) {
  mlir::IRMapping copies;
  for (Value argument : forward.getArguments()) {
    auto index = mlir::cast<mlir::BlockArgument>(argument).getArgNumber();
    copies.map(argument, backward.getArgument(index));
    adjoints.activate(backward.getArgument(index));
  }
  for (mlir::Operation &op : forward.front().without_terminator()) {
    mlir::Operation *copy = adjoints.builder.clone(op, copies);
    if (llvm::any_of(copy->getOperands(),
                     [&](Value value) { return adjoints.isActive(value); }))
      for (Value result : copy->getResults())
        adjoints.activate(result);
  }
  llvm::SmallVector<Value> results;
  for (Value value : forward.front().getTerminator()->getOperands())
    results.push_back(copies.lookup(value));
  return results;
}

struct DeriveGradientPass : impl::DeriveGradientBase<DeriveGradientPass> {
  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<FuncOp>("forward");
    if (!forward || getOperation().lookupSymbol("backward")) {
      getOperation().emitError(
          "derive-gradient needs @forward, and no @backward yet");
      return signalPassFailure();
    }
    FuncOp backward = declareBackward(forward);
    mlir::OpBuilder builder =
        mlir::OpBuilder::atBlockBegin(backward.addEntryBlock());
    Adjoints adjoints(builder);
    auto results = replayForward(forward, backward, adjoints);
    unsigned count = forward.getNumArguments();
    for (auto [index, result] : llvm::enumerate(results))
      adjoints.add(forward.getLoc(), result,
                   backward.getArgument(count + index));
    if (failed(reverse(backward, adjoints)))
      return signalPassFailure();
    llvm::SmallVector<Value> gradients;
    for (unsigned index = 0; index < count; ++index)
      gradients.push_back(
          adjoints.get(forward.getLoc(), backward.getArgument(index)));
    ReturnOp::create(builder, forward.getLoc(), gradients);
  }

private:
  static mlir::LogicalResult reverse(FuncOp backward, Adjoints &adjoints) {
    llvm::SmallVector<mlir::Operation *> ops;
    for (mlir::Operation &op : backward.front())
      ops.push_back(&op);
    for (mlir::Operation *op : llvm::reverse(ops))
      if (llvm::any_of(op->getResults(),
                       [&](Value value) { return adjoints.find(value); }))
        if (failed(differentiateOperation(*op, adjoints)))
          return mlir::failure();
    return mlir::success();
  }
};

} // namespace
} // namespace decay
