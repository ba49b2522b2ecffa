//===- ArithmeticTest.cpp - Every lane computes what C++ does -------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace decay::cuda {
namespace {

/// f(a, b) of all pairs of `a` and `b`: a thread has data[t] and data[n + t],
/// and stores %r (an i32) to data[2 n + t].
std::vector<uint32_t> overPairs(const std::string &body,
                                const std::vector<uint32_t> &a,
                                const std::vector<uint32_t> &b) {
  const size_t pairs = a.size() * b.size(), n = (pairs + 31) / 32 * 32;
  std::vector<uint32_t> data(3 * n, 1);
  for (size_t i = 0; i < pairs; ++i) {
    data[i] = a[i / b.size()];
    data[n + i] = b[i % b.size()];
  }
  const std::string count = std::to_string(n);
  Outcome run =
      runKernel("%pb = llvm.getelementptr %out[" + count +
                    "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n" +
                    "%pr = llvm.getelementptr %out[" + std::to_string(2 * n) +
                    "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n"
                    "%a = llvm.load %out : !llvm.ptr<1> -> i32\n"
                    "%b = llvm.load %pb : !llvm.ptr<1> -> i32\n" +
                    body + "\nllvm.store %r, %pr : i32, !llvm.ptr<1>\n",
                data, {.threads = static_cast<int>(n)});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.report.faultText(), "");
  return {data.begin() + 2 * static_cast<ptrdiff_t>(n),
          data.begin() + static_cast<ptrdiff_t>(2 * n + pairs)};
}

const std::vector<uint32_t> integers = {
    0,      1,      2,      3,          7,          31,         32,
    0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xdeadbeef};

struct IntegerRow {
  const char *operation;
  uint32_t (*expected)(uint32_t a, uint32_t b);
};
int32_t s(uint32_t value) { return static_cast<int32_t>(value); }
uint32_t u(int64_t value) { return static_cast<uint32_t>(value); }
int64_t wide(uint32_t value) { return static_cast<int32_t>(value); }

const IntegerRow integerRows[] = {
    {"arith.addi", [](uint32_t a, uint32_t b) { return a + b; }},
    {"llvm.add", [](uint32_t a, uint32_t b) { return a + b; }},
    {"arith.subi", [](uint32_t a, uint32_t b) { return a - b; }},
    {"arith.muli", [](uint32_t a, uint32_t b) { return a * b; }},
    {"arith.andi", [](uint32_t a, uint32_t b) { return a & b; }},
    {"arith.ori", [](uint32_t a, uint32_t b) { return a | b; }},
    {"arith.xori", [](uint32_t a, uint32_t b) { return a ^ b; }},
    {"arith.minui", [](uint32_t a, uint32_t b) { return std::min(a, b); }},
    {"arith.maxui", [](uint32_t a, uint32_t b) { return std::max(a, b); }},
    {"arith.minsi",
     [](uint32_t a, uint32_t b) { return u(std::min(s(a), s(b))); }},
    {"arith.maxsi",
     [](uint32_t a, uint32_t b) { return u(std::max(s(a), s(b))); }},
    {"arith.shli", [](uint32_t a, uint32_t b) { return b < 32 ? a << b : 0; }},
    {"arith.shrui", [](uint32_t a, uint32_t b) { return b < 32 ? a >> b : 0; }},
    {"arith.shrsi",
     [](uint32_t a, uint32_t b) { return u(s(a) >> std::min(b, 31u)); }},
    {"arith.divui", [](uint32_t a, uint32_t b) { return b ? a / b : 0; }},
    {"arith.remui", [](uint32_t a, uint32_t b) { return b ? a % b : 0; }},
    {"arith.divsi",
     [](uint32_t a, uint32_t b) { return b ? u(wide(a) / wide(b)) : 0; }},
    {"arith.remsi",
     [](uint32_t a, uint32_t b) { return b ? u(wide(a) % wide(b)) : 0; }},
};

TEST(EmulatorArithmetic, Integers) {
  for (const IntegerRow &row : integerRows) {
    std::vector<uint32_t> got =
        overPairs(std::string("%r = ") + row.operation + " %a, %b : i32",
                  integers, integers);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_EQ(got[i], row.expected(integers[i / integers.size()],
                                     integers[i % integers.size()]))
          << row.operation << " " << i;
  }
}

TEST(EmulatorArithmetic, FunnelShift) {
  std::vector<uint32_t> got =
      overPairs("%s = arith.constant 16 : i32\n"
                "%r = llvm.intr.fshl(%a, %b, %s) : (i32, i32, i32) -> i32",
                integers, integers);
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], integers[i / integers.size()] << 16 |
                          integers[i % integers.size()] >> 16)
        << i;
}

