//===- SplitPointwise.cpp - What need not wait for λ's gradient -----------===//
#include "compiler/target/cuda/lowering/SplitPointwise.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace decay::cuda {

using mlir::Value;

namespace {

using Values = llvm::SmallVector<Value>;

/// Which of an operation's results follow from one of the waiting values.
llvm::SmallVector<bool> findWaiting(chunk::PointwiseOp op,
                                    const llvm::DenseSet<Value> &waiting) {
  mlir::Block &body = op.getBody().front();
  llvm::DenseSet<Value> inside;
  for (auto [argument, input] : llvm::zip(body.getArguments(), op.getInputs()))
    if (waiting.contains(input))
      inside.insert(argument);
  for (mlir::Operation &inner : body.without_terminator())
    if (llvm::any_of(inner.getOperands(),
                     [&](Value operand) { return inside.contains(operand); }))
      inside.insert(inner.result_begin(), inner.result_end());
  llvm::SmallVector<bool> found;
  for (Value value : body.getTerminator()->getOperands())
    found.push_back(inside.contains(value));
  return found;
}

/// The operation with some of its results alone, and what they need.
void makePart(chunk::PointwiseOp op, llvm::ArrayRef<bool> waits, bool which) {
  mlir::OpBuilder builder(op);
  mlir::Block &body = op.getBody().front();
  Values results, yielded;
  for (auto [index, value] :
       llvm::enumerate(body.getTerminator()->getOperands()))
    if (waits[index] == which) {
      results.push_back(op.getResult(index));
      yielded.push_back(value);
    }
  llvm::DenseSet<Value> needed(yielded.begin(), yielded.end());
  for (mlir::Operation &inner : llvm::reverse(body.without_terminator()))
    if (llvm::any_of(inner.getResults(),
                     [&](Value value) { return needed.contains(value); }))
      needed.insert(inner.operand_begin(), inner.operand_end());
  Values inputs, arguments;
  for (auto [argument, input] : llvm::zip(body.getArguments(), op.getInputs()))
    if (needed.contains(argument)) {
      inputs.push_back(input);
      arguments.push_back(argument);
    }
  auto part = chunk::PointwiseOp::create(
      builder, op.getLoc(), mlir::TypeRange(mlir::ValueRange(results)), inputs);
  mlir::Block &made = part.getBody().emplaceBlock();
  mlir::IRMapping numbers;
  for (Value argument : arguments)
    numbers.map(argument,
                made.addArgument(argument.getType(), argument.getLoc()));
  builder.setInsertionPointToStart(&made);
  for (mlir::Operation &inner : body.without_terminator())
    if (llvm::any_of(inner.getResults(),
                     [&](Value value) { return needed.contains(value); }))
      builder.clone(inner, numbers);
  Values last;
  for (Value value : yielded)
    last.push_back(numbers.lookup(value));
  chunk::YieldOp::create(builder, op.getLoc(), last);
  for (auto [result, replacement] : llvm::zip(results, part.getResults()))
    result.replaceAllUsesWith(replacement);
}

void splitBehind(chunk::RecurrenceGradientOp gradient) {
  llvm::DenseSet<Value> waiting;
  waiting.insert(gradient.getDLambda());
  mlir::Operation *next = gradient->getNextNode();
  while (next) {
    mlir::Operation *op = next;
    next = op->getNextNode();
    auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op);
    if (!pointwise) {
      if (llvm::any_of(op->getOperands(), [&](Value operand) {
            return waiting.contains(operand);
          }))
        waiting.insert(op->result_begin(), op->result_end());
      continue;
    }
    llvm::SmallVector<bool> waits = findWaiting(pointwise, waiting);
    if (llvm::all_equal(waits)) {
      if (!waits.empty() && waits.front())
        waiting.insert(op->result_begin(), op->result_end());
      continue;
    }
    makePart(pointwise, waits, false);
    makePart(pointwise, waits, true);
    auto late = mlir::cast<chunk::PointwiseOp>(op->getPrevNode());
    waiting.insert(late->result_begin(), late->result_end());
    op->erase();
  }
}

} // namespace

void splitPointwise(chunk::KernelOp kernel) {
  // A walk does not survive what it erases.
  llvm::SmallVector<chunk::RecurrenceGradientOp> gradients;
  kernel.walk([&](chunk::RecurrenceGradientOp op) { gradients.push_back(op); });
  llvm::for_each(gradients, splitBehind);
}

} // namespace decay::cuda
