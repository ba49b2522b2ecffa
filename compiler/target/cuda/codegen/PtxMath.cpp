//===- PtxMath.cpp - Math functions as a few instructions ----------------===//
//
// Errors below are relative and in units of u = 2^-24 unless they say
// otherwise; they assume the documented errors of the instructions (ex2: 4 u,
// rcp: 2 u, sqrt and rsqrt: 3 u). Instructions flush subnormal numbers to zero,
// arithmetic does not. Polynomials are minimax for the relative error of the
// function, found by Remez' exchange.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/Target.h"
#include "compiler/target/cuda/codegen/PtxNumbers.h"

#include "mlir/IR/Matchers.h"

namespace decay::cuda {
#define GEN_PASS_DEF_PTXMATH
#include "compiler/target/cuda/codegen/Passes.h.inc"

namespace {

namespace arith = mlir::arith;
namespace math = mlir::math;
using Numbers = PtxNumbers;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double log2e = 1.44269504088896340736;
constexpr double ln2 = 0.69314718055994530942;
/// log2e less its nearest f32.
constexpr double log2eRest = 1.925963033500e-8;

//===----------------------------------------------------------------------===//
// f32: exponentials
//===----------------------------------------------------------------------===//

/// 4 u. Zero below 2^-126.
Value exp2(Numbers n, Value x) {
  return n.instruction("llvm.nvvm.ex2.approx.ftz.f32", x);
}

/// 4 u + |x| u.
Value shortExp(Numbers n, Value x) { return exp2(n, n.mul(x, log2e)); }

/// 1.5 u, and right where the result is subnormal, 0 or infinite: 2^k times a
/// polynomial of what k ln 2 leaves of x, the power in two factors, as one might
/// be beyond the range.
Value exactExp(Numbers n, Value x) {
  static constexpr double c[] = {0.499999940, 0.166665196, 0.0416684002,
                                 0.00836885069, 0.00138143206};
  constexpr double magic = 0x1.8p23, ln2High = 0.693359375,
                   ln2Low = -2.12194440e-4;
  Value limited = n.clamp(x, -104, 104);
  Value shifted = n.fma(limited, log2e, n.constant(magic));
  Value k = n.sub(shifted, n.constant(magic));
  Value rest = n.fma(k, -ln2Low, n.fma(k, -ln2High, limited));
  Value sum = n.fma(n.mul(rest, rest), n.polynomial(rest, c), rest);
  sum = n.add(sum, n.constant(1));
  Value whole = n.subInteger(n.bits(shifted), n.bits(n.constant(magic)));
  Value half = n.shiftRight(whole, 1);
  for (Value part : {half, n.subInteger(whole, half)})
    sum = n.make<arith::MulFOp>(
        {sum, n.fromBits(n.shiftLeft(n.addInteger(part, n.integer(127)), 23))});
  return sum;
}

/// 7 u. What the product with log2e loses becomes a factor near 1; the clamp
/// keeps it finite where the result is 0 or infinite.
Value exp(Numbers n, Value x) {
  if (n.isExact)
    return exactExp(n, x);
  Value c = n.clamp(x, -104, 104);
  Value product = n.mul(c, log2e);
  Value lost = n.fma(c, log2e, n.neg(product));
  lost = n.fma(c, log2eRest, lost);
  return n.mul(exp2(n, product), n.fma(lost, ln2, n.constant(1)));
}

/// 16 u, for any x: the difference below -0.5 and above 0.5, else a polynomial.
Value expm1From(Numbers n, Value x, Value exponential) {
  static constexpr double c[] = {0.499999821, 0.166661352, 0.0416689701,
                                 0.0084023932, 0.00138757529};
  Value near = n.fma(n.mul(x, x), n.polynomial(x, c), x);
  Value far = n.sub(exponential, n.constant(1));
  return n.select(n.compare(Predicate::OLT, n.absolute(x), 0.5), near, far);
}
Value expm1(Numbers n, Value x) { return expm1From(n, x, exp(n, x)); }
/// 16 u for x < 1, and as shortExp above.
Value shortExpm1(Numbers n, Value x) { return expm1From(n, x, shortExp(n, x)); }

/// 8 u.
Value tanh(Numbers n, Value x) {
  static constexpr double c[] = {-0.333325982, 0.133131161, -0.0522118062,
                                 0.0156126348};
  Value square = n.mul(x, x);
  Value near = n.fma(n.mul(square, x), n.polynomial(square, c), x);
  Value power = exp2(n, n.mul(n.absolute(x), 2 * log2e));
  Value inverse =
      n.instruction("llvm.nvvm.rcp.approx.ftz.f", n.add(power, n.constant(1)));
  Value far = n.withSign(n.fma(inverse, -2, n.constant(1)), x);
  return n.select(n.compare(Predicate::OLT, n.absolute(x), 0.6), near, far);
}

//===----------------------------------------------------------------------===//
// f32: logarithms
//===----------------------------------------------------------------------===//

constexpr int64_t exponentMask = int32_t(0xff800000), twoThirds = 0x3f2aaaab;

/// log(1 + m) for |m| <= 1/3: 3 u, however small m is.
Value logNearOne(Numbers n, Value m) {
  static constexpr double c[] = {-0.499999374, 0.333331972,  -0.250078201,
                                 0.200111687,  -0.164159626, 0.139958099,
                                 -0.15388532,  0.140263438};
  return n.fma(n.mul(m, m), n.polynomial(m, c), m);
}

/// The exponent, in place, that leaves x / 2^e within [2/3, 4/3).
Value exponentBits(Numbers n, Value x) {
  return n.andInteger(n.subInteger(n.bits(x), n.integer(twoThirds)),
                      exponentMask);
}

/// Right at 0, infinity, NaN and below 0, where `result` is anything.
Value logAtEnds(Numbers n, Value x, Value result) {
  Value special =
      arith::CmpIOp::create(n.builder, n.place, arith::CmpIPredicate::uge,
                            n.bits(x), n.integer(0x7f800000));
  // infinity for infinity, NaN for the others.
  Value limit = n.fma(x, infinity, n.constant(infinity));
  result = n.select(special, limit, result);
  return n.select(n.compare(Predicate::OEQ, x, 0), n.constant(-infinity),
                  result);
}

/// 4 u, near 1 as well, and for subnormal x.
Value log(Numbers n, Value x) {
  Value small = n.compare(Predicate::OLT, x, 0x1p-126);
  Value scaled = n.select(small, n.mul(x, 0x1p23), x);
  Value already = n.select(small, n.constant(-23), n.constant(0));
  Value exponent = exponentBits(n, scaled);
  Value m =
      n.sub(n.fromBits(n.subInteger(n.bits(scaled), exponent)), n.constant(1));
  Value e = n.fma(n.toReal(exponent), 0x1p-23, already);
  return logAtEnds(n, x, n.fma(e, ln2, logNearOne(n, m)));
}

/// 4 u absolute between 1/2 and 2, else 5 u. Minus infinity for subnormal x.
Value shortLog2(Numbers n, Value x) {
  return n.instruction("llvm.nvvm.lg2.approx.ftz.f", x);
}
Value shortLog(Numbers n, Value x) { return n.mul(shortLog2(n, x), ln2); }

/// 5 u.
Value log2(Numbers n, Value x) { return n.mul(log(n, x), log2e); }

/// 4 u, however small x is.
Value log1p(Numbers n, Value x) {
  Value sum = n.add(x, n.constant(1));
  Value exponent = exponentBits(n, sum);
  // (1 + x) / 2^e - 1 without the rounding of 1 + x; four times the scale, so
  // that it stays normal.
  Value scale = n.fromBits(n.subInteger(n.integer(0x40800000), exponent));
  Value scaled = n.fromBits(n.subInteger(n.bits(x), exponent));
  Value m = n.add(scaled, n.fma(scale, 0.25, n.constant(-1)));
  Value e = n.mul(n.toReal(exponent), 0x1p-23);
  return logAtEnds(n, sum, n.fma(e, ln2, logNearOne(n, m)));
}

/// 2 u for |x| <= 1/8, above that 40 u. Minus infinity at -1.
Value shortLog1p(Numbers n, Value x) {
  static constexpr double c[] = {-0.50000006, 0.333318025, -0.249978006,
                                 0.203150749, -0.169884384};
  Value near = n.fma(n.mul(x, x), n.polynomial(x, c), x);
  Value far = shortLog(n, n.add(x, n.constant(1)));
  return n.select(n.compare(Predicate::OLT, n.absolute(x), 0.125), near, far);
}

//===----------------------------------------------------------------------===//
// f32: quotients and roots
//===----------------------------------------------------------------------===//

/// 2 u where the result is normal; zero for x beyond 2^126, infinite for
/// subnormal x.
Value reciprocal(Numbers n, Value x) {
  return n.instruction("llvm.nvvm.rcp.approx.ftz.f", x);
}

/// 3 u for |y| in [2^-126, 2^126). Beyond it the result is 0 (or NaN for an
/// infinite x), below it infinite.
Value divide(Numbers n, Value x, Value y) {
  llvm::APFloat constant(0.0f);
  if (mlir::matchPattern(y, mlir::m_ConstantFloat(&constant)) &&
      constant.isNormal())
    return n.mul(x, 1.0 / constant.convertToDouble());
  if (mlir::matchPattern(x, mlir::m_OneFloat()))
    return reciprocal(n, y);
  return n.mul(x, reciprocal(n, y));
}

/// 3 u. Zero for subnormal x.
Value sqrt(Numbers n, Value x) {
  return n.instruction("llvm.nvvm.sqrt.approx.ftz.f", x);
}
/// 3 u. Infinite for subnormal x.
Value rsqrt(Numbers n, Value x) {
  return n.instruction("llvm.nvvm.rsqrt.approx.ftz.f", x);
}

/// 8 u + 5 |y log x| u, for x >= 0.
Value power(Numbers n, Value x, Value y) { return exp(n, n.mul(y, log(n, x))); }

//===----------------------------------------------------------------------===//
// Angles
//===----------------------------------------------------------------------===//

/// sin (quarter 0) or cos (quarter 1) of `rest` + π/2 times `turns`, an integer
/// of any size, for |rest| <= π/4, in f32: 2 u.
Value sineOfQuarter(Numbers n, Value rest, Value turns, int64_t quarter) {
  static constexpr double s[] = {-0.166666552, 0.00833215844, -0.00019514958};
  static constexpr double c[] = {0.0416666456, -0.0013887313, 2.44327857e-05};
  Value square = n.mul(rest, rest);
  Value sine = n.fma(n.mul(square, rest), n.polynomial(square, s), rest);
  Value cosine = n.fma(n.mul(square, square), n.polynomial(square, c),
                       n.fma(square, -0.5, n.constant(1)));
  Value place = n.addInteger(turns, n.integer(quarter));
  Value odd =
      arith::CmpIOp::create(n.builder, n.place, arith::CmpIPredicate::ne,
                            n.andInteger(place, 1), n.integer(0));
  Value value = n.select(odd, cosine, sine);
  Value sign = n.shiftLeft(n.andInteger(place, 2), 30);
  return n.fromBits(n.make<arith::XOrIOp>({n.bits(value), sign}));
}

/// x less the nearest multiple of π/2, which is a sum whose first parts times
/// the whole number are exact; its low bits are the number of quarters.
std::pair<Value, Value> reduceAngle(Numbers n, Value x, double magic,
                                    llvm::ArrayRef<double> halfPi) {
  constexpr double twoOverPi = 0.63661977236758134308;
  Value shifted = n.fma(x, twoOverPi, n.constant(magic));
  Value whole = n.sub(shifted, n.constant(magic));
  Value rest = x;
  for (double part : halfPi)
    rest = n.fma(whole, -part, rest);
  return {rest, n.bits(shifted)};
}

/// 2 u absolute for |x| below 1e6.
template <int64_t quarter> Value sine32(Numbers n, Value x) {
  auto [rest, turns] = reduceAngle(
      n, x, 0x1.8p23, {0x1.921fb6p0, -0x1.777a5cp-25, -0x1.ee59dap-50});
  return sineOfQuarter(n, rest, turns, quarter);
}

/// f64 in and out, with the digits of f32 (2 u absolute), for |x| below 2^31.
template <int64_t quarter> Value sine64(Numbers n, Value x) {
  auto [rest, turns] =
      reduceAngle(n, x, 0x1.8p52, {0x1.921fb54442d18p0, 0x1.1a62633145c07p-54});
  Numbers single{n.builder, n.place, n.builder.getF32Type()};
  Value value = sineOfQuarter(
      single, arith::TruncFOp::create(n.builder, n.place, single.real, rest),
      arith::TruncIOp::create(n.builder, n.place, single.integerType(), turns),
      quarter);
  return arith::ExtFOp::create(n.builder, n.place, n.real, value);
}

//===----------------------------------------------------------------------===//
// f64: exponentials
//===----------------------------------------------------------------------===//

/// 2^-50, for |x| below 700 and clamped to it.
Value exp64(Numbers n, Value x) {
  constexpr double magic = 0x1.8p52;
  constexpr double ln2High = 0x1.62e42fefa39efp-1;
  constexpr double ln2Low = 0x1.abc9e3b39803fp-56;
  Value c = n.clamp(x, -700, 700);
  Value shifted = n.fma(c, log2e, n.constant(magic));
  Value whole = n.sub(shifted, n.constant(magic));
  Value rest = n.fma(whole, -ln2Low, n.fma(whole, -ln2High, c));
  Value sum = n.constant(1);
  for (int term = 13; term >= 1; --term)
    sum = n.fma(n.mul(rest, 1.0 / term), sum, n.constant(1));
  return n.fromBits(
      n.addInteger(n.bits(sum), n.shiftLeft(n.bits(shifted), 52)));
}
Value exp264(Numbers n, Value x) { return exp64(n, n.mul(x, ln2)); }

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

using Unary = Value (*)(Numbers n, Value x);
using Binary = Value (*)(Numbers n, Value x, Value y);

/// A formula of an operation on numbers of one width; `shorter` is taken under
/// afn.
struct UnaryForm {
  llvm::StringLiteral operation;
  unsigned width;
  Unary usual, shorter;
};
constexpr UnaryForm unaryForms[] = {
    {"math.exp", 32, exp, shortExp},
    {"math.exp2", 32, exp2, exp2},
    {"math.expm1", 32, expm1, shortExpm1},
    {"math.log", 32, log, shortLog},
    {"math.log2", 32, log2, shortLog2},
    {"math.log1p", 32, log1p, shortLog1p},
    {"math.tanh", 32, tanh, tanh},
    {"math.sqrt", 32, sqrt, sqrt},
    {"math.rsqrt", 32, rsqrt, rsqrt},
    {"math.sin", 32, sine32<0>, sine32<0>},
    {"math.cos", 32, sine32<1>, sine32<1>},
    {"math.sin", 64, sine64<0>, sine64<0>},
    {"math.cos", 64, sine64<1>, sine64<1>},
    {"math.exp", 64, exp64, exp64},
    {"math.exp2", 64, exp264, exp264},
};

struct BinaryForm {
  llvm::StringLiteral operation;
  Binary form;
};
constexpr BinaryForm binaryForms[] = {{"arith.divf", divide},
                                      {"math.powf", power}};

/// Operations of the math dialect with an instruction each.
constexpr llvm::StringLiteral instructions[] = {
    "math.absf", "math.absi",      "math.ceil", "math.copysign",
    "math.ctlz", "math.ctpop",     "math.cttz", "math.floor",
    "math.fma",  "math.roundeven", "math.trunc"};

bool allowsApproximation(mlir::Operation *op) {
  auto flagged = llvm::dyn_cast<arith::ArithFastMathInterface>(op);
  return flagged &&
         arith::bitEnumContainsAny(flagged.getFastMathFlagsAttr().getValue(),
                                   arith::FastMathFlags::afn);
}

/// The value in place of the operation's, or null if there is no formula.
Value expand(mlir::Operation *op, bool isExact) {
  auto real = llvm::dyn_cast<mlir::FloatType>(op->getResult(0).getType());
  if (!real)
    return nullptr;
  mlir::OpBuilder builder(op);
  Numbers numbers{builder, op->getLoc(), real, isExact};
  llvm::StringRef name = op->getName().getStringRef();
  for (const UnaryForm &row : unaryForms)
    if (row.operation == name && row.width == real.getWidth())
      return (allowsApproximation(op) ? row.shorter
                                      : row.usual)(numbers, op->getOperand(0));
  // The processor has an exact division, of many instructions.
  bool isDivision = llvm::isa<arith::DivFOp>(op);
  for (const BinaryForm &row : binaryForms)
    if (row.operation == name && real.isF32() && !(isExact && isDivision))
      return row.form(numbers, op->getOperand(0), op->getOperand(1));
  return nullptr;
}

struct PtxMath : impl::PtxMathBase<PtxMath> {
  void runOnOperation() final {
    auto precision =
        getOperation()->getAttrOfType<mlir::StringAttr>(precisionAttribute);
    bool isExact = precision && precision.getValue() == "fp32";
    llvm::SmallVector<mlir::Operation *> candidates;
    getOperation().walk([&](mlir::Operation *op) {
      if (op->getNumResults() == 1 &&
          (llvm::isa<arith::DivFOp>(op) ||
           llvm::isa_and_nonnull<math::MathDialect>(op->getDialect())) &&
          !llvm::is_contained(instructions, op->getName().getStringRef()))
        candidates.push_back(op);
    });
    for (mlir::Operation *op : candidates) {
      if (Value value = expand(op, isExact)) {
        op->replaceAllUsesWith(mlir::ValueRange{value});
        op->erase();
      } else if (!llvm::isa<arith::DivFOp>(op)) {
        op->emitOpError("has no instruction and no formula for ")
            << op->getResult(0).getType();
        signalPassFailure();
      }
    }
  }
};

} // namespace
} // namespace decay::cuda
