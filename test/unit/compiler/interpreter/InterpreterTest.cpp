//===- InterpreterTest.cpp - Each operation against its definition --------===//
#include "test/unit/compiler/interpreter/TestModules.h"

#include <cmath>

namespace decay::test {
namespace {

/// A function @f of the token-and-head field x (and start z0) giving r.
std::string ofToken(const std::string &body) {
  return "func.func @f(" + argument("x", "!t") + ", " +
         argument("z0", "!s", "initial") + ") -> (" + result("r", "!t") +
         ") {\n" + body + "\nreturn %r : !t }";
}

TEST(Interpreter, pointwiseBroadcasts) {
  TestModule test("func.func @f(" + argument("x", "!t") + ", " +
                  argument("a", "!h", "parameter") + ") -> (" +
                  result("r", "!t") +
                  ") {\n%r = decay.map \"sub\"(%x, %a) : (!t, !h) -> !t\n"
                  "return %r : !t }");
  Sizes sizes{.B = 1, .T = 2, .H = 2};
  NamedFields inputs;
  inputs["x"] = makeField(12, sizes);
  inputs["x"].values = {1, 2, 3, 4};
  inputs["a"] = makeField(8, sizes);
  inputs["a"].values = {10, 20};
  auto out = interpret(test.function("f"), sizes, inputs);
  EXPECT_EQ(out.results["r"].values, (std::vector<double>{-9, -18, -7, -16}));
}

TEST(Interpreter, sumDropsAxes) {
  TestModule test("func.func @f(" + argument("x", "!t") + ") -> (" +
                  result("r", "!h") +
                  ") {\n%r = decay.sum %x : !t -> !h\nreturn %r : !h }");
  Sizes sizes{.B = 1, .T = 3, .H = 2};
  NamedFields inputs;
  inputs["x"] = makeField(12, sizes);
  inputs["x"].values = {1, 2, 3, 4, 5, 6};
  auto out = interpret(test.function("f"), sizes, inputs);
  EXPECT_EQ(out.results["r"].values, (std::vector<double>{9, 12}));
}

TEST(Interpreter, scansRestartAtEachPackedSequence) {
  TestModule test(ofToken("%z, %r, %last = decay.scan \"cumsum\" %x from %z0 "
                          ": (!t, !s) -> (!t, !t, !s)"));
  Sizes sizes{.B = 1, .T = 5, .H = 1, .cuSeqlens = {0, 2, 5}};
  NamedFields inputs;
  inputs["x"] = makeField(12, sizes);
  inputs["x"].values = {1, 2, 3, 4, 5};
  inputs["z0"] = makeField(9, sizes);
  inputs["z0"].values = {10, 20};
  auto out = interpret(test.function("f"), sizes, inputs);
  EXPECT_EQ(out.results["r"].values, (std::vector<double>{10, 11, 20, 23, 27}));
}

TEST(Interpreter, logcumsumexpOfEqualTermsIsALogarithm) {
  TestModule test(
      ofToken("%r, %p, %last = decay.scan \"logcumsumexp\" %x from %z0 "
              ": (!t, !s) -> (!t, !t, !s)"));
  Sizes sizes{.B = 1, .T = 3, .H = 1};
  NamedFields inputs;
  inputs["x"] = makeField(12, sizes);
  auto out = interpret(test.function("f"), sizes, inputs);
  for (int t = 0; t < 3; ++t)
    EXPECT_NEAR(out.results["r"].values[t], std::log(t + 2), 1e-15);
}

TEST(Interpreter, latestIsTheTermOneTokenAgo) {
  TestModule test(ofToken("%z, %r, %last = decay.scan \"latest\" %x from %z0 "
                          ": (!t, !s) -> (!t, !t, !s)"));
  Sizes sizes{.B = 2, .T = 2, .H = 1};
  NamedFields inputs;
  inputs["x"] = makeField(12, sizes);
  inputs["x"].values = {1, 2, 3, 4};
  auto out = interpret(test.function("f"), sizes, inputs);
  EXPECT_EQ(out.results["r"].values, (std::vector<double>{0, 1, 0, 3}));
}

TEST(Interpreter, layersAreCoupled) {
  TestModule test("func.func @f(" + argument("x", "!l", "parameter") +
                  ") -> (" + result("r", "!h") +
                  ") {\n%p = decay.across_layers \"softmax\" %x : !l -> !l\n"
                  "%c = decay.across_layers \"cumsum\" %p : !l -> !l\n"
                  "%a = decay.across_layers \"first\" %p : !l -> !h\n"
                  "%b = decay.map \"sub\"(%c, %a) : (!l, !h) -> !l\n"
                  "%r = decay.at_layer %b : !l -> !h\nreturn %r : !h }");
  Sizes sizes{.H = 2, .layer = 3, .layers = 4};
  NamedFields inputs;
  inputs["x"] = makeField(10, sizes);
  auto out = interpret(test.function("f"), sizes, inputs);
  for (double value : out.results["r"].values)
    EXPECT_NEAR(value, 0.75, 1e-15);
}

std::string recurrence() {
  return "func.func @f(" + argument("q", "!key") + ", " +
         argument("k", "!key") + ", " + argument("v", "!value") + ", " +
         argument("l", "!t") + ", " +
         argument("initial_state", "!state", "initial") + ") -> (" +
         result("o", "!value") + ", " + result("final_state", "!state") +
         ") {\n%o, %s = decay.recurrence q %q k %k v %v lambda %l initial "
         "%initial_state : (!key, !key, !value, !t, !state) -> (!value, "
         "!state)\nreturn %o, %s : !value, !state }";
}

TEST(Interpreter, recurrenceIsTheSumOfDecayedOuterProducts) {
  TestModule test(recurrence());
  Sizes sizes{.B = 1, .T = 2, .H = 1, .K = 1, .V = 2};
  NamedFields inputs;
  auto set = [&](const char *name, unsigned axes, std::vector<double> values) {
    inputs[name] = {axes, std::move(values), {}};
  };
  constexpr unsigned key = 4 | 8 | 32, value = 4 | 8 | 64;
  set("q", key, {2, 3});
  set("k", key, {5, 7});
  set("v", value, {1, 2, 3, 4});
  set("l", 12, {0.5, 0.25});
  set("initial_state", 1 | 8 | 32 | 64, {8, 16});
  auto out = interpret(test.function("f"), sizes, inputs);
  // s_0 = 0.5 (8, 16) + 5 (1, 2); s_1 = 0.25 s_0 + 7 (3, 4).
  EXPECT_EQ(out.results["o"].values,
            (std::vector<double>{18, 36, 69.75, 97.5}));
  EXPECT_EQ(out.results["final_state"].values,
            (std::vector<double>{23.25, 32.5}));
}

TEST(Interpreter, rotationTurnsByThePosition) {
  TestModule test("func.func @f(" + argument("x", "!key") + ") -> (" +
                  result("r", "!key") + ", " + result("w", "!pairs") +
                  ") {\n%r = decay.rotate \"rope\" %x : !key -> !key\n"
                  "%w = decay.rotate \"lrpe_cosine\" %x : !key -> !pairs\n"
                  "return %r, %w : !key, !pairs }");
  Sizes sizes{.T = 2, .K = 2, .position = 5};
  NamedFields inputs;
  inputs["x"] = {4 | 8 | 32, {1, 0, 1, 2}, {}};
  auto out = interpret(test.function("f"), sizes, inputs).results;
  EXPECT_NEAR(out["r"].values[0], std::cos(5), 1e-15);
  EXPECT_NEAR(out["r"].values[1], std::sin(5), 1e-15);
  EXPECT_NEAR(out["r"].values[2], std::cos(6) - 2 * std::sin(6), 1e-15);
  // Channel 1 of the second token: frequency 10000^(-1/2).
  EXPECT_NEAR(out["w"].values[5], 2 * std::cos(0.06), 1e-15);
  EXPECT_NEAR(out["w"].values[7], 2 * std::sin(0.06), 1e-15);
}

TEST(Interpreter, rangeFaultIsTheFirst) {
  TestModule test(ofToken("%r = decay.check_range %x : !t"));
  Sizes sizes{.B = 2, .T = 2, .H = 1};
  NamedFields inputs;
  inputs["x"] = {12, {0, 1, 0.5, 1.5}, {}};
  auto out = interpret(test.function("f"), sizes, inputs);
  ASSERT_TRUE(out.fault);
  EXPECT_EQ(out.fault->sequence, 1);
  EXPECT_EQ(out.fault->token, 1);
  EXPECT_EQ(out.fault->value, 1.5);
  inputs["x"].values = {0, 1, 0.5, 1};
  EXPECT_FALSE(interpret(test.function("f"), sizes, inputs).fault);
}

TEST(Interpreter, drawsAreThoseOfPhilox) {
  TestModule test("func.func @f() -> (" + result("r", "!h") +
                  ") {\n%a = decay.constant 0.0 : !n\n"
                  "%b = decay.constant 1.0 : !n\n%r = decay.random \"uniform\" "
                  "stream 0 %a, %b : (!n, !n) -> !h\nreturn %r : !h }");
  // Known answer of Philox4x32-10 for counter and key zero: 6627e8d5.
  auto out = interpret(test.function("f"), Sizes{.H = 1}, {});
  EXPECT_EQ(out.results["r"].values[0], (0x6627e8d5u >> 8) * 0x1p-24);
}

} // namespace
} // namespace decay::test
