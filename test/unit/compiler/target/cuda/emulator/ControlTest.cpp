//===- ControlTest.cpp - Loops and branches of single threads -------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

namespace decay::cuda {
namespace {

/// data[t] after the body, which defines %r, for `threads` threads.
std::vector<uint32_t> results(const std::string &body, int threads = 64) {
  std::vector<uint32_t> data(static_cast<size_t>(threads));
  Outcome run = runKernel(body + "\nllvm.store %r, %out : i32, !llvm.ptr<1>",
                          data, {.threads = threads});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  return data;
}

TEST(EmulatorControl, LoopCarriesValues) {
  // Fibonacci numbers: the yields swap what the loop carries.
  std::vector<uint32_t> got = results(R"(
    %p, %r = scf.for %i = %c0 to %tid step %c1
        iter_args(%a = %c0, %b = %c1) -> (i32, i32) : i32 {
      %c = arith.addi %a, %b : i32
      scf.yield %b, %c : i32, i32
    })");
  uint32_t a = 0, b = 1;
  for (uint32_t value : got) {
    EXPECT_EQ(value, b);
    a = std::exchange(b, a + b);
  }
}

TEST(EmulatorControl, YieldsSwap) {
  std::vector<uint32_t> got = results(R"(
    %r, %q = scf.for %i = %c0 to %tid step %c1
        iter_args(%a = %c3, %b = %c5) -> (i32, i32) : i32 {
      scf.yield %b, %a : i32, i32
    })");
  for (size_t t = 0; t < got.size(); ++t)
    EXPECT_EQ(got[t], t % 2 ? 5u : 3u);
}

TEST(EmulatorControl, LoopsByIndexAndFromNegative) {
  std::vector<uint32_t> got = results(R"(
    %n = arith.index_cast %tid : i32 to index
    %from = arith.constant -3 : index
    %step = arith.constant 2 : index
    %r = scf.for %i = %from to %n step %step iter_args(%sum = %c0) -> (i32) {
      %k = arith.index_cast %i : index to i32
      %s = arith.addi %sum, %k : i32
      scf.yield %s : i32
    })");
  for (int t = 0; t < 64; ++t) {
    int sum = 0;
    for (int i = -3; i < t; i += 2)
      sum += i;
    EXPECT_EQ(static_cast<int>(got[static_cast<size_t>(t)]), sum);
  }
}

TEST(EmulatorControl, BranchesWithResults) {
  std::vector<uint32_t> got = results(R"(
    %rest = arith.remui %tid, %c3 : i32
    %is0 = arith.cmpi eq, %rest, %c0 : i32
    %r = scf.if %is0 -> (i32) {
      %x = arith.muli %tid, %c2 : i32
      scf.yield %x : i32
    } else {
      %is1 = arith.cmpi eq, %rest, %c1 : i32
      %y = scf.if %is1 -> (i32) {
        scf.yield %c8 : i32
      } else {
        scf.yield %tid : i32
      }
      scf.yield %y : i32
    })");
  for (uint32_t t = 0; t < 64; ++t)
    EXPECT_EQ(got[t], t % 3 == 0 ? 2 * t : t % 3 == 1 ? 8 : t);
}

TEST(EmulatorControl, BranchWithoutElseInALoop) {
  std::vector<uint32_t> data(64);
  Outcome run = runKernel(R"(
    scf.for %i = %c0 to %c5 step %c1 : i32 {
      %odd = arith.andi %tid, %c1 : i32
      %is = arith.cmpi ne, %odd, %c0 : i32
      scf.if %is {
        %old = llvm.load %out : !llvm.ptr<1> -> i32
        %new = arith.addi %old, %i : i32
        llvm.store %new, %out : i32, !llvm.ptr<1>
      }
    })",
                          data, {.threads = 64});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  for (uint32_t t = 0; t < 64; ++t)
    EXPECT_EQ(data[t], t % 2 ? 10u : 0u);
  EXPECT_EQ(run.report.executed("llvm.store"), 5 * 32);
  EXPECT_EQ(run.report.threads, 64);
}

TEST(EmulatorControl, BlocksOfTheGrid) {
  std::vector<uint32_t> data(2 * 3 * 2 * 32);
  Outcome run = runKernel(R"(
    %x = nvvm.read.ptx.sreg.ctaid.x : i32
    %y = nvvm.read.ptx.sreg.ctaid.y : i32
    %z = nvvm.read.ptx.sreg.ctaid.z : i32
    %nx = nvvm.read.ptx.sreg.nctaid.x : i32
    %ny = nvvm.read.ptx.sreg.nctaid.y : i32
    %n = nvvm.read.ptx.sreg.ntid.x : i32
    %0 = arith.muli %z, %ny : i32
    %1 = arith.addi %0, %y : i32
    %2 = arith.muli %1, %nx : i32
    %3 = arith.addi %2, %x : i32
    %4 = arith.muli %3, %n : i32
    %5 = arith.addi %4, %tid : i32
    %p = llvm.getelementptr %data[%5] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
    llvm.store %5, %p : i32, !llvm.ptr<1>)",
                          data, {.x = 2, .y = 3, .z = 2});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  for (uint32_t i = 0; i < data.size(); ++i)
    EXPECT_EQ(data[i], i);
  EXPECT_EQ(run.report.blocks, 12);
}

