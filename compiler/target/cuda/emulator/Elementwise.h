//===- Elementwise.h - Loops over the lanes of a few registers -*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_ELEMENTWISE_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_ELEMENTWISE_H

#include "compiler/target/cuda/emulator/Decoder.h"
#include "compiler/target/cuda/emulator/Machine.h"

#include <cmath>
#include <tuple>

namespace decay::cuda::emulator {

//===----------------------------------------------------------------------===//
// How a lane is read and written
//===----------------------------------------------------------------------===//

template <unsigned bits> struct Unsigned {
  using Value = std::conditional_t<bits == 64, uint64_t, uint32_t>;
  using Lane = Value;
  static constexpr Value mask = ~Value(0) >> (sizeof(Value) * 8 - bits);
  static Value get(Lane lane) { return lane; }
  static Lane put(Value value) { return value & mask; }
};

template <unsigned bits> struct Signed {
  using Lane = typename Unsigned<bits>::Lane;
  using Value = std::make_signed_t<Lane>;
  static Value get(Lane lane) {
    constexpr unsigned shift = sizeof(Lane) * 8 - bits;
    return static_cast<Value>(lane << shift) >> shift;
  }
  static Lane put(Value value) {
    return static_cast<Lane>(value) & Unsigned<bits>::mask;
  }
};

template <typename T> struct Real {
  using Value = T;
  using Lane = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  static Value get(Lane lane) { return llvm::bit_cast<T>(lane); }
  static Lane put(Value value) { return llvm::bit_cast<Lane>(value); }
};

/// bfloat16, computed with as float: rounded to nearest even, and NaN is the
/// one that the machine makes.
struct Brain {
  using Value = float;
  using Lane = uint32_t;
  static Value get(Lane lane) { return llvm::bit_cast<float>(lane << 16); }
  static Lane put(Value value) {
    const auto bits = llvm::bit_cast<uint32_t>(value);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : rounded;
  }
};

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// Result R from operands A, for all threads: what inactive ones get is never
/// looked at, so `f` must be total. No register is result and operand at once.
template <auto f, typename R, typename... A>
void apply(Machine &machine, const Instruction &instruction) {
  [&]<size_t... n>(std::index_sequence<n...>) {
    auto *__restrict result = machine.lanes<typename R::Lane>(instruction, 0);
    const std::tuple operands{static_cast<const typename A::Lane *>(
        machine.lanes<typename A::Lane>(instruction, n + 1))...};
    const unsigned threads = machine.threads();
    for (unsigned t = 0; t < threads; ++t)
      result[t] = R::put(static_cast<typename R::Value>(
          f(A::get(std::get<n>(operands)[t])...)));
  }(std::index_sequence_for<A...>());
}

/// visit(tag) for the integer that a kind is; null for others.
template <template <unsigned> typename Tag, typename Visit>
Handler overIntegers(ScalarKind kind, Visit visit) {
  switch (kind) {
  case ScalarKind::i1:
    return visit(Tag<1>());
  case ScalarKind::i8:
    return visit(Tag<8>());
  case ScalarKind::i16:
    return visit(Tag<16>());
  case ScalarKind::i32:
  case ScalarKind::sharedPointer:
    return visit(Tag<32>());
  case ScalarKind::i64:
  case ScalarKind::pointer:
    return visit(Tag<64>());
  default:
    return nullptr;
  }
}

template <typename Visit> Handler overReals(ScalarKind kind, Visit visit) {
  switch (kind) {
  case ScalarKind::f32:
    return visit(Real<float>());
  case ScalarKind::f64:
    return visit(Real<double>());
  default:
    return nullptr;
  }
}

/// visit(result tag, operand tag) for two kinds of integers.
template <template <unsigned> typename R, template <unsigned> typename A,
          typename Visit>
Handler overIntegerPairs(ScalarKind result, ScalarKind operand, Visit visit) {
  return overIntegers<R>(result, [&]<typename To>(To to) {
    return overIntegers<A>(
        operand, [&]<typename From>(From from) { return visit(to, from); });
  });
}

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_ELEMENTWISE_H
