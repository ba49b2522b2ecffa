//===- Variants.h - The processors with code in a package ------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_VARIANTS_H
#define DECAY_COMPILER_TARGET_CPU_VARIANTS_H

#include "runtime/abi/DecayPackage.h"

#include <cstddef>
#include <cstdint>

namespace decay::cpu {

/// One row per instruction set; a package holds all, its loader picks the first
/// that fits.
struct Variant {
  const char *name;      ///< suffix of symbols, DecayPackage::variant
  const char *processor; ///< LLVM's name, "target-cpu" of the functions
  int64_t lanes;         ///< fp32 numbers in a vector register
  int64_t registers;     ///< vector registers
  bool spreadsOperands;  ///< instructions repeat one number from memory
  /// Where lines that will be needed wait: 2, the second level of cache; 0,
  /// near and first to go, from where an AMD EPYC 7003 reads them 4 % sooner.
  int32_t waitingLevel;
  size_t hostFlag; ///< offset in DecayHost of the flag that it needs
};

inline constexpr Variant variants[] = {
    {"avx512", "x86-64-v4", 16, 32, true, 2, offsetof(DecayHost, has_avx512)},
    {"avx2", "x86-64-v3", 8, 16, false, 0, offsetof(DecayHost, has_avx2_fma)},
};

/// On a module: the name of the one variant that is wanted.
inline constexpr const char *onlyVariant = "decay.only_variant";
/// Beside it: the variant whose processor and host flag stand in for its own.
inline constexpr const char *standInVariant = "decay.stand_in_variant";

/// Tiles in scratch memory have rows padded to this many floats, for every
/// variant.
inline constexpr int64_t rowPadding = 16;

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_VARIANTS_H