TEST(EmulatorArithmetic, BytesOfTwoWords) {
  struct Row {
    uint32_t choice;
    uint32_t (*expected)(uint32_t a, uint32_t b);
  };
  const Row rows[] = {
      {0x3210, [](uint32_t a, uint32_t) { return a; }},
      {0x7654, [](uint32_t, uint32_t b) { return b; }},
      {0x5410, [](uint32_t a, uint32_t b) { return b << 16 | (a & 0xffff); }},
      {0x7632,
       [](uint32_t a, uint32_t b) { return (b & 0xffff0000) | a >> 16; }},
      // The upper bit asks for the byte's sign.
      {0x4bb3, [](uint32_t a, uint32_t b) {
         uint32_t sign = a >> 31 ? 0xff : 0;
         return b << 24 | sign << 16 | sign << 8 | a >> 24;
       }}};
  for (const Row &row : rows) {
    std::vector<uint32_t> got =
        overPairs("%s = arith.constant " + std::to_string(row.choice) +
                      " : i32\n%r = nvvm.prmt #nvvm.permute_mode<default> %s, "
                      "%a, %b : i32",
                  integers, integers);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_EQ(got[i], row.expected(integers[i / integers.size()],
                                     integers[i % integers.size()]))
          << std::hex << row.choice << " " << i;
  }
}

struct CompareRow {
  const char *predicate;
  bool (*expected)(uint32_t a, uint32_t b);
};
const CompareRow compareRows[] = {
    {"eq", [](uint32_t a, uint32_t b) { return a == b; }},
    {"ne", [](uint32_t a, uint32_t b) { return a != b; }},
    {"slt", [](uint32_t a, uint32_t b) { return s(a) < s(b); }},
    {"sle", [](uint32_t a, uint32_t b) { return s(a) <= s(b); }},
    {"sgt", [](uint32_t a, uint32_t b) { return s(a) > s(b); }},
    {"sge", [](uint32_t a, uint32_t b) { return s(a) >= s(b); }},
    {"ult", [](uint32_t a, uint32_t b) { return a < b; }},
    {"ule", [](uint32_t a, uint32_t b) { return a <= b; }},
    {"ugt", [](uint32_t a, uint32_t b) { return a > b; }},
    {"uge", [](uint32_t a, uint32_t b) { return a >= b; }}};

TEST(EmulatorArithmetic, Comparisons) {
  for (const CompareRow &row : compareRows) {
    const std::string predicate = row.predicate;
    std::vector<uint32_t> got = overPairs(
        "%p = arith.cmpi " + predicate + ", %a, %b : i32\n%q = llvm.icmp \"" +
            predicate +
            "\" %a, %b : i32\n%z = arith.select %p, %c1, %c0 : i32\n"
            "%y = arith.extui %q : i1 to i32\n%y2 = arith.shli %y, %c1 : i32\n"
            "%r = arith.ori %z, %y2 : i32",
        integers, integers);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_EQ(got[i], 3u * row.expected(integers[i / integers.size()],
                                          integers[i % integers.size()]))
          << row.predicate << " " << i;
  }
}

uint32_t f(float value) { return std::bit_cast<uint32_t>(value); }
float real(uint32_t bits) { return std::bit_cast<float>(bits); }

const std::vector<uint32_t> floats = {
    f(0.f),      f(-0.f),   f(1.f),   f(-1.f),          f(0.3f),
    f(-2.7f),    f(1e-40f), f(3e38f), f(INFINITY),      f(-INFINITY),
    f(1.00001f), f(12.5f),  f(NAN),   f(0x1.fffffep-1f)};

// Of a number and NaN the number; -0 is below +0.
float most(float x, float y) {
  return x == y ? (std::signbit(x) ? y : x) : std::fmax(x, y);
}
float least(float x, float y) {
  return x == y ? (std::signbit(x) ? x : y) : std::fmin(x, y);
}
bool unordered(float x, float y) { return std::isnan(x) || std::isnan(y); }

