//===- BoundsTest.cpp - The running error bound holds, and is not loose
//----===//
#include "compiler/interpreter/Compare.h"
#include "test/numeric/support/Inputs.h"
#include "test/unit/compiler/interpreter/TestModules.h"

#include <cmath>

namespace decay::test {
namespace {

constexpr unsigned tokenHead = 4 | 8;

/// The recurrence in plain float32, one token at a time, K = V = 1.
std::vector<float> recurrenceInFloat(const NamedFields &in,
                                     const Sizes &sizes) {
  std::vector<float> o;
  float s = 0;
  for (int64_t t = 0; t < sizes.T; ++t) {
    auto at = [&](const char *name) {
      return static_cast<float>(in.at(name).values[t]);
    };
    float lambda = 1 / (1 + std::exp(-at("f")));
    s = lambda * s + at("k") * at("v");
    o.push_back(at("q") * s);
  }
  return o;
}

TEST(Bounds, floatRecurrenceLiesWithin) {
  TestModule test(
      "func.func @forward(" + argument("q", "!key") + ", " +
      argument("k", "!key") + ", " + argument("v", "!value") + ", " +
      argument("f", "!t") + ", " +
      argument("initial_state", "!state", "initial") + ") -> (" +
      result("o", "!value") +
      ") {\n%l = decay.map \"sigmoid\"(%f) : (!t) -> "
      "!t\n%o, %s = decay.recurrence q %q k %k v %v lambda %l initial "
      "%initial_state : (!key, !key, !value, !t, !state) -> (!value, !state)\n"
      "return %o : !value }");
  Sizes sizes{.B = 1, .T = 500};
  Random random(5);
  NamedFields inputs =
      drawInputs(*test.module, test.function("forward"), sizes, random);
  inputs.erase("initial_state");
  for (double shift : {-4.0, 0.0, 4.0, 12.0}) {
    NamedFields shifted = inputs;
    for (double &f : shifted["f"].values)
      f = static_cast<float>(f + shift);
    Field oracle =
        interpret(test.function("forward"), sizes, shifted, true).results["o"];
    std::vector<float> got = recurrenceInFloat(shifted, sizes);
    Comparison close = compareWithOracle(oracle, got);
    EXPECT_TRUE(close.accepted()) << close.str();
    EXPECT_EQ(close.unbounded, 0);
    // One token forgotten must show.
    shifted["k"].values[250] = 0;
    Comparison wrong =
        compareWithOracle(oracle, recurrenceInFloat(shifted, sizes));
    EXPECT_FALSE(wrong.accepted()) << wrong.str();
  }
}

TEST(Bounds, nanIsRefused) {
  Field oracle{0, {1.0}, {1.0}};
  std::vector<float> got{NAN};
  EXPECT_FALSE(compareWithOracle(oracle, got).accepted());
  got = {1.0f + 8 * 0x1p-23f};
  EXPECT_FALSE(compareWithOracle(oracle, got).accepted());
  got = {1.0f + 0x1p-23f};
  EXPECT_TRUE(compareWithOracle(oracle, got).accepted());
}

TEST(Bounds, overflowIsCountedNotJudged) {
  TestModule test("func.func @f(" + argument("x", "!t") + ") -> (" +
                  result("r", "!t") +
                  ") {\n%r = decay.map \"exp\"(%x) : (!t) -> !t\nreturn %r : "
                  "!t }");
  Sizes sizes{.T = 2};
  NamedFields inputs;
  inputs["x"] = {tokenHead, {0, 100}, {}};
  Field oracle =
      interpret(test.function("f"), sizes, inputs, true).results["r"];
  std::vector<float> got{1, INFINITY};
  Comparison comparison = compareWithOracle(oracle, got);
  EXPECT_TRUE(comparison.accepted());
  EXPECT_EQ(comparison.unbounded, 1);
}

} // namespace
} // namespace decay::test
