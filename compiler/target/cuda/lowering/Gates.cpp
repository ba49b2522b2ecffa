//===- Gates.cpp - Gates in few instructions ------------------------------===//
#include "compiler/target/cuda/lowering/Gates.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

namespace decay::cuda {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Value;

namespace {

/// sigmoid(x), or sigmoid(-x) if `isNegated`.
struct Logistic {
  Value x;
  bool isNegated = false;
};

bool isOne(Value value) {
  return mlir::matchPattern(value, mlir::m_OneFloat());
}

/// exp(-|x|): x.
Value argumentOf(Value exponential) {
  auto exp = exponential.getDefiningOp<math::ExpOp>();
  auto negated = exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : nullptr;
  auto absolute =
      negated ? negated.getOperand().getDefiningOp<math::AbsFOp>() : nullptr;
  return absolute ? absolute.getOperand() : Value();
}

/// The stable form that decay-to-chunk writes: (x >= 0 ? 1 : e) / (1 + e) with
/// e = exp(-|x|).
std::optional<Logistic> matchLogistic(arith::DivFOp quotient) {
  auto sum = quotient.getRhs().getDefiningOp<arith::AddFOp>();
  auto top = quotient.getLhs().getDefiningOp<arith::SelectOp>();
  if (!sum || !top || !isOne(top.getTrueValue()))
    return std::nullopt;
  Value e = top.getFalseValue(), x = argumentOf(e);
  bool isSum = (sum.getLhs() == e && isOne(sum.getRhs())) ||
               (sum.getRhs() == e && isOne(sum.getLhs()));
  auto condition = top.getCondition().getDefiningOp<arith::CmpFOp>();
  if (!x || !isSum || !condition ||
      condition.getPredicate() != arith::CmpFPredicate::OGE ||
      !mlir::matchPattern(condition.getRhs(), mlir::m_AnyZeroFloat()))
    return std::nullopt;
  Value compared = condition.getLhs();
  if (compared == x)
    return Logistic{x, false};
  auto negated = compared.getDefiningOp<arith::NegFOp>();
  if (negated && negated.getOperand() == x)
    return Logistic{x, true};
  return std::nullopt;
}

/// e = exp(-x) and 1 / (1 + e). e stops at 2^120, so that the product of both
/// stays right for any x.
std::pair<Value, Value> emitLogistic(mlir::OpBuilder &builder,
                                     mlir::Location place, Value x) {
  auto constant = [&](float value) -> Value {
    return arith::ConstantOp::create(builder, place,
                                     builder.getF32FloatAttr(value));
  };
  Value scaled =
      arith::MulFOp::create(builder, place, x, constant(-1.44269504f));
  Value power = math::Exp2Op::create(builder, place, scaled);
  Value e = arith::MinimumFOp::create(builder, place, power,
                                      constant(0x1p120f));
  Value sum = arith::AddFOp::create(builder, place, e, constant(1));
  Value inverse = arith::DivFOp::create(builder, place, constant(1), sum);
  return {e, inverse};
}

void simplifyRegion(chunk::PointwiseOp op) {
  llvm::DenseMap<Value, std::pair<Value, Value>> known;
  mlir::Block &body = op.getBody().front();
  for (auto quotient :
       llvm::make_early_inc_range(body.getOps<arith::DivFOp>())) {
    std::optional<Logistic> found = matchLogistic(quotient);
    if (!found)
      continue;
    mlir::OpBuilder builder(quotient);
    if (mlir::Operation *definition = found->x.getDefiningOp())
      builder.setInsertionPointAfter(definition);
    else
      builder.setInsertionPointToStart(&body);
    auto [place, isNew] = known.try_emplace(found->x);
    if (isNew)
      place->second = emitLogistic(builder, quotient.getLoc(), found->x);
    auto [e, inverse] = place->second;
    builder.setInsertionPoint(quotient);
    Value made = inverse;
    if (found->isNegated)
      made = arith::MulFOp::create(builder, quotient.getLoc(), e, inverse);
    quotient.replaceAllUsesWith(made);
    quotient.erase();
  }
  auto approximate = arith::FastMathFlagsAttr::get(
      op.getContext(), arith::FastMathFlags::afn);
  for (mlir::Operation &inner : body)
    if (mlir::isa<math::MathDialect>(inner.getDialect()) ||
        mlir::isa<arith::DivFOp>(inner))
      if (mlir::isa<arith::ArithFastMathInterface>(inner))
        inner.setAttr("fastmath", approximate);
}

} // namespace

void simplifyGates(chunk::KernelOp kernel) {
  kernel.walk(simplifyRegion);
}

} // namespace decay::cuda
