//===- Floats.cpp - Floating-point arithmetic and functions ---------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

namespace decay::cuda::emulator {
namespace {

template <auto f> Handler unary(llvm::ArrayRef<ScalarKind> kinds) {
  return overReals(kinds[0],
                   []<typename T>(T) -> Handler { return apply<f, T, T>; });
}
template <auto f> Handler binary(llvm::ArrayRef<ScalarKind> kinds) {
  return overReals(kinds[0],
                   []<typename T>(T) -> Handler { return apply<f, T, T, T>; });
}
template <auto f> Handler ternary(llvm::ArrayRef<ScalarKind> kinds) {
  return overReals(
      kinds[0], []<typename T>(T) -> Handler { return apply<f, T, T, T, T>; });
}

constexpr auto add = [](auto a, auto b) { return a + b; };
constexpr auto subtract = [](auto a, auto b) { return a - b; };
constexpr auto multiply = [](auto a, auto b) { return a * b; };
constexpr auto divide = [](auto a, auto b) { return a / b; };
constexpr auto negate = [](auto a) { return -a; };
constexpr auto fma = [](auto a, auto b, auto c) { return std::fma(a, b, c); };
constexpr auto absolute = [](auto a) { return std::fabs(a); };
constexpr auto copySign = [](auto a, auto b) { return std::copysign(a, b); };

// -0 is below +0.
template <bool largest> struct Extreme {
  template <typename T> static T ordered(T a, T b) {
    if (a == b)
      return std::signbit(a) == largest ? b : a;
    return (a < b) == largest ? b : a;
  }
};
constexpr auto maximum = [](auto a, auto b) {
  return a != a ? a : b != b ? b : Extreme<true>::ordered(a, b);
};
constexpr auto minimum = [](auto a, auto b) {
  return a != a ? a : b != b ? b : Extreme<false>::ordered(a, b);
};
constexpr auto maximumNumber = [](auto a, auto b) {
  return a != a ? b : b != b ? a : Extreme<true>::ordered(a, b);
};
constexpr auto minimumNumber = [](auto a, auto b) {
  return a != a ? b : b != b ? a : Extreme<false>::ordered(a, b);
};

constexpr auto exp = [](auto a) { return std::exp(a); };
constexpr auto exp2 = [](auto a) { return std::exp2(a); };
constexpr auto log = [](auto a) { return std::log(a); };
constexpr auto log2 = [](auto a) { return std::log2(a); };
constexpr auto sqrt = [](auto a) { return std::sqrt(a); };
constexpr auto tanh = [](auto a) { return std::tanh(a); };
constexpr auto sin = [](auto a) { return std::sin(a); };
constexpr auto cos = [](auto a) { return std::cos(a); };
constexpr auto power = [](auto a, auto b) { return std::pow(a, b); };

} // namespace

llvm::ArrayRef<Elementwise> floatOperations() {
  static const Elementwise table[] = {
      {"arith.addf", binary<add>},
      {"llvm.fadd", binary<add>},
      {"arith.subf", binary<subtract>},
      {"llvm.fsub", binary<subtract>},
      {"arith.mulf", binary<multiply>},
      {"llvm.fmul", binary<multiply>},
      {"arith.divf", binary<divide>},
      {"llvm.fdiv", binary<divide>},
      {"arith.negf", unary<negate>},
      {"llvm.fneg", unary<negate>},
      {"arith.maximumf", binary<maximum>},
      {"llvm.intr.maximum", binary<maximum>},
      {"arith.minimumf", binary<minimum>},
      {"llvm.intr.minimum", binary<minimum>},
      {"arith.maxnumf", binary<maximumNumber>},
      {"llvm.intr.maxnum", binary<maximumNumber>},
      {"arith.minnumf", binary<minimumNumber>},
      {"llvm.intr.minnum", binary<minimumNumber>}};
  return table;
}

llvm::ArrayRef<Elementwise> mathOperations() {
  static const Elementwise table[] = {
      {"math.fma", ternary<fma>},
      {"llvm.intr.fma", ternary<fma>},
      {"math.absf", unary<absolute>},
      {"llvm.intr.fabs", unary<absolute>},
      {"math.copysign", binary<copySign>},
      {"llvm.intr.copysign", binary<copySign>},
      {"math.exp", unary<exp>},
      {"llvm.intr.exp", unary<exp>},
      {"math.exp2", unary<exp2>},
      {"llvm.intr.exp2", unary<exp2>},
      {"math.expm1", unary<[](auto a) { return std::expm1(a); }>},
      {"math.log", unary<log>},
      {"llvm.intr.log", unary<log>},
      {"math.log2", unary<log2>},
      {"llvm.intr.log2", unary<log2>},
      {"math.log1p", unary<[](auto a) { return std::log1p(a); }>},
      {"math.sqrt", unary<sqrt>},
      {"llvm.intr.sqrt", unary<sqrt>},
      {"math.rsqrt", unary<[](auto a) { return 1 / std::sqrt(a); }>},
      {"math.tanh", unary<tanh>},
      {"llvm.intr.tanh", unary<tanh>},
      {"math.sin", unary<sin>},
      {"llvm.intr.sin", unary<sin>},
      {"math.cos", unary<cos>},
      {"llvm.intr.cos", unary<cos>},
      {"math.powf", binary<power>},
      {"llvm.intr.pow", binary<power>}};
  return table;
}

} // namespace decay::cuda::emulator
