//===- MemoryTest.cpp - Loads, stores, addresses, parameters --------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <bit>

namespace decay::cuda {
namespace {

struct Parameters {
  float scale;
  float *data;
  int32_t table[3];
  int8_t small;
  int64_t wide;
};

TEST(EmulatorMemory, StructureByValue) {
  std::vector<float> data(32, 1.f);
  Parameters parameters{2.5f, data.data(), {10, 20, 30}, -3, 1000};
  const std::string type = "!llvm.struct<(f32, ptr, array<3 x i32>, i8, i64)>";
  const std::string gep = " = llvm.getelementptr %p[0, ";
  Outcome run =
      runFunction("%p: !llvm.ptr {llvm.byval = " + type +
                      ", nvvm.grid_constant}, %k: i32, %x: f32, %l: i64",
                  "%scale = llvm.load %p : !llvm.ptr -> f32\n"
                  "%pd" +
                      gep + "1] : (!llvm.ptr) -> !llvm.ptr, " + type +
                      "\n"
                      "%pt" +
                      gep + "2, %k] : (!llvm.ptr, i32) -> !llvm.ptr, " + type +
                      "\n"
                      "%ps" +
                      gep + "3] : (!llvm.ptr) -> !llvm.ptr, " + type +
                      "\n"
                      "%pw" +
                      gep + "4] : (!llvm.ptr) -> !llvm.ptr, " + type + R"(
      %g = llvm.load %pd : !llvm.ptr -> !llvm.ptr
      %data = llvm.addrspacecast %g : !llvm.ptr to !llvm.ptr<1>
      %t = llvm.load %pt : !llvm.ptr -> i32
      %s8 = llvm.load %ps : !llvm.ptr -> i8
      %s = arith.extsi %s8 : i8 to i32
      %w = llvm.load %pw : !llvm.ptr -> i64
      %lw = arith.addi %l, %w : i64
      %w32 = arith.trunci %lw : i64 to i32
      %a = arith.addi %t, %s : i32
      %b = arith.addi %a, %w32 : i32
      %f = arith.sitofp %b : i32 to f32
      %h = arith.mulf %f, %scale : f32
      %r = arith.addf %h, %x : f32
      %tid = nvvm.read.ptx.sreg.tid.x : i32
      %out = llvm.getelementptr %data[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      llvm.store %r, %out : f32, !llvm.ptr<1>
)",
                  {},
                  {Argument::byValue(parameters), Argument::i32(1),
                   Argument::f32(0.25f), Argument::i64(1LL << 40)},
                  GlobalRange{data.data(), 128, true, "data"});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  EXPECT_EQ(data[31], (20 - 3 + 1000) * 2.5f + 0.25f);
}

TEST(EmulatorMemory, ArgumentsMustSuit) {
  EXPECT_NE(runFunction("%a: i32", "", {}, Argument::i64(1), {}).error, "");
  EXPECT_NE(runFunction("%a: i32", "", {}, {}, {}).error, "");
  const char bytes[3] = {};
  EXPECT_NE(runFunction("%a: !llvm.ptr {llvm.byval = i64}", "", {},
                        Argument::bytes(bytes, 3), {})
                .error,
            "");
  EXPECT_NE(runFunction("", "", {.threads = 33}, {}, {}).error, "");
}

TEST(EmulatorMemory, EverySizeThroughSharedMemory) {
  // Each thread turns 16 bytes around in shared memory, by ever larger parts.
  std::vector<uint32_t> data(32 * 4);
  for (uint32_t i = 0; i < data.size(); ++i)
    data[i] = i * 0x9e3779b1;
  const std::vector<uint32_t> before = data;
  std::string body = R"(
    %four = arith.muli %tid, %c4 : i32
    %g = llvm.getelementptr %data[%four] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
    %s = llvm.getelementptr %dyn[%four] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
    %s4 = llvm.getelementptr %s[4] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
    %s6 = llvm.getelementptr %s[6] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
    %s7 = llvm.getelementptr %s[7] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
    %s8 = llvm.getelementptr %s[8] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
    %v = llvm.load %g {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
    llvm.store %v, %s {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
    %b = llvm.load %s7 : !llvm.ptr<3> -> i8
    %h = llvm.load %s4 : !llvm.ptr<3> -> bf16
    %w = llvm.load %s : !llvm.ptr<3> -> i32
    %d = llvm.load %s8 {alignment = 8 : i64} : !llvm.ptr<3> -> i64
    llvm.store %b, %s4 : i8, !llvm.ptr<3>
    llvm.store %h, %s6 : bf16, !llvm.ptr<3>
    llvm.store %w, %s8 : i32, !llvm.ptr<3>
    %generic = llvm.addrspacecast %s : !llvm.ptr<3> to !llvm.ptr
    llvm.store %d, %generic {alignment = 8 : i64} : i64, !llvm.ptr
    %back = llvm.addrspacecast %generic : !llvm.ptr to !llvm.ptr<3>
    %r = llvm.load %back {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xi32>
    llvm.store %r, %g {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
)";
  Outcome run = runKernel(body, data, {.sharedBytes = 512});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  for (uint32_t t = 0; t < 32; ++t) {
    const uint32_t *was = &before[4 * t], *is = &data[4 * t];
    EXPECT_EQ(is[0], was[2]);
    EXPECT_EQ(is[1], was[3]); // the wide store is the last
    EXPECT_EQ(is[2], was[0]);
    EXPECT_EQ(is[3], was[3]);
  }
}

/// The lanes below 7 store: others leave what is there, though their addresses
/// lead nowhere.
TEST(EmulatorMemory, StoresUnderACondition) {
  std::vector<uint32_t> data(256, 9);
  const std::string body = R"(
    %four = arith.constant 4 : i32
    %seven = arith.constant 7 : i32
    %far = arith.constant 1000000 : i32
    %p = arith.cmpi ult, %tid, %seven : i32
    %index = arith.select %p, %tid, %far : i32
    %to = llvm.getelementptr %data[%index] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
    llvm.inline_asm has_side_effects asm_dialect = att
      "@$2 st.global.b32 [$0], $1;", "l,r,b" %to, %tid, %p : (!llvm.ptr<1>, i32, i1) -> ()
    %by4 = arith.muli %index, %four : i32
    %row = llvm.getelementptr %data[%by4] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
    %rows = llvm.getelementptr %row[128] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    llvm.inline_asm has_side_effects asm_dialect = att
      "@$5 st.global.v4.b32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r,b" %rows, %tid, %four, %seven, %tid, %p
      : (!llvm.ptr<1>, i32, i32, i32, i32, i1) -> ()
)";
  Outcome run = runKernel(body, data, {});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  for (uint32_t t = 0; t < 32; ++t) {
    EXPECT_EQ(data[t], t < 7 ? t : 9u);
    const uint32_t expected[] = {t, 4, 7, t};
    for (size_t part = 0; part < 4; ++part)
      EXPECT_EQ(data[128 + 4 * t + part], t < 7 ? expected[part] : 9u);
  }
}

TEST(EmulatorMemory, AtomicsOnGlobalMemory) {
  std::vector<uint32_t> data(64);
  Outcome run = runKernel(R"(
    %one = llvm.getelementptr %data[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    %two = llvm.getelementptr %data[2] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    %x = arith.uitofp %tid : i32 to f32
    %a = llvm.atomicrmw add %data, %tid monotonic : !llvm.ptr<1>, i32
    %b = llvm.atomicrmw fadd %one, %x monotonic : !llvm.ptr<1>, f32
    %c = llvm.atomicrmw umax %two, %tid monotonic : !llvm.ptr<1>, i32)",
                          data, {.x = 2, .threads = 64});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  EXPECT_EQ(data[0], 4032u);
  EXPECT_EQ(std::bit_cast<float>(data[1]), 4032.f);
  EXPECT_EQ(data[2], 63u);
}

TEST(EmulatorMemory, SharedCostOfAColumn) {
  std::vector<uint32_t> data(32);
  Outcome run = runKernel(R"(
    %far = arith.muli %tid, %c32 : i32
    %p = llvm.getelementptr %dyn[%far] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
    llvm.store %tid, %p : i32, !llvm.ptr<3>
    llvm.store %tid, %mine : i32, !llvm.ptr<3>)",
                          data, {.sharedBytes = 4096});
  ASSERT_EQ(run.report.shared.size(), 2u);
  EXPECT_EQ(run.report.shared[0].wavefronts, 32);
  EXPECT_EQ(run.report.shared[0].least, 1);
  EXPECT_EQ(run.report.shared[1].wavefronts, 1);
  EXPECT_EQ(run.report.wavefronts(), 33);
  EXPECT_NE(run.report.costText().find("32 wavefronts"), std::string::npos);
}

} // namespace
} // namespace decay::cuda
