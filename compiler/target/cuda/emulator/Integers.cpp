//===- Integers.cpp - Integer arithmetic and comparisons ------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

template <template <unsigned> typename Tag, auto f>
Handler binary(llvm::ArrayRef<ScalarKind> kinds) {
  return overIntegers<Tag>(
      kinds[0], []<typename T>(T) -> Handler { return apply<f, T, T, T>; });
}
template <auto f> Handler plain(llvm::ArrayRef<ScalarKind> kinds) {
  return binary<Unsigned, f>(kinds);
}
template <auto f> Handler withSign(llvm::ArrayRef<ScalarKind> kinds) {
  return binary<Signed, f>(kinds);
}

/// Shifts by the width or more give 0 (or the sign): the IR leaves them open.
template <template <unsigned> typename Tag, auto f>
Handler shift(llvm::ArrayRef<ScalarKind> kinds) {
  return overIntegerPairs<Tag, Unsigned>(
      kinds[0], kinds[2], []<typename T, typename A>(T, A) -> Handler {
        return apply<f, T, T, A>;
      });
}

template <typename T> T negated(T value) {
  using U = std::make_unsigned_t<T>;
  return static_cast<T>(U(0) - static_cast<U>(value));
}

// Inactive threads divide too, by whatever is there.
constexpr auto divideSigned = [](auto a, auto b) {
  return b == 0 ? decltype(a)(0) : b == -1 ? negated(a) : a / b;
};
constexpr auto remainderSigned = [](auto a, auto b) {
  return b == 0 || b == -1 ? decltype(a)(0) : a % b;
};
constexpr auto divide = [](auto a, auto b) { return b == 0 ? b : a / b; };
constexpr auto remainder = [](auto a, auto b) { return b == 0 ? b : a % b; };
constexpr auto add = [](auto a, auto b) { return a + b; };
constexpr auto subtract = [](auto a, auto b) { return a - b; };
constexpr auto multiply = [](auto a, auto b) { return a * b; };
constexpr auto both = [](auto a, auto b) { return a & b; };
constexpr auto either = [](auto a, auto b) { return a | b; };
constexpr auto differ = [](auto a, auto b) { return a ^ b; };
constexpr auto least = [](auto a, auto b) { return b < a ? b : a; };
constexpr auto most = [](auto a, auto b) { return a < b ? b : a; };
constexpr auto shiftLeft = [](auto a, auto b) {
  return b < sizeof(a) * 8 ? a << b : decltype(a)(0);
};
constexpr auto shiftRight = [](auto a, auto b) {
  return b < sizeof(a) * 8 ? a >> b : decltype(a)(0);
};
constexpr auto shiftRightSigned = [](auto a, auto b) {
  return a >> (b < sizeof(a) * 8 ? b : decltype(b)(sizeof(a) * 8 - 1));
};

