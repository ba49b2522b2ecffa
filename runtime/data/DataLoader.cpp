//===- DataLoader.cpp - Windows of tokens, in a seeded order --------------===//

#include "runtime/data/DataLoader.h"

#include "runtime/core/Philox.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace decay::runtime {
namespace {
// Streams 0, 1, ... belong to parameters; these begin with "data".
constexpr uint64_t firstStream = uint64_t{0x64617461} << 32;

/// A permutation of [0, count) without a table: a Feistel network over the next
/// even number of bits, walked along until it lands inside. `random` is keyed
/// by seed and epoch.
int64_t permuted(int64_t index, int64_t count, const Philox &random) {
  int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(count)));
  int half = (bits + 1) / 2;
  uint64_t mask = (uint64_t{1} << half) - 1;
  constexpr uint64_t rounds = 6;
  auto value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> half, right = value & mask;
    for (uint64_t round = 0; round < rounds; ++round) {
      uint64_t mixed = random.words(round << 56 | right)[0];
      left = std::exchange(right, left ^ (mixed & mask));
    }
    value = left << half | right;
  } while (value >= static_cast<uint64_t>(count));
  return static_cast<int64_t>(value);
}
} // namespace

Result<DataLoader> DataLoader::create(const TokenSequence &tokens, int64_t B,
                                      int64_t T, uint64_t seed,
                                      WindowOrder order, LoaderTurn turn) {
  assert(B > 0 && T > 0 && turn.index < turn.count);
  int64_t windows = (tokens.size() - 1) / T;
  if (tokens.size() < T + 1)
    return Status::user(
        fmt::format("{} tokens are too few for one window of {}; use more text "
                    "or a shorter sequence length",
                    tokens.size(), T + 1));
  return DataLoader(tokens, B, T, seed, order, turn, windows);
}

int64_t DataLoader::windowAt(int64_t position) const {
  int64_t epoch = position / windowCount, index = position % windowCount;
  if (order == WindowOrder::Sequential)
    return index;
  return permuted(index, windowCount,
                  Philox(seed, firstStream + static_cast<uint64_t>(epoch)));
}

void DataLoader::next(std::span<int32_t> inputs, std::span<int32_t> targets) {
  assert(static_cast<int64_t>(inputs.size()) == B * T &&
         inputs.size() == targets.size());
  const int64_t first = handedOut + turn.index * B, together = turn.count * B;
  for (int64_t b = 0; b < B; ++b) {
    tokens->read(windowAt(first + b) * T, window);
    std::copy_n(window.begin(), T, inputs.begin() + b * T);
    std::copy_n(window.begin() + 1, T, targets.begin() + b * T);
  }
  handedOut += together;
  // The next batch comes from the disk while this one is worked on.
  for (int64_t b = 0; b < B; ++b)
    tokens->prefetch(windowAt(first + together + b) * T, T + 1);
}

} // namespace decay::runtime
