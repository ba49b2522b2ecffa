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

/// Whether no bank is asked twice, which is quicker to see than to count.
static bool isWithoutConflict(const uint32_t (&offsets)[32], uint32_t lanes,
                              unsigned words) {
  uint32_t asked = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    const uint32_t word = offsets[llvm::countr_zero(left)] / 4;
    const uint32_t span = (uint32_t(1) << words) - 1;
    const uint32_t banks = llvm::rotl(span, static_cast<int>(word % 32));
    if (asked & banks)
      return false;
    asked |= banks;
  }
  return true;
}

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
    if (isWithoutConflict(offsets, members, words)) {
      sum += {1, 1};
      continue;
    }
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
  auto add = [&](uint64_t sector) {
    if (count == 0 || sectors[count - 1] != sector)
      sectors[count++] = sector;
  };
  for (uint32_t left = lanes; left; left &= left - 1) {
    const uint64_t address = addresses[llvm::countr_zero(left)];
    add(address / 32);
    add((address + bytes - 1) / 32);
  }
  if (std::is_sorted(sectors, sectors + count))
    return count;
  std::sort(sectors, sectors + count);
  return static_cast<unsigned>(std::unique(sectors, sectors + count) - sectors);
}

} // namespace decay::cuda::emulator
