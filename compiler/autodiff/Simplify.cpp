//===- Simplify.cpp - Cleaning decay IR -----------------------------------===//
#include "compiler/autodiff/Simplify.h"

#include "compiler/autodiff/Passes.h"
#include "compiler/autodiff/rules/Expressions.h"
#include "dsl/operators/PointwiseOperators.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace decay {

#define GEN_PASS_DEF_SIMPLIFY
#include "compiler/autodiff/Passes.h.inc"

namespace {

using mlir::Value;

/// What a map operation reduces to, null if it does not. The result may lack
/// axes of the operation's.
using Reduction = Value (*)(ir::MapOp, Expressions &);

bool is(Value value, double number) { return matchConstant(value) == number; }

Value operandOf(Value value, llvm::StringRef name) {
  ir::MapOp op = matchMap(value, name);
  return op ? op.getOperands()[0] : Value();
}

Value reduceAdd(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0], y = op.getOperands()[1];
  if (is(x, 0))
    return y;
  if (is(y, 0))
    return x;
  if (Value negated = operandOf(y, "neg"))
    return e.sub(x, negated);
  if (Value negated = operandOf(x, "neg"))
    return e.sub(y, negated);
  return {};
}

Value reduceSub(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0], y = op.getOperands()[1];
  if (is(y, 0))
    return x;
  if (is(x, 0))
    return e.neg(y);
  if (Value negated = operandOf(y, "neg"))
    return e.add(x, negated);
  // 1 - (1 - x)
  if (ir::MapOp inner = matchMap(y, "sub"))
    if (is(x, 1) && is(inner.getOperands()[0], 1))
      return inner.getOperands()[1];
  return {};
}

Value reduceMul(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0], y = op.getOperands()[1];
  if (is(x, 1) || is(y, 0))
    return y;
  if (is(y, 1) || is(x, 0))
    return x;
  if (is(x, -1))
    return e.neg(y);
  if (is(y, -1))
    return e.neg(x);
  if (Value negated = operandOf(x, "neg"))
    return e.neg(e.mul(negated, y));
  if (Value negated = operandOf(y, "neg"))
    return e.neg(e.mul(x, negated));
  return {};
}

Value reduceDiv(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0], y = op.getOperands()[1];
  if (is(y, 1) || is(x, 0))
    return x;
  if (Value negated = operandOf(x, "neg"))
    return e.neg(e.div(negated, y));
  return {};
}

Value reduceNeg(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0];
  if (Value negated = operandOf(x, "neg"))
    return negated;
  if (ir::MapOp difference = matchMap(x, "sub"))
    return e.sub(difference.getOperands()[1], difference.getOperands()[0]);
  return {};
}

struct Row {
  llvm::StringRef name;
  Reduction reduce;
};

const Row rows[] = {{"add", reduceAdd},
                    {"sub", reduceSub},
                    {"mul", reduceMul},
                    {"div", reduceDiv},
                    {"neg", reduceNeg}};

struct ReduceMap : mlir::OpRewritePattern<ir::MapOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::MapOp op,
                  mlir::PatternRewriter &rewriter) const override {
    const Row *row = llvm::find_if(
        rows, [&](const Row &row) { return row.name == op.getName(); });
    if (row == std::end(rows))
      return mlir::failure();
    Expressions e(rewriter, op.getLoc());
    Value reduced = row->reduce(op, e);
    if (!reduced)
      return mlir::failure();
    rewriter.replaceOp(op,
                       widenTo(rewriter, op.getLoc(), reduced, op.getType()));
    return mlir::success();
  }
};

struct FoldConstants : mlir::OpRewritePattern<ir::MapOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::MapOp op,
                  mlir::PatternRewriter &rewriter) const override {
    llvm::SmallVector<double> numbers;
    for (Value operand : op.getOperands())
      if (std::optional<double> number = matchConstant(operand))
        numbers.push_back(*number);
    if (numbers.size() != op.getOperands().size())
      return mlir::failure();
    double value =
        dsl::findPointwiseOperator(op.getName())->value(numbers.data());
    // What is no number stays visible as the formula that made it.
    if (!std::isfinite(value))
      return mlir::failure();
    rewriter.replaceOp(
        op, Expressions(rewriter, op.getLoc()).filled(op.getType(), value));
    return mlir::success();
  }
};

/// map(broadcast(x), y) is map(x, y) if y has the axes already.
struct DropBroadcast : mlir::OpRewritePattern<ir::MapOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::MapOp op,
                  mlir::PatternRewriter &rewriter) const override {
    for (auto [index, operand] : llvm::enumerate(op.getOperands())) {
      auto broadcast = operand.getDefiningOp<ir::BroadcastOp>();
      if (!broadcast)
        continue;
      unsigned axes = 0;
      for (auto [other, value] : llvm::enumerate(op.getOperands()))
        axes |= mlir::cast<ir::FieldType>(other == index
                                              ? broadcast.getOperand().getType()
                                              : value.getType())
                    .getAxes();
      if (axes != op.getType().getAxes())
        continue;
      rewriter.modifyOpInPlace(
          op, [&] { op->setOperand(index, broadcast.getOperand()); });
      return mlir::success();
    }
    return mlir::failure();
  }
};

/// broadcast(broadcast(x)), sum(sum(x)); broadcasting or summing over nothing.
template <typename OpType> struct MergeNested : mlir::OpRewritePattern<OpType> {
  using mlir::OpRewritePattern<OpType>::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(OpType op, mlir::PatternRewriter &rewriter) const override {
    if (op.getOperand().getType() == op.getType()) {
      rewriter.replaceOp(op, op.getOperand());
      return mlir::success();
    }
    auto inner = op.getOperand().template getDefiningOp<OpType>();
    if (!inner)
      return mlir::failure();
    rewriter.replaceOpWithNewOp<OpType>(op, op.getType(), inner.getOperand());
    return mlir::success();
  }
};

struct SumOfZero : mlir::OpRewritePattern<ir::SumOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::SumOp op,
                  mlir::PatternRewriter &rewriter) const override {
    if (!is(op.getOperand(), 0))
      return mlir::failure();
    rewriter.replaceOp(
        op, Expressions(rewriter, op.getLoc()).filled(op.getType(), 0));
    return mlir::success();
  }
};

struct SimplifyPass : impl::SimplifyBase<SimplifyPass> {
  void runOnOperation() override {
    mlir::RewritePatternSet patterns(&getContext());
    populateSimplifyPatterns(patterns);
    if (failed(simplifyModule(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

void mergeEqual(mlir::ModuleOp module) {
  mlir::IRRewriter rewriter(module.getContext());
  mlir::DominanceInfo dominance;
  mlir::eliminateCommonSubExpressions(rewriter, dominance, module);
}

} // namespace

void populateSimplifyPatterns(mlir::RewritePatternSet &patterns) {
  patterns.add<ReduceMap, FoldConstants, DropBroadcast,
               MergeNested<ir::BroadcastOp>, MergeNested<ir::SumOp>, SumOfZero>(
      patterns.getContext());
}

mlir::LogicalResult simplifyModule(mlir::ModuleOp module,
                                   mlir::RewritePatternSet &&patterns) {
  mergeEqual(module);
  // A deep expression may need as many rounds as it is deep.
  mlir::GreedyRewriteConfig config;
  config.setMaxIterations(mlir::GreedyRewriteConfig::kNoLimit);
  mlir::LogicalResult outcome =
      mlir::applyPatternsGreedily(module, std::move(patterns), config);
  mergeEqual(module);
  return outcome;
}

} // namespace decay