TEST(EmulatorControl, WhileLoops) {
  // The steps of Collatz' sequence from t + 1.
  std::vector<uint32_t> got = results(R"(
    %n = arith.addi %tid, %c1 : i32
    %last, %r = scf.while (%x = %n, %steps = %c0) : (i32, i32) -> (i32, i32) {
      %more = arith.cmpi ne, %x, %c1 : i32
      scf.condition(%more) %x, %steps : i32, i32
    } do {
    ^bb0(%y: i32, %count: i32):
      %bit = arith.andi %y, %c1 : i32
      %odd = arith.cmpi eq, %bit, %c1 : i32
      %half = arith.shrui %y, %c1 : i32
      %three = arith.muli %y, %c3 : i32
      %up = arith.addi %three, %c1 : i32
      %z = arith.select %odd, %up, %half : i32
      %next = arith.addi %count, %c1 : i32
      scf.yield %z, %next : i32, i32
    })");
  for (uint32_t t = 0; t < 64; ++t) {
    uint32_t steps = 0;
    for (uint32_t x = t + 1; x != 1; ++steps)
      x = x % 2 ? 3 * x + 1 : x / 2;
    EXPECT_EQ(got[t], steps) << t;
  }
}

TEST(EmulatorControl, ALockLetsOneThreadInAtATime) {
  // data[0] is the lock, data[1] what it guards.
  std::vector<uint32_t> data(64);
  Outcome run = runKernel(R"(
    %guarded = llvm.getelementptr %data[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    %true = arith.constant true
    %w = scf.while (%waits = %true) : (i1) -> i1 {
      scf.condition(%waits) %waits : i1
    } do {
    ^bb0(%still: i1):
      %found = llvm.atomicrmw xchg %data, %c1 acquire : !llvm.ptr<1>, i32
      %isMine = arith.cmpi eq, %found, %c0 : i32
      scf.if %isMine {
        %old = llvm.load volatile %guarded : !llvm.ptr<1> -> i32
        %new = arith.addi %old, %c1 : i32
        llvm.store volatile %new, %guarded : i32, !llvm.ptr<1>
        llvm.fence release
        %was = llvm.atomicrmw xchg %data, %c0 release : !llvm.ptr<1>, i32
      }
      %again = arith.xori %isMine, %true : i1
      scf.yield %again : i1
    })",
                          data, {.x = 2, .threads = 64});
  ASSERT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  EXPECT_EQ(data[0], 0u);
  EXPECT_EQ(data[1], 128u);
}

TEST(EmulatorControl, UnknownOperationsAreErrors) {
  std::vector<uint32_t> data(32);
  Outcome run = runKernel("%x = math.ctpop %tid : i32", data, {});
  EXPECT_NE(run.error.find("does not know math.ctpop"), std::string::npos);
  run = runKernel("%x = llvm.inline_asm \"mov.u32 $0, $1;\", \"=r,r\" %tid : "
                  "(i32) -> i32",
                  data, {});
  EXPECT_NE(run.error.find("mov.u32"), std::string::npos) << run.error;
}

} // namespace
} // namespace decay::cuda
