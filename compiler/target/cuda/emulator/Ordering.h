//===- Ordering.h - What happens before what in a thread block -*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_ORDERING_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_ORDERING_H

#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace decay::cuda::emulator {

/// A clock that moves at every synchronisation, and for each pair of warps the
/// time up to which the one's accesses come before the other's next one.
/// Threads of one warp count as a pair too: they are unordered until the warp
/// or the block synchronises.
class Ordering {
public:
  static constexpr unsigned maxWarps = 32;

  Ordering() { reset(); }
  void reset() {
    clock = 1;
    joined = 0;
    std::memset(upTo, 0, sizeof upTo);
  }

  uint32_t now() const { return clock; }
  /// What different warps did after this time is unordered between them.
  uint32_t lastJoin() const { return joined; }
  /// Whether what `other` did at `stamp` comes before what `warp` does now.
  bool isBefore(uint32_t stamp, unsigned other, unsigned warp) const {
    return stamp <= upTo[warp][other];
  }

  /// Time passes, and orders nothing.
  void tick() { ++clock; }
  void syncWarp(unsigned warp) {
    upTo[warp][warp] = clock;
    ++clock;
  }
  /// All threads of all `warps` (a bit each) wait for one another.
  void syncWarps(uint32_t warps) {
    uint32_t row[maxWarps] = {};
    for (uint32_t left = warps; left; left &= left - 1) {
      const uint32_t *other = upTo[llvm::countr_zero(left)];
      for (unsigned i = 0; i < maxWarps; ++i)
        row[i] = std::max(row[i], other[i]);
    }
    for (uint32_t left = warps; left; left &= left - 1)
      row[llvm::countr_zero(left)] = clock;
    for (uint32_t left = warps; left; left &= left - 1)
      std::copy_n(row, maxWarps, upTo[llvm::countr_zero(left)]);
    joined = clock++;
  }

private:
  uint32_t clock, joined;
  uint32_t upTo[maxWarps][maxWarps];
};

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_ORDERING_H
