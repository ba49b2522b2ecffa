//===- GroupMatrixTest.cpp - Products of four warps -----------------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

namespace decay::cuda {
namespace {

constexpr size_t rows = 64, depth = 16, columns = 32;
constexpr size_t factorBytes = 8192, factorWords = factorBytes / 4;

/// One factor: its layout in shared memory.
struct Layout {
  const char *name;
  bool isAcross, isSwizzled;
};
const Layout layouts[] = {{"along, swizzled", false, true},
                          {"across, swizzled", true, true},
                          {"along, in cores", false, false},
                          {"across, in cores", true, false}};

// Strides of cores that are no multiple of each other, in bytes.
constexpr size_t ofRows = 256, ofSum = 2304;

/// Byte offset of number k of the sum in row i: see the PTX manual's canonical
/// layouts.
size_t placeOf(const Layout &layout, size_t i, size_t k) {
  const size_t across = layout.isAcross ? k : i,
               along = layout.isAcross ? i : k;
  if (!layout.isSwizzled)
    return i / 8 * ofRows + k / 8 * ofSum + across % 8 * 16 + along % 8 * 2;
  const size_t piece = along / 8 ^ across % 8;
  return across * 128 + piece * 16 + along % 8 * 2;
}

uint64_t descriptorOf(const Layout &layout, size_t start) {
  // Along, the cores of the next numbers of the sum come first; across, those
  // of the next ones too.
  const uint64_t leading = layout.isSwizzled ? 0 : ofSum;
  const uint64_t stride = layout.isSwizzled ? 1024 : ofRows;
  return start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 |
         (layout.isSwizzled ? uint64_t(1) << 62 : 0);
}

std::string sums() {
  std::string list = "!llvm.struct<(f32";
  for (size_t i = 1; i < columns / 2; ++i)
    list += ", f32";
  return list + ")>";
}

/// Both factors come from %data, with the descriptors behind them; each thread
/// puts its sums there. `fence` is what stands before the barrier.
std::string kernel(const Layout &left, const Layout &right,
                   const std::string &fence) {
  std::string text = R"(
  %unit = arith.muli %tid, %c16 : i32
  %from = llvm.getelementptr %data[%unit] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i8
  %to = llvm.getelementptr %dyn[%unit] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
)";
  for (size_t i = 0; i < 2 * factorBytes / 2048; ++i) {
    const std::string n = std::to_string(i), at = std::to_string(i * 2048);
    text += "%f" + n + " = llvm.getelementptr %from[" + at +
            "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8\n%t" + n +
            " = llvm.getelementptr %to[" + at +
            "] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n%w" + n +
            " = llvm.load %f" + n +
            " {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>\n"
            "llvm.store %w" +
            n + ", %t" + n +
            " {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>\n";
  }
  auto word = [](bool isAlong) { return isAlong ? "<row>" : "<col>"; };
  text += fence + "nvvm.barrier0\n" + "%pa = llvm.getelementptr %data[" +
          std::to_string(2 * factorWords) +
          "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n"
          "%pb = llvm.getelementptr %pa[2] : (!llvm.ptr<1>) -> !llvm.ptr<1>, "
          "i32\n"
          "%a = llvm.load %pa : !llvm.ptr<1> -> i64\n"
          "%b = llvm.load %pb : !llvm.ptr<1> -> i64\n"
          "%none = llvm.mlir.poison : " +
          sums() + "\nnvvm.wgmma.fence.aligned\n";
  for (const char *step : {"zero", "one"})
    text += std::string(step == std::string("zero") ? "%x" : "%y") +
            " = nvvm.wgmma.mma_async %a, %b, " +
            (step == std::string("zero") ? "%none" : "%x") +
            ", <m = 64, n = 32, k = 16>, D[<f32>, <" + step +
            ">], A[<bf16>, <one>, " + word(!left.isAcross) +
            "], B[<bf16>, <one>, " + word(right.isAcross) + "] : " + sums() +
            " -> " + sums() + "\n";
  text += "nvvm.wgmma.commit.group.sync.aligned\n"
          "%own = arith.muli %tid, %c16 : i32\n"
          "%sum = llvm.getelementptr %data[%own] : (!llvm.ptr<1>, i32) -> "
          "!llvm.ptr<1>, i32\n";
  for (size_t i = 0; i < columns / 2; ++i) {
    const std::string n = std::to_string(i);
    text += "%v" + n + " = llvm.extractvalue %y[" + n + "] : " + sums() +
            "\n%q" + n + " = llvm.getelementptr %sum[" + n +
            "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32\nllvm.store %v" + n +
            ", %q" + n + " : f32, !llvm.ptr<1>\n";
  }
  return text;
}

struct Case {
  std::vector<float> a = exactNumbers(rows * depth, 1),
                     b = exactNumbers(columns * depth, 2);
  std::vector<uint32_t> data = std::vector<uint32_t>(2 * factorWords + 4);