struct FloatRow {
  const char *body; ///< of %x and %y to %z
  float (*expected)(float x, float y);
};
const FloatRow floatRows[] = {
    {"arith.addf %x, %y : f32", [](float x, float y) { return x + y; }},
    {"arith.subf %x, %y : f32", [](float x, float y) { return x - y; }},
    {"arith.mulf %x, %y : f32", [](float x, float y) { return x * y; }},
    {"llvm.fmul %x, %y : f32", [](float x, float y) { return x * y; }},
    {"arith.divf %x, %y : f32", [](float x, float y) { return x / y; }},
    {"arith.negf %x : f32", [](float x, float) { return -x; }},
    {"arith.maxnumf %x, %y : f32", most},
    {"arith.minnumf %x, %y : f32", least},
    {"arith.maximumf %x, %y : f32",
     [](float x, float y) { return unordered(x, y) ? NAN : most(x, y); }},
    {"arith.minimumf %x, %y : f32",
     [](float x, float y) { return unordered(x, y) ? NAN : least(x, y); }},
    {"math.fma %x, %y, %x : f32",
     [](float x, float y) { return std::fma(x, y, x); }},
    {"math.absf %x : f32", [](float x, float) { return std::fabs(x); }},
    {"math.copysign %x, %y : f32",
     [](float x, float y) { return std::copysign(x, y); }},
    {"math.exp %x : f32", [](float x, float) { return std::exp(x); }},
    {"math.exp2 %x : f32", [](float x, float) { return std::exp2(x); }},
    {"math.expm1 %x : f32", [](float x, float) { return std::expm1(x); }},
    {"math.log %x : f32", [](float x, float) { return std::log(x); }},
    {"math.log2 %x : f32", [](float x, float) { return std::log2(x); }},
    {"math.log1p %x : f32", [](float x, float) { return std::log1p(x); }},
    {"math.sqrt %x : f32", [](float x, float) { return std::sqrt(x); }},
    {"math.rsqrt %x : f32", [](float x, float) { return 1 / std::sqrt(x); }},
    {"math.tanh %x : f32", [](float x, float) { return std::tanh(x); }},
    {"math.sin %x : f32", [](float x, float) { return std::sin(x); }},
    {"math.cos %x : f32", [](float x, float) { return std::cos(x); }},
    {"math.powf %x, %y : f32", [](float x, float y) { return std::pow(x, y); }},
    {"llvm.inline_asm \"tanh.approx.f32 $0, $1;\", \"=f,f\" %x : (f32) -> f32",
     [](float x, float) { return std::tanh(x); }},
    {"llvm.inline_asm \"rcp.approx.ftz.f32 $0, $1;\", \"=f,f\" %y : (f32) -> "
     "f32",
     [](float, float y) {
       return std::fabs(y) < 1e-38f ? std::copysign(INFINITY, y)
              : std::fabs(y) > 2e38f && std::isfinite(y) ? 0.f
                                                         : 1 / y;
     }},
    {"llvm.call_intrinsic \"llvm.nvvm.ex2.approx.f\"(%x) : (f32) -> f32",
     [](float x, float) { return std::exp2(x); }},
};

// Predicates by what they say of a < b, a == b, a > b and of NaN.
struct RealCompareRow {
  const char *predicate;
  bool below, same, above, unordered;
};
const RealCompareRow realCompareRows[] = {
    {"oeq", false, true, false, false}, {"ogt", false, false, true, false},
    {"oge", false, true, true, false},  {"olt", true, false, false, false},
    {"ole", true, true, false, false},  {"one", true, false, true, false},
    {"ord", true, true, true, false},   {"ueq", false, true, false, true},
    {"ugt", false, false, true, true},  {"uge", false, true, true, true},
    {"ult", true, false, false, true},  {"ule", true, true, false, true},
    {"une", true, false, true, true},   {"uno", false, false, false, true}};

TEST(EmulatorArithmetic, ComparisonsOfFloats) {
  for (const RealCompareRow &row : realCompareRows) {
    std::vector<uint32_t> got = overPairs(
        "%x = arith.bitcast %a : i32 to f32\n%y = arith.bitcast %b : i32 to "
        "f32\n%p = arith.cmpf " +
            std::string(row.predicate) +
            ", %x, %y : f32\n%r = arith.extui %p : i1 to i32",
        floats, floats);
    for (size_t i = 0; i < got.size(); ++i) {
      const float x = real(floats[i / floats.size()]),
                  y = real(floats[i % floats.size()]);
      const bool expected = unordered(x, y) ? row.unordered
                            : x < y         ? row.below
                            : x == y        ? row.same
                                            : row.above;
      ASSERT_EQ(got[i], expected) << row.predicate << " " << x << " " << y;
    }
  }
}

bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : f(a) == f(b);
}

TEST(EmulatorArithmetic, Floats) {
  for (const FloatRow &row : floatRows) {
    std::vector<uint32_t> got =
        overPairs(std::string("%x = arith.bitcast %a : i32 to f32\n"
                              "%y = arith.bitcast %b : i32 to f32\n%z = ") +
                      row.body + "\n%r = arith.bitcast %z : f32 to i32",
                  floats, floats);
    for (size_t i = 0; i < got.size(); ++i) {
      const float x = real(floats[i / floats.size()]),
                  y = real(floats[i % floats.size()]);
      ASSERT_TRUE(same(real(got[i]), row.expected(x, y)))
          << row.body << " " << x << " " << y << ": " << real(got[i]);
    }
  }
}
} // namespace
} // namespace decay::cuda
