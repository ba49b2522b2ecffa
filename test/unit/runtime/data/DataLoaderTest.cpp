//===- DataLoaderTest.cpp -------------------------------------------------===//

#include "runtime/data/DataLoader.h"

#include <gtest/gtest.h>
#include <numeric>
#include <set>

using namespace decay::runtime;

namespace {
TokenSequence counting(size_t count) {
  std::vector<uint16_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), uint16_t{0});
  return TokenSequence::of(std::move(tokens));
}

struct Batch {
  std::vector<int32_t> inputs, targets;
  bool operator==(const Batch &) const = default;
};

Batch next(DataLoader &loader, size_t size) {
  Batch batch{std::vector<int32_t>(size), std::vector<int32_t>(size)};
  loader.next(batch.inputs, batch.targets);
  return batch;
}
} // namespace

TEST(DataLoader, EveryTokenIsATargetOnceAnEpoch) {
  constexpr int64_t T = 7;
  for (size_t size : {8, 9, 22, 701, 1024}) {
    TokenSequence tokens = counting(size);
    auto loader = DataLoader::create(tokens, 1, T, 42);
    ASSERT_TRUE(loader.ok());
    int64_t windows = (static_cast<int64_t>(size) - 1) / T;
    ASSERT_EQ(loader->windows(), windows);
    for (int epoch = 0; epoch < 3; ++epoch) {
      std::multiset<int32_t> seen;
      for (int64_t i = 0; i < windows; ++i) {
        Batch batch = next(*loader, T);
        for (size_t t = 0; t < T; ++t)
          ASSERT_EQ(batch.targets[t], batch.inputs[t] + 1);
        seen.insert(batch.targets.begin(), batch.targets.end());
      }
      ASSERT_EQ(static_cast<int64_t>(seen.size()), windows * T);
      ASSERT_EQ(*seen.begin(), 1);
      ASSERT_EQ(*seen.rbegin(), windows * T);
      ASSERT_EQ(std::set(seen.begin(), seen.end()).size(), seen.size());
    }
  }
}

TEST(DataLoader, OrderComesFromSeedAndEpoch) {
  TokenSequence tokens = counting(5000);
  auto order = [&](uint64_t seed, int64_t epoch, WindowOrder kind) {
    auto loader = DataLoader::create(tokens, 1, 10, seed, kind);
    std::vector<int64_t> windows;
    for (int64_t i = 0; i < loader->windows(); ++i)
      windows.push_back(loader->windowAt(epoch * loader->windows() + i));
    return windows;
  };
  auto shuffled = order(1, 0, WindowOrder::Shuffled);
  EXPECT_EQ(shuffled, order(1, 0, WindowOrder::Shuffled));
  EXPECT_NE(shuffled, order(1, 1, WindowOrder::Shuffled));
  EXPECT_NE(shuffled, order(2, 0, WindowOrder::Shuffled));
  // Neighbours of a good shuffle are about a third of the range apart.
  double distance = 0;
  for (size_t i = 1; i < shuffled.size(); ++i)
    distance += std::abs(static_cast<double>(shuffled[i] - shuffled[i - 1]));
  auto windows = static_cast<double>(shuffled.size());
  EXPECT_NEAR(distance / windows / windows, 1.0 / 3, 0.05);
  auto sequential = order(1, 1, WindowOrder::Sequential);
  for (size_t i = 0; i < sequential.size(); ++i)
    ASSERT_EQ(sequential[i], static_cast<int64_t>(i));
}

TEST(DataLoader, PositionIsTheWholeState) {
  TokenSequence tokens = counting(1000);
  auto straight = DataLoader::create(tokens, 3, 16, 9);
  auto resumed = DataLoader::create(tokens, 3, 16, 9);
  std::vector<Batch> batches;
  for (int i = 0; i < 60; ++i)
    batches.push_back(next(*straight, 48));
  EXPECT_EQ(straight->position(), 180);
  for (size_t i : {59, 0, 20, 21, 40}) {
    resumed->seek(static_cast<int64_t>(i) * 3);
    EXPECT_EQ(next(*resumed, 48), batches[i]) << i;
  }
}

TEST(DataLoader, ThoseThatTakeTurnsHandOutWhatOneWould) {
  TokenSequence tokens = counting(1000);
  constexpr size_t B = 2, T = 16;
  for (int64_t count : {2, 3}) {
    auto alone = DataLoader::create(tokens, B, T, 9);
    std::vector<DataLoader> loaders;
    for (int64_t index = 0; index < count; ++index) {
      auto made = DataLoader::create(tokens, B, T, 9, WindowOrder::Shuffled,
                                     {index, count});
      ASSERT_TRUE(made.ok());
      loaders.push_back(std::move(*made));
    }
    // Over the end of an epoch.
    for (int turn = 0; turn < 40; ++turn)
      for (DataLoader &loader : loaders)
        ASSERT_EQ(next(loader, B * T), next(*alone, B * T));
    for (DataLoader &loader : loaders)
      EXPECT_EQ(loader.position(), alone->position());
  }
}

TEST(DataLoader, TooFewTokens) {
  TokenSequence tokens = counting(8);
  EXPECT_TRUE(DataLoader::create(tokens, 1, 7, 0).ok());
  EXPECT_EQ(DataLoader::create(tokens, 1, 8, 0).status().message(),
            "8 tokens are too few for one window of 9; use more text or a "
            "shorter sequence length");
  TokenSequence none;
  EXPECT_FALSE(DataLoader::create(none, 1, 1, 0).ok());
}
