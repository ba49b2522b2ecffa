//===- MatrixTest.cpp - Tensor cores and their loads ----------------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <bit>

namespace decay::cuda {
namespace {

uint32_t brain(float value) { return std::bit_cast<uint32_t>(value) >> 16; }
float real(uint32_t bits) { return std::bit_cast<float>(bits); }

/// Two bfloat16 to a word, the first in the lower half.
void append(std::vector<uint32_t> &words, const std::vector<float> &values) {
  for (size_t i = 0; i < values.size(); i += 2)
    words.push_back(brain(values[i]) | brain(values[i + 1]) << 16);
}

// %row and %column: where the lane's row of 8 begins in a matrix of 16 by 16
// that is loaded by four tiles: the lower 16 lanes those of the first columns.
const char *const place = R"(
  %low = arith.remui %lane, %c16 : i32
  %high = arith.divui %lane, %c16 : i32
  %rowBytes = arith.muli %low, %c32 : i32
  %columnBytes = arith.muli %high, %c16 : i32
  %tileBytes = arith.addi %rowBytes, %columnBytes : i32
)";

const char *const stage = R"(
  %words = arith.muli %lane, %c4 : i32
  %from = llvm.getelementptr %data[%words] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %to = llvm.getelementptr %dyn[%words] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %fromB = llvm.getelementptr %from[128] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  %toB = llvm.getelementptr %to[128] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32
  %va = llvm.load %from {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
  %vb = llvm.load %fromB {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
  llvm.store %va, %to {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
  llvm.store %vb, %toB {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
  nvvm.bar.warp.sync %all : i32
  %pa = llvm.getelementptr %dyn[%tileBytes] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
  %pb = llvm.getelementptr %pa[512] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
)";

std::string ldexactNumbers(const std::string &name, const std::string &layout) {
  return "%" + name + " = nvvm.ldmatrix %p" + name +
         " {num = 4 : i32, layout = #nvvm.mma_layout<" + layout +
         ">, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
         "#nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> "
         "!llvm.struct<(i32, i32, i32, i32)>\n" +
         [&] {
           std::string parts;
           for (const char *i : {"0", "1", "2", "3"})
             parts += "%" + name + i + " = llvm.extractvalue %" + name + "[" +
                      i + "] : !llvm.struct<(i32, i32, i32, i32)>\n";
           return parts;
         }();
}

std::string multiply(const std::string &result, const std::string &b0,
                     const std::string &b1) {
  return "%" + result + " = nvvm.mma.sync A[%a0, %a1, %a2, %a3] B[%" + b0 +
         ", %" + b1 +
         "] C[%f, %f, %f, %f] {layoutA = #nvvm.mma_layout<row>, layoutB = "
         "#nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<bf16>, "
         "multiplicandBPtxType = #nvvm.mma_type<bf16>, shape = #nvvm.shape<m = "
         "16, n = 8, k = 16>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, "
         "f32, f32)>\n";
}

/// Stores the lane's four sums to data[256 + row * 16 + column].
std::string store(const std::string &result, int column) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const std::string n = result + std::to_string(i);
    text += "%v" + n + " = llvm.extractvalue %" + result + "[" +
            std::to_string(i) + "] : !llvm.struct<(f32, f32, f32, f32)>\n%p" +
            n + " = llvm.getelementptr %sum[" +
            std::to_string(256 + column + i / 2 * 128 + i % 2) +
            "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32\nllvm.store %v" + n +
            ", %p" + n + " : f32, !llvm.ptr<1>\n";
  }
  return text;
}

void expectProduct(bool transposed) {
  const std::vector<float> a = exactNumbers(256, 1), b = exactNumbers(256, 2);
  std::vector<float> stored = b;
  if (!transposed) // the loads expect B by columns
    for (size_t k = 0; k < 16; ++k)
      for (size_t n = 0; n < 16; ++n)
        stored[n * 16 + k] = b[k * 16 + n];
  std::vector<uint32_t> data;
  append(data, a);
  append(data, stored);
  data.resize(512);
  // By rows, the tiles come as (n, k), by columns as (k, n).
  const std::string parts = transposed ? "1" : "2",
                    other = transposed ? "2" : "1";
  Outcome run =
      runKernel(std::string(place) + stage + ldexactNumbers("a", "row") +
                    ldexactNumbers("b", transposed ? "col" : "row") +
                    "%f = arith.constant 0.5 : f32\n" +
                    multiply("d", "b0", "b" + parts) +
                    multiply("e", "b" + other, "b3") + R"(
  %g = arith.divui %lane, %c4 : i32
  %q = arith.remui %lane, %c4 : i32
  %g16 = arith.muli %g, %c16 : i32
  %q2 = arith.muli %q, %c2 : i32
  %o = arith.addi %g16, %q2 : i32
  %sum = llvm.getelementptr %data[%o] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
)" + store("d", 0) + store("e", 8),
                data, {.sharedBytes = 1024});
  ASSERT_EQ(run.error, "");
  ASSERT_EQ(run.report.faultText(), "");
  for (size_t i = 0; i < 16; ++i)
    for (size_t j = 0; j < 16; ++j) {
      float expected = 0.5f;
      for (size_t k = 0; k < 16; ++k)
        expected += a[i * 16 + k] * b[k * 16 + j];
      ASSERT_EQ(real(data[256 + i * 16 + j]), expected) << i << " " << j;
    }
  EXPECT_EQ(run.report.executed("nvvm.mma.sync"), 64);
  EXPECT_EQ(run.report.executed("nvvm.ldmatrix"), 64);
}

TEST(EmulatorMatrix, ProductOfTransposedTiles) { expectProduct(true); }
TEST(EmulatorMatrix, ProductOfTilesByRows) { expectProduct(false); }

/// What ldmatrix gave, stmatrix puts back: the layouts undo each other.
void expectRoundTrip(const std::string &load, const std::string &save) {
  std::vector<uint32_t> data;
  append(data, exactNumbers(256, 3));
  append(data, exactNumbers(256, 4));
  const std::vector<uint32_t> before = data;
  Outcome run = runKernel(
      std::string(place) + stage + ldexactNumbers("a", load) +
          "nvvm.stmatrix %pb, %a0, %a1, %a2, %a3 {layout = #nvvm.mma_layout<" +
          save +
          ">, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
          "#nvvm.ld_st_matrix_elt_type<b16>} : !llvm.ptr<3>, i32, i32, i32, "
          "i32\nnvvm.bar.warp.sync %all : i32\n"
          "%vr = llvm.load %toB {alignment = 16 : i64} : !llvm.ptr<3> -> "
          "vector<4xi32>\nllvm.store %vr, %from {alignment = 16 : i64} : "
          "vector<4xi32>, !llvm.ptr<1>\n",
      data, {.sharedBytes = 1024});
  ASSERT_EQ(run.error, "");
  ASSERT_EQ(run.report.faultText(), "");
  auto element = [](const std::vector<uint32_t> &words, size_t i) {
    return words[i / 2] >> (i % 2 * 16) & 0xffff;
  };
  for (size_t i = 0; i < 256; ++i) {
    // Of each tile of 8 by 8, the transpose if the layouts differ.
    const size_t row = i / 16, column = i % 16;
    const size_t there =
        row / 8 * 128 + column % 8 * 16 + column / 8 * 8 + row % 8;
    ASSERT_EQ(element(data, i), element(before, load == save ? i : there)) << i;
  }
}

TEST(EmulatorMatrix, StoreUndoesLoad) {
  expectRoundTrip("row", "row");
  expectRoundTrip("col", "col");
  expectRoundTrip("row", "col");
  expectRoundTrip("col", "row");
}

TEST(EmulatorMatrix, OneAndTwoTiles) {
  std::vector<uint32_t> data;
  append(data, exactNumbers(256, 5));
  append(data, exactNumbers(256, 6));
  const std::vector<uint32_t> before = data;
  const std::string common =
      ", shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
      "#nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> ";
  Outcome run =
      runKernel(std::string(place) + stage +
                    "%x = nvvm.ldmatrix %pa {num = 1 : i32, layout = "
                    "#nvvm.mma_layout<row>" +
                    common + "i32\n" +
                    "%y = nvvm.ldmatrix %pa {num = 2 : i32, layout = "
                    "#nvvm.mma_layout<row>" +
                    common + "!llvm.struct<(i32, i32)>\n" +
                    R"(%y1 = llvm.extractvalue %y[1] : !llvm.struct<(i32, i32)>
  llvm.store %x, %out : i32, !llvm.ptr<1>
  %second = llvm.getelementptr %out[32] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  llvm.store %y1, %second : i32, !llvm.ptr<1>
)",
                data, {.sharedBytes = 1024});
  ASSERT_EQ(run.error, "");
  ASSERT_EQ(run.report.faultText(), "");
  for (size_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(data[lane], before[lane / 4 * 8 + lane % 4]);
    EXPECT_EQ(data[32 + lane], before[64 + lane / 4 * 8 + lane % 4]);
  }
}

} // namespace
} // namespace decay::cuda
