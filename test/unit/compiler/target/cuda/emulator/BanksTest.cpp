//===- BanksTest.cpp - Wavefronts of known patterns -----------------------===//
#include "compiler/target/cuda/emulator/Banks.h"

#include <gtest/gtest.h>

namespace decay::cuda::emulator {
namespace {

struct Row {
  const char *name;
  unsigned bytes;
  uint32_t (*offset)(uint32_t lane);
  unsigned taken, least;
};

const Row rows[] = {
    {"neighbours", 4, [](uint32_t lane) { return lane * 4; }, 1, 1},
    {"one word for all", 4, [](uint32_t) { return 64u; }, 1, 1},
    {"every second word", 4, [](uint32_t lane) { return lane * 8; }, 2, 1},
    {"a column of 32", 4, [](uint32_t lane) { return lane * 128; }, 32, 1},
    {"a column of 33", 4, [](uint32_t lane) { return lane * 132; }, 1, 1},
    {"halves of words", 2, [](uint32_t lane) { return lane * 2; }, 1, 1},
    {"8 bytes", 8, [](uint32_t lane) { return lane * 8; }, 2, 2},
    {"8 bytes apart", 8, [](uint32_t lane) { return lane * 16; }, 4, 2},
    {"16 bytes", 16, [](uint32_t lane) { return lane * 16; }, 4, 4},
    {"rows of 128", 16, [](uint32_t lane) { return lane * 128; }, 32, 4},
    {"rows of 144", 16, [](uint32_t lane) { return lane * 144; }, 4, 4},
    {"swizzled rows of 128", 16,
     [](uint32_t lane) { return lane * 128 + (lane % 8) * 16; }, 4, 4}};

TEST(EmulatorBanks, Wavefronts) {
  for (const Row &row : rows) {
    uint32_t offsets[32];
    for (uint32_t lane = 0; lane < 32; ++lane)
      offsets[lane] = row.offset(lane);
    Wavefronts wavefronts = countWavefronts(offsets, ~uint32_t(0), row.bytes);
    EXPECT_EQ(wavefronts.taken, row.taken) << row.name;
    EXPECT_EQ(wavefronts.least, row.least) << row.name;
  }
}

TEST(EmulatorBanks, OnlyActiveLanesCount) {
  uint32_t offsets[32];
  for (uint32_t lane = 0; lane < 32; ++lane)
    offsets[lane] = lane * 128;
  EXPECT_EQ(countWavefronts(offsets, 0b1011, 4).taken, 3u);
  EXPECT_EQ(countWavefronts(offsets, 0xff, 16).taken, 8u);
}

TEST(EmulatorBanks, Sectors) {
  uint64_t addresses[32];
  for (uint64_t lane = 0; lane < 32; ++lane)
    addresses[lane] = 4096 + lane * 4;
  EXPECT_EQ(countSectors(addresses, ~uint32_t(0), 4), 4u);
  for (uint64_t lane = 0; lane < 32; ++lane)
    addresses[lane] = 4096 + lane * 64;
  EXPECT_EQ(countSectors(addresses, ~uint32_t(0), 4), 32u);
}

} // namespace
} // namespace decay::cuda::emulator
