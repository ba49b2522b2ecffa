//===- ByteTrigram.cpp ----------------------------------------------------===//
#include "runtime/eval/baseline/ByteTrigram.h"

#include <cmath>

namespace decay::runtime {

namespace {

constexpr size_t bytes = 256;
constexpr uint8_t textStart = '\n';
constexpr int expectationSteps = 30;

/// Calls visit(first, second, byte) for each byte and the two before it.
template <typename Visit> void eachTrigram(std::string_view text, Visit visit) {
  uint8_t first = textStart, second = textStart;
  for (char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    visit(first, second, byte);
    first = second;
    second = byte;
  }
}

double frequency(uint32_t hits, double of) { return of > 0 ? hits / of : 0; }

} // namespace

ByteTrigram::ByteTrigram()
    : trigrams(bytes * bytes * bytes), bigrams(bytes * bytes), unigrams(bytes),
      pairs(bytes * bytes), singles(bytes) {}

void ByteTrigram::count(std::string_view text) {
  eachTrigram(text, [&](uint8_t first, uint8_t second, uint8_t byte) {
    const size_t pair = first * bytes + second;
    ++trigrams[pair * bytes + byte];
    ++pairs[pair];
    ++bigrams[second * bytes + byte];
    ++singles[second];
    ++unigrams[byte];
    ++total;
  });
}

std::array<double, 4> ByteTrigram::parts(uint8_t first, uint8_t second,
                                         uint8_t byte) const {
  const size_t pair = first * bytes + second;
  return {1.0 / bytes, frequency(unigrams[byte], double(total)),
          frequency(bigrams[second * bytes + byte], singles[second]),
          frequency(trigrams[pair * bytes + byte], pairs[pair])};
}

void ByteTrigram::fitWeights(std::span<const std::string_view> texts) {
  for (int step = 0; step < expectationSteps; ++step) {
    std::array<double, 4> share = {};
    double seen = 0;
    for (std::string_view text : texts)
      eachTrigram(text, [&](uint8_t first, uint8_t second, uint8_t byte) {
        const std::array<double, 4> part = parts(first, second, byte);
        double mixture = 0;
        for (size_t order = 0; order < part.size(); ++order)
          mixture += weight[order] * part[order];
        for (size_t order = 0; order < part.size(); ++order)
          share[order] += weight[order] * part[order] / mixture;
        ++seen;
      });
    if (seen == 0)
      return;
    // The uniform part never reaches zero: a byte that no training text has
    // must stay possible.
    constexpr double least = 1e-9;
    for (size_t order = 0; order < share.size(); ++order)
      weight[order] =
          (share[order] / seen + least) / (1 + least * double(share.size()));
  }
}

double ByteTrigram::bits(std::string_view text) const {
  double sum = 0;
  eachTrigram(text, [&](uint8_t first, uint8_t second, uint8_t byte) {
    const std::array<double, 4> part = parts(first, second, byte);
    double mixture = 0;
    for (size_t order = 0; order < part.size(); ++order)
      mixture += weight[order] * part[order];
    sum -= std::log2(mixture);
  });
  return sum;
}

} // namespace decay::runtime