/// The upper word of both, shifted by a number below their width.
constexpr auto funnelLeft = [](auto a, auto b, auto bits) {
  constexpr unsigned width = sizeof(a) * 8;
  const unsigned by = bits % width;
  return by == 0 ? a : static_cast<decltype(a)>(a << by | b >> (width - by));
};
Handler funnel(llvm::ArrayRef<ScalarKind> kinds) {
  return overIntegers<Unsigned>(kinds[0], []<typename T>(T) -> Handler {
    return apply<funnelLeft, T, T, T, T>;
  });
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

template <template <unsigned> typename Tag, auto f>
Handler compare(llvm::ArrayRef<ScalarKind> kinds) {
  return overIntegers<Tag>(kinds[1], []<typename T>(T) -> Handler {
    return apply<f, Unsigned<1>, T, T>;
  });
}

using Select = Handler (*)(llvm::ArrayRef<ScalarKind>);

/// By arith's and llvm's number of the predicate, which is the same.
const Select integerPredicates[] = {
    compare<Unsigned, [](auto a, auto b) { return a == b; }>,
    compare<Unsigned, [](auto a, auto b) { return a != b; }>,
    compare<Signed, [](auto a, auto b) { return a < b; }>,
    compare<Signed, [](auto a, auto b) { return a <= b; }>,
    compare<Signed, [](auto a, auto b) { return a > b; }>,
    compare<Signed, [](auto a, auto b) { return a >= b; }>,
    compare<Unsigned, [](auto a, auto b) { return a < b; }>,
    compare<Unsigned, [](auto a, auto b) { return a <= b; }>,
    compare<Unsigned, [](auto a, auto b) { return a > b; }>,
    compare<Unsigned, [](auto a, auto b) { return a >= b; }>};

template <auto f> Handler compareReals(llvm::ArrayRef<ScalarKind> kinds) {
  return overReals(kinds[1], []<typename T>(T) -> Handler {
    return apply<f, Unsigned<1>, T, T>;
  });
}

constexpr auto unordered = [](auto a, auto b) { return a != a || b != b; };

const Select realPredicates[] = {
    compareReals<[](auto, auto) { return false; }>,
    compareReals<[](auto a, auto b) { return a == b; }>,
    compareReals<[](auto a, auto b) { return a > b; }>,
    compareReals<[](auto a, auto b) { return a >= b; }>,
    compareReals<[](auto a, auto b) { return a < b; }>,
    compareReals<[](auto a, auto b) { return a <= b; }>,
    compareReals<[](auto a, auto b) { return a < b || a > b; }>,
    compareReals<[](auto a, auto b) { return !unordered(a, b); }>,
    compareReals<[](auto a, auto b) { return unordered(a, b) || a == b; }>,
    compareReals<[](auto a, auto b) { return !(a <= b); }>,
    compareReals<[](auto a, auto b) { return !(a < b); }>,
    compareReals<[](auto a, auto b) { return !(a >= b); }>,
    compareReals<[](auto a, auto b) { return !(a > b); }>,
    compareReals<[](auto a, auto b) { return a != b; }>,
    compareReals<unordered>,
    compareReals<[](auto, auto) { return true; }>};

llvm::Error decodeCompare(Decoder &decoder, Operation *op,
                          llvm::ArrayRef<Select> predicates) {
  const auto predicate =
      op->getAttrOfType<IntegerAttr>("predicate").getValue().getZExtValue();
  Kinds kinds{ScalarKind::i1};
  Slots operands[2];
  for (unsigned i = 0; i < 2; ++i) {
    kinds.push_back(scalarsOf(op->getOperand(i).getType())->front());
    operands[i] = Slots(decoder.slotsOf(op->getOperand(i)));
  }
  Handler handler = predicates[predicate](kinds);
  if (!handler)
    return unsupported(op, "of these types");
  for (auto [result, a, b] :
       llvm::zip(decoder.define(op->getResult(0)), operands[0], operands[1]))
    decoder.emit(op, handler, {result, a, b});
  return llvm::Error::success();
}

llvm::Error compareIntegers(Decoder &decoder, Operation *op) {
  return decodeCompare(decoder, op, integerPredicates);
}
llvm::Error compareFloats(Decoder &decoder, Operation *op) {
  return decodeCompare(decoder, op, realPredicates);
}

} // namespace

llvm::ArrayRef<Construct> compareConstructs() {
  static const Construct table[] = {{"arith.cmpi", compareIntegers},
                                    {"llvm.icmp", compareIntegers},
                                    {"arith.cmpf", compareFloats},
                                    {"llvm.fcmp", compareFloats}};
  return table;
}

llvm::ArrayRef<Elementwise> integerOperations() {
  static const Elementwise table[] = {
      {"arith.addi", plain<add>},
      {"llvm.add", plain<add>},
      {"arith.subi", plain<subtract>},
      {"llvm.sub", plain<subtract>},
      {"arith.muli", plain<multiply>},
      {"llvm.mul", plain<multiply>},
      {"arith.andi", plain<both>},
      {"llvm.and", plain<both>},
      {"arith.ori", plain<either>},
      {"llvm.or", plain<either>},
      {"arith.xori", plain<differ>},
      {"llvm.xor", plain<differ>},
      {"arith.divui", plain<divide>},
      {"llvm.udiv", plain<divide>},
      {"arith.remui", plain<remainder>},
      {"llvm.urem", plain<remainder>},
      {"arith.divsi", withSign<divideSigned>},
      {"llvm.sdiv", withSign<divideSigned>},
      {"arith.remsi", withSign<remainderSigned>},
      {"llvm.srem", withSign<remainderSigned>},
      {"arith.minui", plain<least>},
      {"llvm.intr.umin", plain<least>},
      {"arith.maxui", plain<most>},
      {"llvm.intr.umax", plain<most>},
      {"arith.minsi", withSign<least>},
      {"llvm.intr.smin", withSign<least>},
      {"arith.maxsi", withSign<most>},
      {"llvm.intr.smax", withSign<most>},
      {"arith.shli", shift<Unsigned, shiftLeft>},
      {"llvm.shl", shift<Unsigned, shiftLeft>},
      {"llvm.intr.fshl", funnel},
      {"arith.shrui", shift<Unsigned, shiftRight>},
      {"llvm.lshr", shift<Unsigned, shiftRight>},
      {"arith.shrsi", shift<Signed, shiftRightSigned>},
      {"llvm.ashr", shift<Signed, shiftRightSigned>}};
  return table;
}

} // namespace decay::cuda::emulator
