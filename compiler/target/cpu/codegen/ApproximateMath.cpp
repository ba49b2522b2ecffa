//===- ApproximateMath.cpp - Polynomials in place of library calls -------===//
#include "compiler/target/cpu/codegen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/bit.h"

#include <cmath>

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

/// The float whose bits are the lowest ones of `sum`, `places` higher; with
/// `summand` those of an integer vector are added.
Value shiftedBits(mlir::ImplicitLocOpBuilder &builder, Value sum,
                  int32_t places, Value summand = {}) {
  mlir::Type type = builder.getI32Type();
  mlir::TypedAttr by = builder.getI32IntegerAttr(places);
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(sum.getType())) {
    auto integers = mlir::VectorType::get(vector.getShape(), type);
    by = mlir::DenseElementsAttr::get(integers, places);
    type = integers;
  }
  Value bits = mlir::arith::BitcastOp::create(builder, type, sum);
  bits = mlir::arith::ShLIOp::create(
      builder, bits, mlir::arith::ConstantOp::create(builder, by));
  if (summand)
    bits = mlir::arith::AddIOp::create(builder, bits, summand);
  return mlir::arith::BitcastOp::create(builder, sum.getType(), bits);
}

/// Entry j of eight is the fraction of 2^(j/8), as bits less j << 20; each lane
/// of `index` picks by its lowest three bits.
Value powersOfEighths(mlir::ImplicitLocOpBuilder &builder, Value index) {
  llvm::SmallVector<int32_t> bits;
  for (int32_t j = 0; j < 8; ++j)
    bits.push_back(llvm::bit_cast<int32_t>(float(std::exp2(j / 8.0))) -
                   llvm::bit_cast<int32_t>(1.0f) - (j << 20));
  auto integers = mlir::VectorType::get({8}, builder.getI32Type());
  Value table = mlir::arith::ConstantOp::create(
      builder, mlir::DenseElementsAttr::get(integers, llvm::ArrayRef(bits)));
  index = mlir::arith::BitcastOp::create(builder, integers, index);
  return mlir::LLVM::CallIntrinsicOp::create(
             builder, integers, builder.getStringAttr("llvm.x86.avx2.permd"),
             mlir::ValueRange{table, index})
      .getResult(0);
}

/// How exp x is put together: 2^(n-1) 2 exp r with x = n (log 2) / `steps` + r,
/// n counted in steps.
struct ExpForm {
  int steps;
  float high, low; ///< (log 2) / steps; the first short enough for exact
                   ///< products if there is a second
  llvm::ArrayRef<float> coefficients; ///< of 2 exp r, highest power first
};

constexpr float polynomial[] = {0x1.6e8ffcp-9f,
                                0x1.123cbep-6f,
                                0x1.5552f4p-4f,
                                0x1.55548cp-2f,
                                0x1.000002p0f,
                                2,
                                2};
constexpr float shortPolynomial[] = {0x1.555556p-2f, 0x1.00087ep0f, 2, 2};
/// |r| <= (log 2) / 2, least relative error 4e-9.
constexpr ExpForm wholePowers = {1, 0.693359375f, -2.12194440e-4f, polynomial};
/// |r| <= (log 2) / 16, 2.6e-8. The float next to log 2 is that within 3e-9.
constexpr ExpForm eighths = {8, 0x1.62e43p-4f, 0, shortPolynomial};

/// exp is what activations cost, and MLIR's own takes twice as many
/// instructions. Adding `shifter` rounds x / log 2 to n, and leaves n + 126,
/// the exponent of 2^(n-1), in the sum's lowest bits. Vectors of eight take n
/// in eighths, for which one instruction looks eight powers up: a shorter
/// polynomial, so that more vectors are on their way at once. Within 1.3 units
/// of 2^-24, eighths 2 + |x| / 20; above 2^128 infinite, below 2^-125.5 zero
/// (eighths: 2^-126, and inexact from 2^-125), NaN for NaN.
struct ExpPattern : mlir::OpRewritePattern<mlir::math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(mlir::math::ExpOp op,
                  mlir::PatternRewriter &rewriter) const final {
    mlir::Type type = op.getType();
    if (!mlir::getElementTypeOrSelf(type).isF32())
      return mlir::failure();
    auto vector = mlir::dyn_cast<mlir::VectorType>(type);
    bool looksUp = vector && vector.getShape() == llvm::ArrayRef<int64_t>{8};
    const ExpForm &form = looksUp ? eighths : wholePowers;
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
    // Just so low that the power is 0.
    Value x = bounded(op.getOperand(), mlir::arith::CmpFPredicate::OLT,
                      looksUp ? -87.33655f : -87.3f);
    if (!isNeverPositive(op.getOperand()))
      x = bounded(x, mlir::arith::CmpFPredicate::OGT, 89);
    Value shifter = number(0x1.8p23f + 126.0f * form.steps);
    Value sum = fma(x, number(0x1.715476p0f * form.steps), shifter);
    Value minusN = mlir::arith::SubFOp::create(builder, shifter, sum);
    Value r = fma(minusN, number(form.high), x);
    if (form.low != 0)
      r = fma(minusN, number(form.low), r);
    Value power =
        looksUp ? shiftedBits(builder, sum, 20, powersOfEighths(builder, sum))
                : shiftedBits(builder, sum, 23);
    Value result = number(form.coefficients[0]);
    for (float coefficient : form.coefficients.drop_front())
      result = fma(result, r, number(coefficient));
    rewriter.replaceOpWithNewOp<mlir::arith::MulFOp>(op, result, power);
    return mlir::success();
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

/// For the condition y >= 0 whether y is negative: its sign, which a blend
/// reads from y itself. At either zero both sides are 1/2. Else null.
Value isNegative(mlir::OpBuilder &builder, Value condition) {
  auto compared = condition.getDefiningOp<mlir::arith::CmpFOp>();
  if (!compared || compared.getPredicate() != mlir::arith::CmpFPredicate::OGE ||
      !(mlir::matchPattern(compared.getRhs(), mlir::m_AnyZeroFloat())))
    return {};
  Value y = compared.getLhs();
  mlir::Type type = builder.getI32Type();
  mlir::TypedAttr zero = builder.getI32IntegerAttr(0);
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(y.getType())) {
    auto integers = mlir::VectorType::get(vector.getShape(), type);
    zero = mlir::DenseElementsAttr::get(integers, int32_t(0));
    type = integers;
  }
  mlir::Location place = y.getLoc();
  Value bits = mlir::arith::BitcastOp::create(builder, place, type, y);
  return mlir::arith::CmpIOp::create(
      builder, place, mlir::arith::CmpIPredicate::slt, bits,
      mlir::arith::ConstantOp::create(builder, place, zero));
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
    if (Value negative = isNegative(rewriter, top.getCondition()))
      rewriter.replaceOpWithNewOp<mlir::arith::SelectOp>(op, negative, small,
                                                         large);
    else
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
