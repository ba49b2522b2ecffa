//===- GradientTest.cpp - Each derivative rule by finite differences ------===//
#include "dsl/operators/PointwiseOperators.h"
#include "test/numeric/support/Gradcheck.h"
#include "test/unit/compiler/interpreter/TestModules.h"

namespace decay::test {
namespace {

/// Derives @backward of a module and checks it.
void expectGradient(const std::string &text, const Sizes &sizes) {
  TestModule test(text);
  test.run("derive-gradient,simplify");
  Random random(7);
  NamedFields inputs =
      drawInputs(*test.module, test.function("backward"), sizes, random);
  GradcheckReport report = gradcheck(*test.module, sizes, inputs);
  EXPECT_TRUE(report.passed()) << text << "\n" << report.str();
  EXPECT_GT(report.elements, 0);
}

class PointwiseGradient
    : public testing::TestWithParam<dsl::PointwiseOperator> {};

TEST_P(PointwiseGradient, matchesDifferences) {
  const dsl::PointwiseOperator &card = GetParam();
  // Operands in (0, 1) lie in every operator's domain.
  std::string arguments, operands, types, body;
  for (unsigned index = 0; index < card.arity; ++index) {
    std::string name(1, static_cast<char>('x' + index));
    arguments += (index ? ", " : "") + argument(name, "!t");
    body +=
        "%s" + name + " = decay.map \"sigmoid\"(%" + name + ") : (!t) -> !t\n";
    operands += (index ? ", %s" : "%s") + name;
    types += index ? ", !t" : "!t";
  }
  expectGradient("func.func @forward(" + arguments + ") -> (" +
                     result("r", "!t") + ") {\n" + body + "%r = decay.map \"" +
                     card.name.str() + "\"(" + operands + ") : (" + types +
                     ") -> !t\nreturn %r : !t }",
                 {.B = 2, .T = 3, .H = 2});
}

INSTANTIATE_TEST_SUITE_P(Cards, PointwiseGradient,
                         testing::ValuesIn(dsl::pointwiseOperators()),
                         [](const auto &info) {
                           return info.param.name.str();
                         });

const char *scanKinds[] = {"cumsum", "logcumsumexp", "latest"};

TEST(Gradient, scans) {
  for (std::string kind : scanKinds)
    expectGradient("func.func @forward(" + argument("x", "!t") + ", " +
                       argument("z0", "!s", "initial") + ") -> (" +
                       result("a", "!t") + ", " + result("b", "!t") + ", " +
                       result("c", "!s") + ") {\n%a, %b, %c = decay.scan \"" +
                       kind +
                       "\" %x from %z0 : (!t, !s) -> (!t, !t, !s)\n"
                       "return %a, %b, %c : !t, !t, !s }",
                   {.B = 1, .T = 7, .H = 2, .cuSeqlens = {0, 3, 4, 7}});
}

TEST(Gradient, layers) {
  expectGradient(
      "func.func @forward(" + argument("x", "!l", "parameter") + ") -> (" +
          result("r", "!h") + ", " + result("p", "!l") +
          ") {\n%p = decay.across_layers \"softmax\" %x : !l -> !l\n"
          "%c = decay.across_layers \"cumsum\" %p : !l -> !l\n"
          "%a = decay.across_layers \"first\" %p : !l -> !h\n"
          "%b = decay.map \"sub\"(%c, %a) : (!l, !h) -> !l\n"
          "%r = decay.at_layer %b : !l -> !h\nreturn %r, %p : !h, !l }",
      {.H = 2, .layer = 2, .layers = 4});
}

TEST(Gradient, rotations) {
  expectGradient("func.func @forward(" + argument("x", "!key") + ") -> (" +
                     result("r", "!key") + ", " + result("w", "!pairs") +
                     ") {\n%r = decay.rotate \"rope\" %x : !key -> !key\n"
                     "%w = decay.rotate \"lrpe_cosine\" %x : !key -> !pairs\n"
                     "return %r, %w : !key, !pairs }",
                 {.B = 2, .T = 3, .H = 2, .K = 4, .position = 11});
}

/// λ over the axes of `type`, squeezed into (0, 1).
std::string recurrence(const std::string &type) {
  return "func.func @forward(" + argument("q", "!key") + ", " +
         argument("k", "!key") + ", " + argument("v", "!value") + ", " +
         argument("f", type) + ", " +
         argument("initial_state", "!state", "initial") + ") -> (" +
         result("o", "!value") + ", " + result("final_state", "!state") +
         ") {\n%l = decay.map \"sigmoid\"(%f) : (" + type + ") -> " + type +
         "\n%o, %s = decay.recurrence q %q k %k v %v lambda %l initial "
         "%initial_state : (!key, !key, !value, " +
         type +
         ", !state) -> (!value, !state)\nreturn %o, %s : !value, "
         "!state }";
}

TEST(Gradient, recurrenceWithAnyDecay) {
  for (std::string type :
       {"!key", "!t", "!h", "!n", "!decay.field<head, channel>"}) {
    expectGradient(recurrence(type), {.B = 2, .T = 4, .H = 2, .K = 3, .V = 2});
    expectGradient(
        recurrence(type),
        {.B = 1, .T = 6, .H = 1, .K = 2, .V = 3, .cuSeqlens = {0, 1, 4, 6}});
  }
}

TEST(Gradient, longerThanABlockOfTheSweep) {
  TestModule test(recurrence("!t"));
  test.run("derive-gradient,simplify");
  Sizes sizes{.B = 1, .T = 67, .H = 1, .K = 1, .V = 1};
  Random random(3);
  NamedFields inputs =
      drawInputs(*test.module, test.function("backward"), sizes, random);
  GradcheckReport report = gradcheck(*test.module, sizes, inputs);
  EXPECT_TRUE(report.passed()) << report.str();
}

} // namespace
} // namespace decay::test
