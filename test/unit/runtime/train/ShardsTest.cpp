#include "runtime/train/Shards.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

TEST(Shards, OneRankHasAllInOneBucket) {
  Shards shards(16 * 1000, 1, 0, 160);
  ASSERT_EQ(shards.buckets().size(), 1u);
  ASSERT_EQ(shards.own().size(), 1u);
  EXPECT_EQ(shards.own()[0].range.begin, 0);
  EXPECT_EQ(shards.own()[0].range.count, 16000);
  EXPECT_EQ(shards.ownFloats(), 16000);
}

TEST(Shards, RanksTogetherHaveEveryFloatOnce) {
  for (int64_t ranks : {2, 3, 8})
    for (int64_t bucket : {1, 100, 1000, 1 << 20}) {
      const int64_t floats = Shards::multiple(ranks) * 37;
      std::vector<int> owners(static_cast<size_t>(floats));
      for (int64_t rank = 0; rank < ranks; ++rank) {
        Shards shards(floats, ranks, rank, bucket);
        EXPECT_EQ(shards.ownFloats(), floats / ranks);
        int64_t place = 0, end = 0;
        for (size_t i = 0; i < shards.buckets().size(); ++i) {
          const BlockRange &whole = shards.buckets()[i];
          const Shards::Part &part = shards.own()[i];
          EXPECT_EQ(whole.begin, end);
          end = whole.end();
          EXPECT_EQ(part.range.begin, whole.begin + rank * whole.count / ranks);
          EXPECT_EQ(part.range.count * ranks, whole.count);
          EXPECT_EQ(part.range.begin % 16, 0);
          EXPECT_EQ(part.place, place);
          place += part.range.count;
          for (int64_t f = part.range.begin; f < part.range.end(); ++f)
            ++owners[static_cast<size_t>(f)];
        }
        EXPECT_EQ(end, floats);
      }
      EXPECT_EQ(owners, std::vector<int>(static_cast<size_t>(floats), 1));
    }
}
