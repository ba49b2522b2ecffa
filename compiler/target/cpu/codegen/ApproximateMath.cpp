//===- ApproximateMath.cpp - Polynomials in place of library calls -------===//
#include "compiler/target/cpu/codegen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace decay::cpu {
#define GEN_PASS_DEF_APPROXIMATEMATH
#include "compiler/target/cpu/codegen/Passes.h.inc"

namespace {

using mlir::Value;

/// -|...|, as sigmoid and softplus ask for.
bool isNeverPositive(Value x) {
  auto negated = x.getDefiningOp<mlir::arith::NegFOp>();
  return negated && negated.getOperand().getDefiningOp<mlir::math::AbsFOp>();
}

/// exp is what activations cost, and MLIR's own takes twice as many
/// instructions. exp x = 2^(n-1) 2 exp r with x = n log 2 + r, |r| <= log 2 /
/// 2: adding `shifter` rounds x / log 2 to n, and leaves n + 126, the exponent
/// of 2^(n-1), in the sum's lowest bits. Within 1.3 units of 2^-24, above 2^128
/// infinite, below 2^-125.5 zero, NaN for NaN.
struct ExpPattern : mlir::OpRewritePattern<mlir::math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(mlir::math::ExpOp op,
                  mlir::PatternRewriter &rewriter) const final {
    mlir::Type type = op.getType();
    if (!mlir::getElementTypeOrSelf(type).isF32())
      return mlir::failure();
    mlir::ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto number = [&](float value) -> Value {
      mlir::TypedAttr attribute = builder.getF32FloatAttr(value);
      if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
        attribute = mlir::DenseElementsAttr::get(shaped, value);
      return mlir::arith::ConstantOp::create(builder, attribute);
    };
    auto fma = [&](Value a, Value b, Value c) -> Value {
      return mlir::math::FmaOp::create(builder, a, b, c);
    };
    // Comparisons with a NaN are false, and it goes on.
    auto bounded = [&](Value x, mlir::arith::CmpFPredicate beyond,
                       float bound) -> Value {
      Value limit = number(bound);
      Value is = mlir::arith::CmpFOp::create(builder, beyond, x, limit);
      return mlir::arith::SelectOp::create(builder, is, limit, x);
    };
    Value x = bounded(op.getOperand(), mlir::arith::CmpFPredicate::OLT, -87.3f);
    if (!isNeverPositive(op.getOperand()))
      x = bounded(x, mlir::arith::CmpFPredicate::OGT, 89);
    Value shifter = number(0x1.8p23f + 126);
    Value sum = fma(x, number(0x1.715476p0f), shifter);
    Value minusN = mlir::arith::SubFOp::create(builder, shifter, sum);
    // log 2 in two parts, the first short enough for exact products.
    Value r = fma(minusN, number(0.693359375f), x);
    r = fma(minusN, number(-2.12194440e-4f), r);
    Value result = number(coefficients[0]);
    for (float coefficient : llvm::drop_begin(coefficients))
      result = fma(result, r, number(coefficient));
    rewriter.replaceOpWithNewOp<mlir::arith::MulFOp>(op, result,
                                                     powerOfTwo(builder, sum));
    return mlir::success();
  }

private:
  /// Of 2 exp r, from r^6 down, for the least relative error (4e-9).
  static constexpr float coefficients[] = {0x1.6e8ffcp-9f,
                                           0x1.123cbep-6f,
                                           0x1.5552f4p-4f,
                                           0x1.55548cp-2f,
                                           0x1.000002p0f,
                                           2,
                                           2};

  /// The float whose exponent is in the lowest bits of `sum`.
  static Value powerOfTwo(mlir::ImplicitLocOpBuilder &builder, Value sum) {
    mlir::Type type = builder.getI32Type();
    mlir::TypedAttr places = builder.getI32IntegerAttr(23);
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(sum.getType())) {
      auto integers = mlir::VectorType::get(vector.getShape(), type);
      places = mlir::DenseElementsAttr::get(integers, int32_t(23));
      type = integers;
    }
    Value bits = mlir::arith::BitcastOp::create(builder, type, sum);
    Value by = mlir::arith::ConstantOp::create(builder, places);
    Value shifted = mlir::arith::ShLIOp::create(builder, bits, by);
    return mlir::arith::BitcastOp::create(builder, sum.getType(), shifted);
  }
};

/// Whether a number, or each of a vector, is 1.
bool isOne(Value value) {
  mlir::FloatAttr number;
  mlir::DenseElementsAttr numbers;
  if (mlir::matchPattern(value, mlir::m_Constant(&number)))
    return number.getValueAsDouble() == 1;
  return mlir::matchPattern(value, mlir::m_Constant(&numbers)) &&
         numbers.isSplat() &&
         numbers.getSplatValue<llvm::APFloat>().convertToDouble() == 1;
}

/// A sigmoid above 1/2 from its complement: (c ? 1 : e) / (1 + e) with e =
/// exp(-|x|) is c ? 1 - s : s with s = e / (1 + e). The steps of 1 + e show in
/// 1 / (1 + e), always to one side where e is small, and thousands of λ's near
/// 1 add that up.
struct SigmoidPattern : mlir::OpRewritePattern<mlir::arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(mlir::arith::DivFOp op,
                  mlir::PatternRewriter &rewriter) const final {
    auto top = op.getLhs().getDefiningOp<mlir::arith::SelectOp>();
    auto sum = op.getRhs().getDefiningOp<mlir::arith::AddFOp>();
    if (!top || !sum || !isOne(top.getTrueValue()))
      return mlir::failure();
    Value one = top.getTrueValue(), e = top.getFalseValue();
    bool isSum = (sum.getLhs() == e && isOne(sum.getRhs())) ||
                 (sum.getRhs() == e && isOne(sum.getLhs()));
    auto exponential = e.getDefiningOp<mlir::math::ExpOp>();
    if (!isSum || !exponential || !isNeverPositive(exponential.getOperand()))
      return mlir::failure();
    mlir::Location place = op.getLoc();
    Value small = mlir::arith::DivFOp::create(rewriter, place, e, sum);
    Value large = mlir::arith::SubFOp::create(rewriter, place, one, small);
    rewriter.replaceOpWithNewOp<mlir::arith::SelectOp>(op, top.getCondition(),
                                                       large, small);
    return mlir::success();
  }
};

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() final {
    // While exp is still to be seen.
    mlir::RewritePatternSet sigmoids(&getContext());
    sigmoids.add<SigmoidPattern>(&getContext());
    mlir::RewritePatternSet patterns(&getContext());
    patterns.add<ExpPattern>(&getContext(), /*benefit=*/10);
    mlir::populateMathPolynomialApproximationPatterns(patterns);
    if (mlir::failed(
            mlir::applyPatternsGreedily(getOperation(), std::move(sigmoids))) ||
        mlir::failed(
            mlir::applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace decay::cpu
