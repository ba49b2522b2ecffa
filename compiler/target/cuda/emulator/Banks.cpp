//===- Banks.cpp - 32 banks of 4 bytes ------------------------------------===//
#include "compiler/target/cuda/emulator/Banks.h"

#include "llvm/ADT/bit.h"

#include <algorithm>

namespace decay::cuda::emulator {
namespace {

/// The words that the lanes of one pass ask of each bank.
class Pass {
public:
  void add(uint32_t word) {
    const unsigned bank = word % 32;
    uint32_t *asked = words[bank];
    for (unsigned i = 0; i < counts[bank]; ++i)
      if (asked[i] == word)
        return;
    asked[counts[bank]++] = word;
    ++total;
    deepest = std::max<unsigned>(deepest, counts[bank]);
  }
  Wavefronts wavefronts() const { return {deepest, (total + 31) / 32}; }

private:
  uint8_t counts[32] = {};
  uint32_t words[32][32];
  unsigned total = 0, deepest = 0;
};

} // namespace

Wavefronts countWavefronts(const uint32_t (&offsets)[32], uint32_t lanes,
                           unsigned bytes) {
  const unsigned words = std::max(1u, bytes / 4);
  const unsigned group = 32 / words;
  Wavefronts sum;
  for (unsigned first = 0; first < 32; first += group) {
    const uint32_t members =
        lanes & static_cast<uint32_t>(((uint64_t(1) << group) - 1) << first);
    if (!members)
      continue;
    Pass pass;
    for (uint32_t left = members; left; left &= left - 1) {
      const uint32_t word = offsets[llvm::countr_zero(left)] / 4;
      for (unsigned i = 0; i < words; ++i)
        pass.add(word + i);
    }
    sum += pass.wavefronts();
  }
  return sum;
}

unsigned countSectors(const uint64_t (&addresses)[32], uint32_t lanes,
                      unsigned bytes) {
  uint64_t sectors[64];
  unsigned count = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    const uint64_t address = addresses[llvm::countr_zero(left)];
    sectors[count++] = address / 32;
    if (address / 32 != (address + bytes - 1) / 32)
      sectors[count++] = (address + bytes - 1) / 32;
  }
  std::sort(sectors, sectors + count);
  return static_cast<unsigned>(std::unique(sectors, sectors + count) - sectors);
}

} // namespace decay::cuda::emulator
