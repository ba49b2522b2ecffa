//===- Philox.h - Random numbers by counter --------------------*- C++ -*-===//
//
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A draw is a function of (seed, stream, index) and of nothing else,
// so that every device and every thread draws the same numbers.
//
//   key     = { seed low, seed high }
//   counter = { index low, index high, stream low, stream high }   (32-bit
//   words) uniform = (word 0 >> 8) * 2^-24                 in [0, 1), 24 bits
//   normal  = sqrt(-2 ln u1) cos(2 pi u2)           in float64, with
//             u1 = ((word 0 >> 8) + 1) * 2^-24 in (0, 1], u2 = (word 1 >> 8) *
//             2^-24
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_PHILOX_H
#define DECAY_RUNTIME_CORE_PHILOX_H

#include <array>
#include <cstdint>

namespace decay::runtime {

using PhiloxWords = std::array<uint32_t, 4>;

/// Ten rounds over one counter.
constexpr PhiloxWords philoxBlock(PhiloxWords counter,
                                  std::array<uint32_t, 2> key) {
  constexpr uint64_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;
  constexpr uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiplier0 * counter[0];
    uint64_t product1 = multiplier1 * counter[2];
    counter = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
        static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
        static_cast<uint32_t>(product0),
    };
    key = {key[0] + weyl0, key[1] + weyl1};
  }
  return counter;
}

/// One seed and one stream: draws by index.
class Philox {
public:
  constexpr Philox(uint64_t seed, uint64_t stream)
      : key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        streamLow(static_cast<uint32_t>(stream)),
        streamHigh(static_cast<uint32_t>(stream >> 32)) {}

  constexpr PhiloxWords words(uint64_t index) const {
    return philoxBlock({static_cast<uint32_t>(index),
                        static_cast<uint32_t>(index >> 32), streamLow,
                        streamHigh},
                       key);
  }

  /// 64 even bits.
  constexpr uint64_t bits(uint64_t index) const {
    PhiloxWords drawn = words(index);
    return (static_cast<uint64_t>(drawn[1]) << 32) | drawn[0];
  }

  constexpr float uniform(uint64_t index) const {
    return static_cast<float>(words(index)[0] >> 8) * 0x1p-24f;
  }

  /// Mean 0, deviation 1.
  double normal(uint64_t index) const;

  /// Mean 0, deviation 1 before it is cut to [-limit, limit]: the inverse of
  /// the normal distribution at a uniform draw between the two ends.
  double truncatedNormal(uint64_t index, double limit) const;

private:
  std::array<uint32_t, 2> key;
  uint32_t streamLow, streamHigh;
};

/// x with P(X < x) = p for a standard normal X, p in (0, 1); relative error
/// 1e-15 (Wichura, algorithm AS 241, Applied Statistics 37, 1988).
double inverseNormal(double p);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_PHILOX_H
