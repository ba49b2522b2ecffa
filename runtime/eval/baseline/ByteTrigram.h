//===- ByteTrigram.h - The model that every other must beat ----*- C++ -*-===//
//
// An interpolated byte trigram (Jelinek and Mercer 1980): the probability of a
// byte is a mixture of its frequencies after the last two bytes, after the last
// one, after none, and of one in 256. The four weights are fitted by
// expectation maximisation on texts that the counts have not seen.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_EVAL_BASELINE_BYTETRIGRAM_H
#define DECAY_RUNTIME_EVAL_BASELINE_BYTETRIGRAM_H

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace decay::runtime {

class ByteTrigram {
public:
  ByteTrigram();

  /// Counts a text; call once per training text. A text starts after two line
  /// feeds and knows nothing of the texts before it.
  void count(std::string_view text);

  /// Fits the weights of the orders on `texts`, which `count` has not seen.
  void fitWeights(std::span<const std::string_view> texts);

  /// Bits that all bytes of `text` cost; 0 for an empty text.
  double bits(std::string_view text) const;

  /// Of the uniform, unigram, bigram and trigram part; they sum to 1.
  const std::array<double, 4> &weights() const { return weight; }

private:
  /// The probability that each order gives to `byte` after `first`, `second`.
  std::array<double, 4> parts(uint8_t first, uint8_t second,
                              uint8_t byte) const;

  std::vector<uint32_t> trigrams, bigrams, unigrams; ///< 256^3, 256^2, 256
  std::vector<uint32_t> pairs, singles;              ///< contexts: 256^2, 256
  uint64_t total = 0;
  std::array<double, 4> weight = {0.25, 0.25, 0.25, 0.25};
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_BASELINE_BYTETRIGRAM_H