  Case(const Layout &left, const Layout &right) {
    auto *bytes = reinterpret_cast<char *>(data.data());
    auto put = [&](const Layout &layout, const std::vector<float> &numbers,
                   size_t start) {
      for (size_t i = 0; i < numbers.size(); ++i) {
        const auto bits =
            static_cast<uint16_t>(std::bit_cast<uint32_t>(numbers[i]) >> 16);
        std::memcpy(bytes + start + placeOf(layout, i / depth, i % depth),
                    &bits, sizeof bits);
      }
    };
    put(left, a, 0);
    put(right, b, factorBytes);
    const uint64_t descriptors[] = {descriptorOf(left, 0),
                                    descriptorOf(right, factorBytes)};
    std::memcpy(&data[2 * factorWords], descriptors, sizeof descriptors);
  }
};

constexpr const char *fenceText =
    "nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = "
    "#nvvm.shared_space<cta>}\n";

TEST(EmulatorGroupMatrix, ProductsInEveryLayout) {
  for (const Layout &left : layouts)
    for (const Layout &right : layouts) {
      Case given(left, right);
      Outcome run = runKernel(kernel(left, right, fenceText), given.data,
                              {.threads = 128, .sharedBytes = 16384});
      ASSERT_EQ(run.error, "") << left.name << ", " << right.name;
      ASSERT_EQ(run.report.faultText(), "") << left.name << ", " << right.name;
      for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j) {
          float expected = 0;
          for (size_t k = 0; k < depth; ++k)
            expected += 2 * given.a[i * depth + k] * given.b[j * depth + k];
          const size_t lane = i % 8 * 4 + j % 8 / 2;
          const size_t index = j / 8 * 4 + i % 16 / 8 * 2 + j % 2;
          const size_t thread = i / 16 * 32 + lane;
          ASSERT_EQ(std::bit_cast<float>(given.data[thread * 16 + index]),
                    expected)
              << left.name << ", " << right.name << ": " << i << " " << j;
        }
    }
}

TEST(EmulatorGroupMatrix, WhatIsReadMustBeFenced) {
  Case given(layouts[0], layouts[0]);
  Outcome run = runKernel(kernel(layouts[0], layouts[0], ""), given.data,
                          {.threads = 128, .sharedBytes = 16384});
  ASSERT_EQ(run.error, "");
  ASSERT_FALSE(run.report.faults.empty());
  EXPECT_EQ(run.report.faults[0].what,
            "unfenced: reads what thread 0 wrote, without "
            "a proxy fence between");
}

TEST(EmulatorGroupMatrix, FourWarpsTakePart) {
  Case given(layouts[0], layouts[0]);
  Outcome run = runKernel(kernel(layouts[0], layouts[0], fenceText), given.data,
                          {.threads = 64, .sharedBytes = 16384});
  ASSERT_EQ(run.error, "");
  ASSERT_FALSE(run.report.faults.empty());
  EXPECT_EQ(run.report.faults[0].what,
            "divergent group: 2 of four warps take part");
}

/// A copy out of shared memory takes its bytes as late as it may.
void expectCopied(const std::string &between, uint32_t expected) {
  std::vector<uint32_t> data(64, 7);
  Outcome run = runKernel("llvm.store %tid, %mine : i32, !llvm.ptr<3>\n" +
                              std::string(fenceText) +
                              R"(nvvm.barrier0
  %bytes = arith.constant 128 : i32
  %is = arith.cmpi eq, %tid, %c0 : i32
  %to = llvm.getelementptr %data[32] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  scf.if %is {
    nvvm.cp.async.bulk.global.shared.cta %to, %dyn, %bytes : !llvm.ptr<1>, !llvm.ptr<3>
    nvvm.cp.async.bulk.commit.group
  })" + between,
                          data, {.threads = 32, .sharedBytes = 1024});
  ASSERT_EQ(run.error, "");
  ASSERT_EQ(run.report.faultText(), "");
  EXPECT_EQ(data[32 + 5], expected) << between;
}

TEST(EmulatorGroupMatrix, CopiesOutEndWhenSomebodyWaits) {
  const std::string wait = "\nnvvm.cp.async.bulk.wait_group 0 {read}\n";
  const std::string change = "\nnvvm.bar.warp.sync %all : i32\nllvm.store "
                             "%c64, %mine : i32, !llvm.ptr<3>\n";
  expectCopied(wait, 5);
  expectCopied(wait + change, 5);
  expectCopied(change + wait, 64);
  expectCopied("", 7);
}

} // namespace
} // namespace decay::cuda
