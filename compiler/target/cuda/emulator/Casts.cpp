//===- Casts.cpp - Conversions between kinds of numbers -------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include <limits>

namespace decay::cuda::emulator {
namespace {

constexpr auto same = [](auto value) { return value; };

/// To another width, by the sign or by zeros.
template <template <unsigned> typename Tag>
Handler resize(llvm::ArrayRef<ScalarKind> kinds) {
  const bool grows = sizeOf(kinds[0]) >= sizeOf(kinds[1]);
  const bool keeps = sizeOf(kinds[0]) == sizeOf(kinds[1]);
  if (isWide(kinds[0]) == isWide(kinds[1]) && kinds[0] != ScalarKind::i1 &&
      kinds[1] != ScalarKind::i1 &&
      (keeps || (grows && std::is_same_v<Tag<8>, Unsigned<8>>)))
    return identity;
  return overIntegerPairs<Tag, Tag>(
      kinds[0], kinds[1], []<typename R, typename A>(R, A) -> Handler {
        return apply<same, R, A>;
      });
}

template <template <unsigned> typename Tag>
Handler toReal(llvm::ArrayRef<ScalarKind> kinds) {
  return overReals(kinds[0], [&]<typename R>(R) {
    return overIntegers<Tag>(
        kinds[1], []<typename A>(A) -> Handler { return apply<same, R, A>; });
  });
}

/// As the machine does: NaN is 0, and what is too large the largest.
template <typename Tag> struct Clamp {
  template <typename T> typename Tag::Value operator()(T value) const {
    using Limits = std::numeric_limits<typename Tag::Value>;
    if (value != value)
      return 0;
    if (value <= static_cast<T>(Limits::min()))
      return Limits::min();
    if (value >= static_cast<T>(Limits::max()))
      return Limits::max();
    return static_cast<typename Tag::Value>(value);
  }
};

template <template <unsigned> typename Tag>
Handler fromReal(llvm::ArrayRef<ScalarKind> kinds) {
  return overIntegers<Tag>(kinds[0], [&]<typename R>(R) {
    return overReals(kinds[1], []<typename A>(A) -> Handler {
      return apply<Clamp<R>{}, R, A>;
    });
  });
}

Handler betweenReals(llvm::ArrayRef<ScalarKind> kinds) {
  struct Row {
    ScalarKind to, from;
    Handler handler;
  };
  static const Row rows[] = {
      {ScalarKind::f32, ScalarKind::bf16, apply<same, Real<float>, Brain>},
      {ScalarKind::bf16, ScalarKind::f32, apply<same, Brain, Real<float>>},
      {ScalarKind::f64, ScalarKind::f32,
       apply<same, Real<double>, Real<float>>},
      {ScalarKind::f32, ScalarKind::f64,
       apply<same, Real<float>, Real<double>>}};
  for (const Row &row : rows)
    if (row.to == kinds[0] && row.from == kinds[1])
      return row.handler;
  return nullptr;
}

Handler choose(llvm::ArrayRef<ScalarKind> kinds) {
  using Bit = Unsigned<1>;
  constexpr auto pick = [](auto condition, auto a, auto b) {
    return condition & 1 ? a : b;
  };
  if (isWide(kinds[0]))
    return apply<pick, Unsigned<64>, Bit, Unsigned<64>, Unsigned<64>>;
  return apply<pick, Unsigned<32>, Bit, Unsigned<32>, Unsigned<32>>;
}

} // namespace

llvm::ArrayRef<Elementwise> castOperations() {
  static const Elementwise table[] = {{"arith.extui", resize<Unsigned>},
                                      {"llvm.zext", resize<Unsigned>},
                                      {"arith.extsi", resize<Signed>},
                                      {"llvm.sext", resize<Signed>},
                                      {"arith.trunci", resize<Unsigned>},
                                      {"llvm.trunc", resize<Unsigned>},
                                      {"arith.index_cast", resize<Signed>},
                                      {"arith.index_castui", resize<Unsigned>},
                                      {"llvm.inttoptr", resize<Unsigned>},
                                      {"llvm.ptrtoint", resize<Unsigned>},
                                      {"arith.sitofp", toReal<Signed>},
                                      {"llvm.sitofp", toReal<Signed>},
                                      {"arith.uitofp", toReal<Unsigned>},
                                      {"llvm.uitofp", toReal<Unsigned>},
                                      {"arith.fptosi", fromReal<Signed>},
                                      {"llvm.fptosi", fromReal<Signed>},
                                      {"arith.fptoui", fromReal<Unsigned>},
                                      {"llvm.fptoui", fromReal<Unsigned>},
                                      {"arith.extf", betweenReals},
                                      {"llvm.fpext", betweenReals},
                                      {"arith.truncf", betweenReals},
                                      {"llvm.fptrunc", betweenReals},
                                      {"arith.select", choose},
                                      {"llvm.select", choose}};
  return table;
}

} // namespace decay::cuda::emulator
