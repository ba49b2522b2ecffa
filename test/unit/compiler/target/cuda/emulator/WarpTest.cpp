//===- WarpTest.cpp - Shuffles, votes, conversions ------------------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace decay::cuda {
namespace {

std::vector<uint32_t>
results(const std::string &body,
        std::vector<uint32_t> data = std::vector<uint32_t>(64)) {
  Outcome run = runKernel(body + "\nllvm.store %r, %out : i32, !llvm.ptr<1>",
                          data, {.threads = 64});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  return data;
}

TEST(EmulatorWarp, ButterflySum) {
  std::string body = "%x0 = arith.uitofp %tid : i32 to f32\n";
  int step = 0;
  for (const char *distance : {"%c1", "%c2", "%c4", "%c8", "%c16"}) {
    const std::string from = "%x" + std::to_string(step),
                      i = std::to_string(++step);
    body += "%y" + i + " = nvvm.shfl.sync bfly %all, " + from + ", " +
            distance + ", %c31 : f32 -> f32\n%x" + i + " = arith.addf " + from +
            ", %y" + i + " : f32\n";
  }
  std::vector<uint32_t> got =
      results(body + "%r = arith.bitcast %x5 : f32 to i32");
  for (uint32_t t = 0; t < 64; ++t)
    EXPECT_EQ(std::bit_cast<float>(got[t]), t < 32 ? 496.f : 1520.f);
}

struct ShuffleRow {
  const char *kind;
  const char *clamp;
  uint32_t (*source)(uint32_t lane);
};
const ShuffleRow shuffles[] = {
    {"up", "%c0", [](uint32_t lane) { return lane < 5 ? lane : lane - 5; }},
    {"down", "%c31", [](uint32_t lane) { return lane > 26 ? lane : lane + 5; }},
    {"idx", "%c31", [](uint32_t) { return 5u; }},
    {"bfly", "%c31", [](uint32_t lane) { return lane ^ 5; }}};

TEST(EmulatorWarp, Shuffles) {
  for (const ShuffleRow &row : shuffles) {
    std::vector<uint32_t> got =
        results(std::string("%r = nvvm.shfl.sync ") + row.kind +
                " %all, %tid, %c5, " + row.clamp + " : i32 -> i32");
    for (uint32_t t = 0; t < 64; ++t)
      EXPECT_EQ(got[t], t / 32 * 32 + row.source(t % 32)) << row.kind << t;
  }
}

TEST(EmulatorWarp, ShuffleWithinSegmentsSaysWhatIsValid) {
  // Segments of 8 lanes: mask 0x18, clamp 0x1f.
  std::vector<uint32_t> got = results(R"(
    %segments = arith.constant 0x181f : i32
    %s = nvvm.shfl.sync down %all, %tid, %c5, %segments {return_value_and_is_valid}
      : i32 -> !llvm.struct<(i32, i1)>
    %v = llvm.extractvalue %s[0] : !llvm.struct<(i32, i1)>
    %p = llvm.extractvalue %s[1] : !llvm.struct<(i32, i1)>
    %e = arith.extui %p : i1 to i32
    %h = arith.muli %e, %c128 : i32
    %r = arith.addi %h, %v : i32)");
  for (uint32_t t = 0; t < 64; ++t)
    EXPECT_EQ(got[t], t % 8 < 3 ? 128 + t + 5 : t);
}

TEST(EmulatorWarp, Votes) {
  std::vector<uint32_t> got = results(R"(
    %p = arith.cmpi ult, %tid, %c5 : i32
    %b = nvvm.vote.sync ballot %all, %p -> i32
    %any = nvvm.vote.sync any %all, %p -> i1
    %z = arith.extui %any : i1 to i32
    %r = arith.addi %b, %z : i32)");
  EXPECT_EQ(got[0], 32u);
  EXPECT_EQ(got[63], 0u);
}

TEST(EmulatorWarp, PairsOfBfloat16) {
  std::vector<uint32_t> data(64);
  for (uint32_t i = 0; i < 64; ++i)
    data[i] = 0x3f800000 + i * 0x1234;
  data[7] = std::bit_cast<uint32_t>(std::nanf(""));
  data[8] = 0x7f7fffff; // rounds to infinity
  std::vector<uint32_t> got = results(R"(
    %x = llvm.load %out : !llvm.ptr<1> -> f32
    %one = arith.constant 2.0 : f32
    %v = nvvm.convert.f32x2.to.bf16x2 %x, %one {rnd = #nvvm.fp_rnd_mode<rn>} : vector<2xbf16>
    %r = llvm.bitcast %v : vector<2xbf16> to i32)",
                                      data);
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(got[i] & 0xffff, 0x4000u);
    const uint32_t bits = data[i];
    const uint32_t rest = bits & 0xffff, down = bits >> 16;
    const bool up = rest > 0x8000 || (rest == 0x8000 && down % 2);
    EXPECT_EQ(got[i] >> 16, i == 7 ? 0x7fffu : down + up) << i;
  }
}

TEST(EmulatorWarp, CastsOfFloats) {
  std::vector<uint32_t> got = results(R"(
    %x = arith.sitofp %tid : i32 to f32
    %k = arith.constant -1.7 : f32
    %y = arith.mulf %x, %k : f32
    %b = arith.truncf %y : f32 to bf16
    %w = arith.extf %b : bf16 to f32
    %h = arith.bitcast %b : bf16 to i16
    %s = arith.extsi %h : i16 to i32
    %hi = arith.shli %s, %c16 : i32
    %f = arith.bitcast %hi : i32 to f32
    %d = arith.subf %w, %f : f32
    %n = arith.fptosi %y : f32 to i32
    %m = arith.fptosi %d : f32 to i32
    %r = arith.addi %n, %m : i32)");
  for (int t = 0; t < 64; ++t)
    EXPECT_EQ(static_cast<int>(got[static_cast<size_t>(t)]),
              static_cast<int>(static_cast<float>(t) * -1.7f));
}

} // namespace
} // namespace decay::cuda
