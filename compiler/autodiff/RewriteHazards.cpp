//===- RewriteHazards.cpp - Stable forms of pointwise formulas -----------===//
#include "compiler/autodiff/Hazards.h"
#include "compiler/autodiff/Passes.h"
#include "compiler/autodiff/Simplify.h"

namespace decay {

#define GEN_PASS_DEF_REWRITEHAZARDS
#include "compiler/autodiff/Passes.h.inc"

namespace {

using mlir::Value;

/// A formula with one operation at its root: the operand of `name`, or null.
Value under(Value value, llvm::StringRef name) {
  ir::MapOp op = matchMap(value, name);
  return op ? op.getOperands()[0] : Value();
}

/// The other operand of a two-operand `name` one side of which is `number`.
Value besideNumber(Value value, llvm::StringRef name, double number) {
  ir::MapOp op = matchMap(value, name);
  if (!op)
    return {};
  for (unsigned side : {0, 1})
    if (matchConstant(op.getOperands()[side]) == number)
      return op.getOperands()[1 - side];
  return {};
}

/// x where `value` is 1 - x.
Value complemented(Value value) {
  ir::MapOp op = matchMap(value, "sub");
  return op && matchConstant(op.getOperands()[0]) == 1.0 ? op.getOperands()[1]
                                                         : Value();
}

/// x where `value` is -softplus(x).
Value negatedSoftplus(Value value) {
  if (Value negated = under(value, "neg"))
    return under(negated, "softplus");
  return {};
}

Value stableLog(Value x, Expressions &e) {
  if (Value y = under(x, "sigmoid"))
    return e.map("logsigmoid", y);
  if (Value y = under(x, "exp"))
    return y;
  if (Value y = besideNumber(x, "add", 1)) {
    Value exponent = under(y, "exp");
    return exponent ? e.map("softplus", exponent) : e.map("log1p", y);
  }
  if (Value y = complemented(x))
    return e.map("log1p", e.neg(y));
  return {};
}

Value stableLog1p(Value x, Expressions &e) {
  if (Value y = under(x, "exp"))
    return e.map("softplus", y);
  if (Value y = under(x, "expm1"))
    return y;
  if (Value negated = under(x, "neg"))
    if (Value y = under(negated, "sigmoid"))
      return e.map("logsigmoid", e.neg(y));
  return {};
}

Value stableExp(Value x, Expressions &e) {
  if (Value y = under(x, "logsigmoid"))
    return e.sigmoid(y);
  if (Value y = negatedSoftplus(x))
    return e.sigmoid(e.neg(y));
  if (Value y = under(x, "log"))
    return y;
  if (ir::MapOp difference = matchMap(x, "sub")) {
    Value numerator = under(difference.getOperands()[0], "log");
    Value denominator = under(difference.getOperands()[1], "log");
    if (numerator && denominator)
      return e.div(numerator, denominator);
  }
  return {};
}

Value stableExpm1(Value x, Expressions &e) {
  if (Value y = under(x, "log1p"))
    return y;
  if (Value y = under(x, "logsigmoid"))
    return e.neg(e.sigmoid(e.neg(y)));
  if (Value y = negatedSoftplus(x))
    return e.neg(e.sigmoid(y));
  return {};
}

/// Whether `value` is 1 - bound.
bool isComplementOf(Value value, Value bound) {
  if (complemented(value) == bound)
    return true;
  auto number = matchConstant(value), of = matchConstant(bound);
  return number && of && *number == 1 - *of;
}

/// 1 - (b + (1 - b) s) is (1 - b)(1 - s).
Value complementOfBlend(ir::MapOp sum, Expressions &e) {
  for (unsigned side : {0, 1}) {
    Value bound = sum.getOperands()[side];
    ir::MapOp product = matchMap(sum.getOperands()[1 - side], "mul");
    if (!product)
      continue;
    for (unsigned factor : {0, 1})
      if (isComplementOf(product.getOperands()[factor], bound))
        return e.mul(product.getOperands()[factor],
                     e.sub(e.constant(1), product.getOperands()[1 - factor]));
  }
  return {};
}

/// 1 - x by x's own formula.
Value complement(Value x, Expressions &e) {
  auto of = [&](Value value) { return e.sub(e.constant(1), value); };
  if (Value y = under(x, "sigmoid"))
    return e.sigmoid(e.neg(y));
  if (Value y = under(x, "exp"))
    return e.neg(e.map("expm1", y));
  if (Value y = under(x, "tanh"))
    return e.mul(e.constant(2), e.sigmoid(e.mul(e.constant(-2), y)));
  auto op = x.getDefiningOp<ir::MapOp>();
  if (!op)
    return {};
  mlir::OperandRange operands = op.getOperands();
  if (op.getName() == "div")
    return complementOfRatio(operands[0], operands[1], e);
  if (op.getName() == "add")
    return complementOfBlend(op, e);
  if (op.getName() == "max")
    return e.map("min", {of(operands[0]), of(operands[1])});
  if (op.getName() == "min")
    return e.map("max", {of(operands[0]), of(operands[1])});
  if (op.getName() == "clamp")
    return e.map("clamp", {of(operands[0]), of(operands[2]), of(operands[1])});
  return {};
}

Value rewriteSub(ir::MapOp op, Expressions &e) {
  Value x = op.getOperands()[0], y = op.getOperands()[1];
  if (matchConstant(x) == 1.0)
    return complement(y, e);
  if (matchConstant(y) == 1.0)
    if (Value exponent = under(x, "exp"))
      return e.map("expm1", exponent);
  if (under(y, "softplus") == x)
    return e.map("logsigmoid", x);
  if (ir::MapOp sum = matchMap(y, "logaddexp"))
    for (unsigned side : {0, 1})
      if (sum.getOperands()[side] == x)
        return e.map("logsigmoid", e.sub(x, sum.getOperands()[1 - side]));
  return differenceOfScan(x, y, e);
}

Value rewriteAdd(ir::MapOp op, Expressions &e) {
  Value y = besideNumber(op.getResult(), "add", 1);
  if (!y)
    return {};
  if (Value exponent = under(y, "expm1"))
    return e.exp(exponent);
  if (Value angle = under(y, "tanh"))
    return e.mul(e.constant(2), e.sigmoid(e.mul(e.constant(2), angle)));
  return {};
}

/// 1 / (1 + exp(x)) and exp(x) / (1 + exp(x)).
Value rewriteDiv(ir::MapOp op, Expressions &e) {
  Value growing = besideNumber(op.getOperands()[1], "add", 1);
  Value exponent = growing ? under(growing, "exp") : Value();
  if (!exponent)
    return {};
  if (matchConstant(op.getOperands()[0]) == 1.0)
    return e.sigmoid(e.neg(exponent));
  return op.getOperands()[0] == growing ? e.sigmoid(exponent) : Value();
}

/// Powers of what is a power already.
Value rewritePow(ir::MapOp op, Expressions &e) {
  Value base = op.getOperands()[0], power = op.getOperands()[1];
  if (Value y = under(base, "sigmoid"))
    return e.exp(e.mul(power, e.map("logsigmoid", y)));
  if (Value y = under(base, "exp"))
    return e.exp(e.mul(power, y));
  return {};
}

template <Value (*rewrite)(Value, Expressions &)>
Value ofOperand(ir::MapOp op, Expressions &e) {
  return rewrite(op.getOperands()[0], e);
}

struct Row {
  llvm::StringRef name;
  Value (*rewrite)(ir::MapOp, Expressions &);
};

const Row rows[] = {
    {"log", ofOperand<stableLog>}, {"log1p", ofOperand<stableLog1p>},
    {"exp", ofOperand<stableExp>}, {"expm1", ofOperand<stableExpm1>},
    {"sub", rewriteSub},           {"add", rewriteAdd},
    {"div", rewriteDiv},           {"pow", rewritePow},
};

struct RewriteHazard : mlir::OpRewritePattern<ir::MapOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::MapOp op,
                  mlir::PatternRewriter &rewriter) const override {
    const Row *row = llvm::find_if(
        rows, [&](const Row &row) { return row.name == op.getName(); });
    if (row == std::end(rows))
      return mlir::failure();
    Expressions e(rewriter, op.getLoc());
    Value stable = row->rewrite(op, e);
    if (!stable)
      return mlir::failure();
    rewriter.replaceOp(op,
                       widenTo(rewriter, op.getLoc(), stable, op.getType()));
    return mlir::success();
  }
};

struct RewriteHazardsPass : impl::RewriteHazardsBase<RewriteHazardsPass> {
  void runOnOperation() override {
    mlir::RewritePatternSet patterns(&getContext());
    patterns.add<RewriteHazard>(&getContext());
    populateSimplifyPatterns(patterns);
    if (failed(simplifyModule(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace decay
