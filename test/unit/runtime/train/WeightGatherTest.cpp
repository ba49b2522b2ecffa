#include "runtime/train/WeightGather.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

using namespace decay::runtime;

namespace {
/// Writes down what it is asked for.
class Listener final : public Communicator {
public:
  explicit Listener(float *block) : block(block) {}
  std::string describe() const override { return "listener"; }
  Status reduceScatter(float *, int64_t) override { return {}; }
  Status allGather(float *data, int64_t count) override {
    heard.push_back("gather " + std::to_string(data - block) + " " +
                    std::to_string(count));
    return lost ? Status::world("rank 1 is gone") : Status();
  }
  Status join() override {
    heard.emplace_back("join");
    return {};
  }
  Status joinFirst(int64_t calls) override {
    heard.push_back("join " + std::to_string(calls));
    return {};
  }

  float *block;
  std::vector<std::string> heard;
  bool lost = false;
};

/// Two ranks' block of four buckets of 64 floats; this is rank 1.
class Gather : public testing::Test {
protected:
  using Lines = std::vector<std::string>;
  Lines heard() { return std::exchange(listener.heard, {}); }

  std::vector<float> block = std::vector<float>(256);
  Shards shards{256, 2, 1, 64};
  Listener listener{block.data()};
  WeightGather gather{
      listener, shards, block.data(), [this](const BlockRange &range) {
        listener.heard.push_back("arrived " + std::to_string(range.begin) +
                                 " " + std::to_string(range.count));
      }};
};
} // namespace

TEST_F(Gather, ABucketSetsOutOnceItsOwnPartIsUpdated) {
  ASSERT_TRUE(gather.updatedTo(63).ok());
  EXPECT_EQ(heard(), Lines{});
  ASSERT_TRUE(gather.updatedTo(64).ok());
  EXPECT_EQ(heard(), Lines{"gather 0 64"});
  ASSERT_TRUE(gather.updatedTo(192).ok());
  EXPECT_EQ(heard(), (Lines{"gather 64 64", "gather 128 64"}));
  ASSERT_TRUE(gather.updatedTo(256).ok());
  EXPECT_EQ(heard(), Lines{"gather 192 64"});
}

TEST_F(Gather, WhatIsReadComesFirst) {
  for (int update = 0; update < 2; ++update) {
    ASSERT_TRUE(gather.updatedTo(256).ok());
    heard();
    ASSERT_TRUE(gather.await(1).ok());
    EXPECT_EQ(heard(), (Lines{"join 1", "arrived 0 64"}));
    ASSERT_TRUE(gather.await(64).ok());
    EXPECT_EQ(heard(), Lines{});
    ASSERT_TRUE(gather.await(129).ok());
    EXPECT_EQ(heard(), (Lines{"join 3", "arrived 64 128"}));
    ASSERT_TRUE(gather.await(256).ok());
    EXPECT_EQ(heard(), (Lines{"join", "arrived 192 64"}));
    ASSERT_TRUE(gather.await(256).ok());
    EXPECT_EQ(heard(), Lines{});
  }
}

TEST_F(Gather, NothingIsAwaitedWhereNothingWasUpdated) {
  ASSERT_TRUE(gather.await(256).ok());
  EXPECT_EQ(heard(), Lines{});
}

TEST_F(Gather, ALostRankIsAnError) {
  listener.lost = true;
  EXPECT_EQ(gather.updatedTo(256).message(), "rank 1 is gone");
}
