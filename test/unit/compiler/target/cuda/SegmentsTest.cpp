//===- SegmentsTest.cpp - Into how many segments sequences are cut --------===//
#include "compiler/target/cuda/glue/Glue.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace {

/// A chunk takes a half more where sequences are cut; the launch before, one
/// chunk.
constexpr GlueSchedule schedule = {1, 100, 150, 100, 1, 0};
constexpr int64_t multiprocessors = 132;

int64_t chunksInSegment(int64_t items, int64_t chunks) {
  return glueSegmentChunks(&schedule, items, chunks, multiprocessors);
}

TEST(Segments, manyHeadsStayWhole) {
  EXPECT_EQ(chunksInSegment(256, 32), 32);
  EXPECT_EQ(chunksInSegment(132, 1024), 1024);
  EXPECT_EQ(chunksInSegment(100000, 1024), 1024);
}

TEST(Segments, fewHeadsFillTheCard) {
  // 16 heads in 8 segments are 128 blocks.
  EXPECT_EQ(chunksInSegment(16, 1024), 128);
  EXPECT_EQ(chunksInSegment(8, 32), 2);
}

TEST(Segments, shorterOnesGoBesideTheLastRound) {
  // Whole, 60 of 192 would wait for a second round. 192 of 24 chunks and 192 of
  // 8 are as many as 132 multiprocessors do in 48.
  EXPECT_EQ(chunksInSegment(192, 32), 24);
  // Two blocks to a multiprocessor: 24, and beside them three times 8.
  GlueSchedule pairs = schedule;
  pairs.blocks = 2;
  EXPECT_EQ(glueSegmentChunks(&pairs, 192, 32, multiprocessors), 24);
}

TEST(Segments, aBlockAloneInItsMultiprocessorIsFaster) {
  GlueSchedule pairs = schedule;
  pairs.blocks = 2;
  EXPECT_EQ(glueSegmentChunks(&pairs, 128, 32, multiprocessors), 32);
  EXPECT_EQ(glueSegmentChunks(&pairs, 384, 32, multiprocessors), 32);
}

TEST(Segments, shortSequencesAreNotWorthIt) {
  EXPECT_EQ(chunksInSegment(16, 1), 1);
  EXPECT_EQ(chunksInSegment(16, 2), 2);
}

TEST(Segments, moreTakesLongerWhereJointsAreDear) {
  GlueSchedule dear = schedule;
  dear.joint = 1000;
  EXPECT_GT(glueSegmentChunks(&dear, 1, 1024, multiprocessors),
            chunksInSegment(1, 1024));
}

TEST(Segments, launchesBehindArePaidForByAllButTheLast) {
  GlueSchedule behind = schedule;
  behind.behind = 40;
  EXPECT_EQ(glueSegmentChunks(&behind, 192, 32, multiprocessors), 32);
  EXPECT_EQ(glueSegmentChunks(&behind, 16, 1024, multiprocessors), 128);
}

TEST(Segments, coverTheSequence) {
  for (int64_t items : {1, 3, 16, 65, 131, 132, 200, 264, 265})
    for (int64_t chunks : {1, 2, 3, 31, 32, 33, 1000, 33554432}) {
      int64_t each = chunksInSegment(items, chunks);
      EXPECT_GE(each, 1);
      EXPECT_LE(each, chunks);
    }
}

TEST(Segments, lengthIsThatOfTheKernelForTheHeadDims) {
  GlueKernel kernels[3] = {};
  kernels[0].key = kernels[0].value = 64;
  kernels[1].key = kernels[1].value = 128;
  kernels[1].schedule = schedule;
  GlueEntry entry = {};
  entry.kernels = kernels;
  entry.kernel_count = std::size(kernels);
  DecayDims dims = {};
  dims.B = 1, dims.T = 65530, dims.H = 16, dims.K = dims.V = 128;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 128 * 64);
  // As if they were equally long; many stay whole.
  int64_t packed[17] = {};
  dims.cu_seqlens = packed, dims.sequences = 1;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 128 * 64);
  dims.sequences = 4, dims.H = 4;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 32 * 64);
  dims.sequences = 16, dims.H = 1;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 65530);
  dims.H = 16;
  dims.cu_seqlens = nullptr, dims.K = dims.V = 64;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 65530) << "no schedule";
  dims.T = 0;
  EXPECT_EQ(glueSegmentTokens(&entry, &dims), 1);
}

} // namespace
