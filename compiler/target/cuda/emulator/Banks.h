//===- Banks.h - What a warp's access costs the shared memory --*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_BANKS_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_BANKS_H

#include <cstdint>

namespace decay::cuda::emulator {

struct Wavefronts {
  unsigned taken = 0;
  unsigned least = 0; ///< had no two words the same bank
  void operator+=(Wavefronts other) {
    taken += other.taken;
    least += other.least;
  }
};

/// Of one access of 1 to 16 bytes by the `lanes` (a bit each), each at its
/// offset; 8 bytes go by half warps, 16 by quarters.
Wavefronts countWavefronts(const uint32_t (&offsets)[32], uint32_t lanes,
                           unsigned bytes);

/// 32-byte sectors that the lanes' accesses to global memory touch.
unsigned countSectors(const uint64_t (&addresses)[32], uint32_t lanes,
                      unsigned bytes);

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_BANKS_H
