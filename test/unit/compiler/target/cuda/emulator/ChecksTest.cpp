//===- ChecksTest.cpp - Each check fires, and only when it should ---------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

namespace decay::cuda {
namespace {

struct Row {
  const char *name;
  const char *body;
  int threads;
  const char *text; ///< of the only fault; null: none
};

#define NEXT                                                                   \
  "%other = arith.xori %tid, %c1 : i32\n"                                      \
  "%theirs = llvm.getelementptr %dyn[%other] : (!llvm.ptr<3>, i32) -> "        \
  "!llvm.ptr<3>, i32\n"
#define FAR                                                                    \
  "%other = arith.xori %tid, %c32 : i32\n"                                     \
  "%theirs = llvm.getelementptr %dyn[%other] : (!llvm.ptr<3>, i32) -> "        \
  "!llvm.ptr<3>, i32\n"
#define PUT "llvm.store %tid, %mine : i32, !llvm.ptr<3>\n"
#define PUT_THEIRS "llvm.store %tid, %theirs : i32, !llvm.ptr<3>\n"
#define GET "%got = llvm.load %theirs : !llvm.ptr<3> -> i32\n"
#define BARRIER "nvvm.barrier0\n"
#define WARP "nvvm.bar.warp.sync %all : i32\n"
#define COPY                                                                   \
  "nvvm.cp.async.shared.global %mine, %out, 4, cache = ca : !llvm.ptr<3>, "    \
  "!llvm.ptr<1>\nnvvm.cp.async.commit.group\n"
#define WAIT "nvvm.cp.async.wait.group 0\n"
#define FIRST_WARP "%is = arith.cmpi ult, %tid, %c32 : i32\n"

const Row rows[] = {
    {"global out of bounds",
     "%p = llvm.getelementptr %out[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n"
     "llvm.store %tid, %p : i32, !llvm.ptr<1>",
     64, "out of bounds: 4 bytes of no range that the kernel may touch"},
    {"misaligned",
     "%p = llvm.getelementptr %mine[2] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n"
     "llvm.store %tid, %p : i32, !llvm.ptr<3>",
     32, "misaligned: needs a multiple of 4"},
    {"shared out of bounds",
     "%p = llvm.getelementptr %mine[225] : (!llvm.ptr<3>) -> !llvm.ptr<3>, "
     "i32\n"
     "llvm.store %tid, %p : i32, !llvm.ptr<3>",
     32, "out of bounds: shared memory has 1024 bytes"},
    {"uninitialised", "%x = llvm.load %mine : !llvm.ptr<3> -> i32", 32,
     "uninitialised: reads shared memory that nobody wrote"},
    {"initialised", PUT "%x = llvm.load %mine : !llvm.ptr<3> -> i32", 32,
     nullptr},
    {"race in a warp", NEXT PUT GET, 32,
     "race: reads what thread 1 wrote, without a barrier between"},
    {"cured by the warp", NEXT PUT WARP GET, 32, nullptr},
    {"cured by a shuffle",
     NEXT PUT
     "%s = nvvm.shfl.sync idx %all, %tid, %c0, %c31 : i32 -> i32\n" GET,
     32, nullptr},
    {"race between warps", FAR PUT WARP GET, 64,
     "race: reads what thread 32 wrote, without a barrier between"},
    {"cured by a barrier", FAR PUT BARRIER GET, 64, nullptr},
    {"write after read", NEXT PUT WARP GET PUT, 32,
     "race: overwrites what thread 1 read, without a barrier between"},
    {"write after read, cured", NEXT PUT WARP GET WARP PUT, 32, nullptr},
    {"write after read of another warp", FAR PUT BARRIER GET WARP PUT, 64,
     "race: overwrites what thread 32 read, without a barrier between"},
    {"write after write", NEXT PUT PUT_THEIRS, 32,
     "race: overwrites what thread 1 wrote, without a barrier between"},
    {"all write one word", "llvm.store %c1, %dyn : i32, !llvm.ptr<3>", 32,
     "race: overwrites what thread 0 wrote, without a barrier between"},
    {"all read one word",
     "%is = arith.cmpi eq, %tid, %c0 : i32\n"
     "scf.if %is {\nllvm.store %c1, %dyn : i32, !llvm.ptr<3>\n}\n" BARRIER
     "%x = llvm.load %dyn : !llvm.ptr<3> -> i32\n" BARRIER
     "scf.if %is {\nllvm.store %c1, %dyn : i32, !llvm.ptr<3>\n}\n",
     64, nullptr},
    {"one writes what all read",
     "%is = arith.cmpi eq, %tid, %c0 : i32\n"
     "scf.if %is {\nllvm.store %c1, %dyn : i32, !llvm.ptr<3>\n}\n" BARRIER
     "%x = llvm.load %dyn : !llvm.ptr<3> -> i32\n"
     "scf.if %is {\nllvm.store %c1, %dyn : i32, !llvm.ptr<3>\n}\n",
     64,
     "race: overwrites what several threads read, without a barrier between"},
    {"copy pending", COPY "%x = llvm.load %mine : !llvm.ptr<3> -> i32\n", 32,
     "pending: touches what a cp.async of thread 0 has in flight"},
    {"copy overwritten", COPY PUT, 32,
     "pending: touches what a cp.async of thread 0 has in flight"},
    {"copy waited for",
     COPY WAIT "%x = llvm.load %mine : !llvm.ptr<3> -> i32\n", 32, nullptr},
    {"copy waited for by its thread alone", FAR COPY WAIT GET, 64,
     "race: reads what thread 32 wrote, without a barrier between"},
    {"copy waited for too late", FAR COPY BARRIER WAIT GET, 64,
     "race: reads what thread 32 wrote, without a barrier between"},
    {"copy waited for and a barrier", FAR COPY WAIT BARRIER GET, 64, nullptr},
    {"only the first of two copies",
     COPY
     "%far = llvm.getelementptr %mine[32] : (!llvm.ptr<3>) -> "
     "!llvm.ptr<3>, i32\n"
     "nvvm.cp.async.shared.global %far, %out, 4, cache = ca : !llvm.ptr<3>, "
     "!llvm.ptr<1>\nnvvm.cp.async.commit.group\n"
     "nvvm.cp.async.wait.group 1\n"
     "%x = llvm.load %mine : !llvm.ptr<3> -> i32\n"
     "%y = llvm.load %far : !llvm.ptr<3> -> i32\n",
     32, "pending: touches what a cp.async of thread 0 has in flight"},
    {"divergent barrier", FIRST_WARP "scf.if %is {\n" BARRIER "}", 64,
     "divergent barrier: 64 threads must arrive, 32 do"},
    {"named barrier of those that are there",
     FIRST_WARP "scf.if %is {\n"
                "nvvm.barrier id = %c1 number_of_threads = %c32\n}",
     64, nullptr},
    {"named barrier orders only its warps",
     FAR PUT FIRST_WARP "scf.if %is {\n"
                        "nvvm.barrier id = %c1 number_of_threads = %c32\n" GET
                        "}",
     64, "race: reads what thread 32 wrote, without a barrier between"},
    {"divergent shuffle",
     "%is = arith.cmpi ult, %tid, %c5 : i32\nscf.if %is {\n"
     "%s = nvvm.shfl.sync idx %all, %tid, %c0, %c31 : i32 -> i32\n}",
     32, "divergent warp: only lanes 0x0000001f of warp 0 arrive"},
    {"divergent warp barrier",
     "%is = arith.cmpi ult, %tid, %c5 : i32\nscf.if %is {\n" WARP "}", 32,
     "divergent warp: waits for lanes 0xffffffff, 0x0000001f arrive"},
    {"endless loop", "scf.for %i = %c0 to %c5 step %c0 : i32 {\n}\n", 32,
     "endless loop: its step is not positive"},
    {"uninitialised matrix",
     "%x = nvvm.ldmatrix %dyn {num = 1 : i32, layout = #nvvm.mma_layout<row>, "
     "shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
     "#nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> i32",
     32, "uninitialised: reads shared memory that nobody wrote"},
    {"misaligned matrix",
     "%p = llvm.getelementptr %dyn[%c8] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
     "i8\n"
     "%x = nvvm.ldmatrix %p {num = 1 : i32, layout = #nvvm.mma_layout<row>, "
     "shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
     "#nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> i32",
     32, "misaligned: needs a multiple of 16"}};

TEST(EmulatorChecks, EachFiresWhenItShould) {
  for (const Row &row : rows) {
    std::vector<uint32_t> data(64, 7);
    data.resize(static_cast<size_t>(row.threads));
    Outcome run = runKernel(row.body, data,
                            {.threads = row.threads, .sharedBytes = 1024});
    EXPECT_EQ(run.error, "") << row.name;
    if (!row.text) {
      EXPECT_EQ(run.report.faultText(), "") << row.name;
      continue;
    }
    ASSERT_EQ(run.report.faults.size(), 1u) << row.name << "\n"
                                            << run.report.faultText();
    EXPECT_EQ(run.report.faults[0].what, row.text) << row.name;
  }
}

TEST(EmulatorChecks, AFaultSaysWhere) {
  std::vector<uint32_t> data(64);
  Outcome run = runKernel(R"(
    %is = arith.cmpi uge, %tid, %c5 : i32
    scf.if %is {
      %x = llvm.load %mine : !llvm.ptr<3> -> i32
    })",
                          data, {.x = 3, .sharedBytes = 1024});
  ASSERT_EQ(run.report.faults.size(), 1u);
  const Fault &fault = run.report.faults[0];
  EXPECT_EQ(fault.thread, 5);
  EXPECT_EQ(fault.address, 20u);
  EXPECT_EQ(fault.block[0], 0);
  EXPECT_EQ(fault.times, 3 * 27);
  EXPECT_NE(fault.operation.find("llvm.load"), std::string::npos);
  EXPECT_NE(fault.text().find("thread 5"), std::string::npos);
}

TEST(EmulatorChecks, ReadOnlyRanges) {
  uint32_t word[32] = {};
  Outcome run =
      runFunction("%data: !llvm.ptr<1>",
                  prologue() + "llvm.store %tid, %out : i32, !llvm.ptr<1>", {},
                  Argument::pointer(word),
                  GlobalRange{word, sizeof word, false, "weights"});
  ASSERT_EQ(run.report.faults.size(), 1u);
  EXPECT_EQ(run.report.faults[0].what, "read-only: writes to weights");
  EXPECT_EQ(word[5], 0u);
}

TEST(EmulatorChecks, CopiesFillWithZeros) {
  std::vector<uint32_t> data(128, 9);
  Outcome run = runKernel(R"(
    %four = arith.muli %tid, %c4 : i32
    %to = llvm.getelementptr %dyn[%four] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
    %from = llvm.getelementptr %data[%four] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
    %is = arith.cmpi ult, %tid, %c16 : i32
    %count = arith.select %is, %c4, %c0 : i32
    nvvm.cp.async.shared.global %to, %from, 16, cache = cg, %count : !llvm.ptr<3>, !llvm.ptr<1>, i32
    nvvm.cp.async.commit.group
    nvvm.cp.async.wait.group 0
    %v = llvm.load %to {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
    llvm.store %v, %from {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>)",
                          data, {.sharedBytes = 512});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(data[i], i % 4 == 0 && i < 64 ? 9u : 0u) << i;
}

} // namespace
} // namespace decay::cuda
