//===- DataLoader.h - Windows of tokens, in a seeded order -----*- C++ -*-===//
//
// The sequence is cut into windows of T + 1 tokens which overlap by one, so
// that every token but the first is a target exactly once an epoch. Each epoch
// has its own order, a function of the seed and the epoch, so that the state is
// one integer: how many windows have been handed out.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DATA_DATALOADER_H
#define DECAY_RUNTIME_DATA_DATALOADER_H

#include "runtime/core/Status.h"
#include "runtime/data/TokenShard.h"

#include <cstdint>
#include <span>
#include <vector>

namespace decay::runtime {

enum class WindowOrder { Shuffled, Sequential };

/// Of several loaders that take turns, B windows each: all together hand out
/// what one alone would.
struct LoaderTurn {
  int64_t index = 0, count = 1;
};

class DataLoader {
public:
  /// `tokens` must outlive the loader. User error when it is shorter than one
  /// window.
  static Result<DataLoader> create(const TokenSequence &tokens, int64_t B,
                                   int64_t T, uint64_t seed,
                                   WindowOrder order = WindowOrder::Shuffled,
                                   LoaderTurn turn = {});

  /// The next B windows: inputs [B, T] are the first T tokens of each, targets
  /// [B, T] the last T. Goes on with the next epoch without end.
  void next(std::span<int32_t> inputs, std::span<int32_t> targets);

  /// Windows in an epoch.
  int64_t windows() const { return windowCount; }

  /// Windows handed out since the beginning, by all loaders that take turns:
  /// the whole state.
  int64_t position() const { return handedOut; }
  void seek(int64_t position) { handedOut = position; }

  /// Which window is handed out as number `position`: in [0, windows()).
  int64_t windowAt(int64_t position) const;

private:
  DataLoader(const TokenSequence &tokens, int64_t B, int64_t T, uint64_t seed,
             WindowOrder order, LoaderTurn turn, int64_t windowCount)
      : tokens(&tokens), B(B), T(T), windowCount(windowCount), seed(seed),
        order(order), turn(turn), window(static_cast<size_t>(T) + 1) {}

  const TokenSequence *tokens;
  int64_t B, T, windowCount;
  uint64_t seed;
  WindowOrder order;
  LoaderTurn turn;
  int64_t handedOut = 0;
  std::vector<int32_t> window;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_DATALOADER_H
