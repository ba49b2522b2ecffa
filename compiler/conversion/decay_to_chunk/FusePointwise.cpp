//===- FusePointwise.cpp - The pass fuse-pointwise ------------------------===//
#include "compiler/conversion/decay_to_chunk/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace decay {

#define GEN_PASS_DEF_FUSEPOINTWISE
#include "compiler/conversion/decay_to_chunk/Passes.h.inc"

namespace {

using mlir::Value;

/// Whether all that `op` reads exists where `group` stands, or is made by it.
bool canJoin(chunk::PointwiseOp op, chunk::PointwiseOp group) {
  return llvm::all_of(op.getInputs(), [&](Value input) {
    mlir::Operation *source = input.getDefiningOp();
    return !source || source == group || source->getBlock() != op->getBlock() ||
           source->isBeforeInBlock(group);
  });
}

/// One operation in the place of `group` that does what both did.
chunk::PointwiseOp merge(chunk::PointwiseOp group, chunk::PointwiseOp op) {
  mlir::OpBuilder builder(group);
  llvm::SmallVector<Value> inputs(group.getInputs());
  for (Value input : op.getInputs())
    if (input.getDefiningOp() != group && !llvm::is_contained(inputs, input))
      inputs.push_back(input);
  llvm::SmallVector<mlir::Type> types(group.getResultTypes());
  llvm::append_range(types, op.getResultTypes());
  auto merged =
      chunk::PointwiseOp::create(builder, group.getLoc(), types, inputs);

  mlir::Block *block = &merged.getBody().emplaceBlock();
  for (size_t index = 0; index < inputs.size(); ++index)
    block->addArgument(builder.getF32Type(), group.getLoc());
  builder.setInsertionPointToStart(block);
  llvm::SmallVector<Value> yields;
  llvm::SmallDenseMap<Value, Value> made;
  for (chunk::PointwiseOp part : {group, op}) {
    mlir::IRMapping numbers;
    mlir::Block &body = part.getBody().front();
    for (auto [argument, input] :
         llvm::zip(body.getArguments(), part.getInputs())) {
      Value known = made.lookup(input);
      numbers.map(argument,
                  known ? known
                        : block->getArgument(std::distance(
                              inputs.begin(), llvm::find(inputs, input))));
    }
    for (mlir::Operation &inner : body.without_terminator())
      builder.clone(inner, numbers);
    for (auto [result, value] :
         llvm::zip(part.getResults(), body.getTerminator()->getOperands())) {
      yields.push_back(numbers.lookupOrDefault(value));
      made[result] = yields.back();
    }
  }
  chunk::YieldOp::create(builder, group.getLoc(), yields);
  llvm::SmallVector<Value> old(group.getResults());
  llvm::append_range(old, op.getResults());
  for (auto [before, after] : llvm::zip(old, merged.getResults()))
    before.replaceAllUsesWith(after);
  op.erase();
  group.erase();
  return merged;
}

/// Drops results that nothing reads.
void dropUnused(chunk::PointwiseOp op) {
  llvm::SmallVector<Value> kept, yields;
  mlir::Operation *terminator = op.getBody().front().getTerminator();
  for (auto [result, value] :
       llvm::zip(op.getResults(), terminator->getOperands()))
    if (!result.use_empty()) {
      kept.push_back(result);
      yields.push_back(value);
    }
  if (kept.size() == op.getNumResults())
    return;
  mlir::OpBuilder builder(op);
  terminator->setOperands(yields);
  auto smaller = chunk::PointwiseOp::create(
      builder, op.getLoc(), mlir::ValueRange(kept).getTypes(), op.getInputs());
  smaller.getBody().takeBody(op.getBody());
  for (auto [before, after] : llvm::zip(kept, smaller.getResults()))
    before.replaceAllUsesWith(after);
  op.erase();
}

void fuseBlock(mlir::Block &block) {
  llvm::SmallVector<chunk::PointwiseOp> groups;
  for (mlir::Operation &op : llvm::make_early_inc_range(block)) {
    auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op);
    if (!pointwise)
      continue;
    auto *group = llvm::find_if(groups, [&](chunk::PointwiseOp candidate) {
      return candidate.getResultTypes().front() ==
                 pointwise.getResultTypes().front() &&
             canJoin(pointwise, candidate);
    });
    if (group == groups.end())
      groups.push_back(pointwise);
    else
      *group = merge(*group, pointwise);
  }
  for (chunk::PointwiseOp group : groups)
    dropUnused(group);
}

/// |-x| is |x|: sigmoid(x) and sigmoid(-x) then share their exponential.
void dropSignUnderAbsolute(mlir::math::AbsFOp op) {
  if (auto negated = op.getOperand().getDefiningOp<mlir::arith::NegFOp>())
    op.getOperandMutable().assign(negated.getOperand());
}

struct FusePointwise : impl::FusePointwiseBase<FusePointwise> {
  void runOnOperation() override {
    getOperation()->walk([](mlir::Operation *op) {
      if (mlir::isa<chunk::KernelOp, chunk::SweepOp>(op))
        fuseBlock(op->getRegion(0).front());
    });
    getOperation()->walk(dropSignUnderAbsolute);
  }
};

} // namespace
} // namespace decay
