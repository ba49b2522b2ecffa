//===- FormulasTest.cpp - Rewriting keeps the meaning, proofs are true
//-----===//
//
// Random formulas, made to hit the rules of Simplify.cpp and RangeAnalysis.cpp:
// the graph's value is the formula's own, and where λ is proved to lie in
// [0, 1], it does.
//
//===----------------------------------------------------------------------===//
#include "dsl/check/Check.h"
#include "test/unit/dsl/Evaluate.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

#include <random>

using namespace decay::dsl;

namespace {

/// A formula as text, and its value given f, a and w.
struct Formula {
  std::string text;
  std::function<double(double f, double a, double w)> value;
};

class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {}

  Formula any(int depth) {
    if (depth == 0)
      return leaf();
    switch (pick(5)) {
    case 4:
      return step();
    case 0:
      return unary(depth);
    case 1:
      return binary(depth);
    case 2:
      return hazard(depth);
    default:
      return mixture(depth);
    }
  }

private:
  int pick(int count) {
    return std::uniform_int_distribution<>(0, count - 1)(random);
  }

  Formula leaf() {
    switch (pick(4)) {
    case 0:
      return {"f", [](double f, double, double) { return f; }};
    case 1:
      return {"a", [](double, double a, double) { return a; }};
    case 2:
      return {"w", [](double, double, double w) { return w; }};
    default: {
      static const double numbers[] = {0, 1, 2, 0.5, 3.25};
      double number = numbers[pick(5)];
      return {llvm::formatv("{0}", number).str(),
              [number](double, double, double) { return number; }};
    }
    }
  }

  Formula unary(int depth) {
    static const char *names[] = {"exp",  "sigmoid", "logsigmoid", "softplus",
                                  "silu", "tanh",    "neg",        "expm1"};
    const PointwiseOperator *card = findPointwiseOperator(names[pick(8)]);
    Formula x = any(depth - 1);
    return {card->name.str() + "(" + x.text + ")",
            [card, x](double f, double a, double w) {
              double operand = x.value(f, a, w);
              return card->value(&operand);
            }};
  }

  Formula binary(int depth) {
    static const char *signs[] = {"add", "sub", "mul",
                                  "min", "max", "logaddexp"};
    return call(findPointwiseOperator(signs[pick(6)]), any(depth - 1),
                any(depth - 1));
  }

  Formula call(const PointwiseOperator *card, Formula x, Formula y) {
    return {card->name.str() + "(" + x.text + ", " + y.text + ")",
            [card, x, y](double f, double a, double w) {
              double operands[] = {x.value(f, a, w), y.value(f, a, w)};
              return card->value(operands);
            }};
  }

  /// The forms that are rewritten.
  Formula hazard(int depth) {
    Formula x = any(depth - 1), y = any(depth - 1);
    auto of = [x](auto function) {
      return [x, function](double f, double a, double w) {
        return function(x.value(f, a, w));
      };
    };
    switch (pick(9)) {
    case 0:
      return {"(1 - sigmoid(" + x.text + "))",
              of([](double v) { return 1 / (1 + std::exp(v)); })};
    case 1:
      return {"log(sigmoid(" + x.text + "))",
              of([](double v) { return -std::log1p(std::exp(-v)); })};
    case 2:
      return {"exp(-softplus(" + x.text + "))",
              of([](double v) { return 1 / (1 + std::exp(v)); })};
    case 3:
      return {"log(1 + exp(" + x.text + "))",
              of([](double v) { return std::log1p(std::exp(v)); })};
    case 4:
      return {"(1 - exp(" + x.text + "))",
              of([](double v) { return -std::expm1(v); })};
    case 5:
      return {"1 / (1 + exp(-(" + x.text + ")))",
              of([](double v) { return 1 / (1 + std::exp(-v)); })};
    case 6:
      return {"exp(logsigmoid(" + x.text + "))",
              of([](double v) { return 1 / (1 + std::exp(-v)); })};
    case 7:
      return {"(exp(" + x.text + ") - 1)",
              of([](double v) { return std::expm1(v); })};
    default:
      return {"-(" + x.text + " - (" + y.text + "))",
              [x, y](double f, double a, double w) {
                return y.value(f, a, w) - x.value(f, a, w);
              }};
    }
  }

  /// Steps of carried values; at the t-th token w = t sigmoid(f), u = 1 + t
  /// exp(f) and z = log u.
  Formula step() {
    auto of = [](auto function) {
      return [function](double f, double, double w) {
        double tokens = std::round(w * (1 + std::exp(-f)));
        return function(f, std::exp(f), tokens);
      };
    };
    switch (pick(6)) {
    case 0:
      return {"(prev(w) - w)",
              of([](double, double e, double) { return -e / (1 + e); })};
    case 1:
      return {"(log(prev(u)) - log(u))", of([](double, double e, double t) {
                return -std::log1p(e / (1 + (t - 1) * e));
              })};
    case 2:
      return {"(prev(z) - z)", of([](double, double e, double t) {
                return -std::log1p(e / (1 + (t - 1) * e));
              })};
    case 3:
      return {"(f - z)", of([](double f, double e, double t) {
                return f - std::log1p(t * e);
              })};
    case 4:
      return {"(z - prev(z))", of([](double, double e, double t) {
                return std::log1p(e / (1 + (t - 1) * e));
              })};
    default:
      return {"(1 - prev(u) / u)",
              of([](double, double e, double t) { return e / (1 + t * e); })};
    }
  }

  /// w + (1 - w) y, and 1 minus it.
  Formula mixture(int depth) {
    Formula x = any(depth - 1), y = any(depth - 1);
    std::string weight = "sigmoid(" + x.text + ")";
    std::string other = "sigmoid(" + y.text + ")";
    std::string text =
        "(" + weight + " + (1 - " + weight + ") * " + other + ")";
    bool isRest = pick(2);
    auto value = [x, y, isRest](double f, double a, double w) {
      double u = 1 / (1 + std::exp(x.value(f, a, w)));
      double v = 1 / (1 + std::exp(y.value(f, a, w)));
      return isRest ? u * v : 1 - u * v;
    };
    return {isRest ? "(1 - " + text + ")" : text, value};
  }

  std::mt19937 random;
};

std::optional<CheckedDesign> checkFormula(const std::string &line,
                                          Diagnostics &diagnostics) {
  std::string text = "design d\n  project f\n  learn a = 0\n"
                     "  carry w = cumsum(sigmoid(f)) from 0\n"
                     "  carry u = cumsum(exp(f)) from 1\n"
                     "  carry z = logcumsumexp(f) from 0\n" +
                     line + "\n";
  return checkDesign({"d.decay", text}, "", {}, diagnostics);
}

/// Values of f and a, some of them extreme.
const double samples[] = {-30, -4, -1, -0.3, 0, 0.2, 1, 3.5, 30};

template <typename See>
void evaluateEach(const CheckedDesign &checked, See see) {
  for (double f : samples)
    for (double a : samples) {
      Site site;
      site.projection = [f](const std::string &, int) { return f; };
      site.parameters["a"] = a;
      Evaluator evaluator(checked, site);
      double w = 0, gate = 1 / (1 + std::exp(-f));
      for (int token = 0; token < 2; ++token) {
        w += gate;
        evaluator.step();
        see(evaluator, f, a, w);
      }
    }
}

TEST(Formulas, RewritingKeepsTheValue) {
  Generator generator(3);
  int compared = 0;
  for (int trial = 0; trial < 600; ++trial) {
    Formula formula = generator.any(1 + trial % 4);
    Diagnostics diagnostics;
    std::optional<CheckedDesign> checked = checkFormula(
        "  λ = 0.5 * sigmoid(f)\n  k = " + formula.text, diagnostics);
    if (!checked)
      continue; // a constant too large, or a logarithm of what may be negative
    evaluateEach(*checked, [&](Evaluator &at, double f, double a, double w) {
      double wanted = formula.value(f, a, w), found = at.at(checked->k);
      if (!std::isfinite(wanted) || std::fabs(wanted) > 1e15)
        return;
      ++compared;
      ASSERT_NEAR(found, wanted, 1e-9 * std::max(1.0, std::fabs(wanted)))
          << formula.text << " at f = " << f << ", a = " << a << ", w = " << w;
    });
  }
  EXPECT_GE(compared, 40000);
}

TEST(Formulas, WhatIsProvedIsTrue) {
  Generator generator(4);
  int proved = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    Formula formula = generator.any(1 + trial % 4);
    Diagnostics diagnostics;
    std::optional<CheckedDesign> checked =
        checkFormula("  λ = " + formula.text, diagnostics);
    if (!checked || checked->checkLambdaAtRunTime)
      continue;
    ++proved;
    evaluateEach(*checked, [&](Evaluator &at, double f, double a, double) {
      double lambda = at.lambda();
      ASSERT_GE(lambda, -1e-15) << formula.text << " at " << f << ", " << a;
      ASSERT_LE(lambda, 1 + 1e-15) << formula.text << " at " << f << ", " << a;
    });
  }
  EXPECT_GE(proved, 200);
}

/// The forms in which published designs are written are all proved.
TEST(Formulas, PublishedFormsAreProved) {
  const char *lines[] = {
      "  λ = sigmoid(f + a)",
      "  λ = 1 / (1 + exp(f))",
      "  log λ = -exp(a) * softplus(f)",
      "  λ = exp(-exp(a) * softplus(f))",
      "  log λ = -exp(-0.5) * sigmoid(f)",
      "  λ = 0.1 + 0.9 * sigmoid(f)",
      "  λ = sigmoid(a) + (1 - sigmoid(a)) * sigmoid(f)",
      "  λ = sigmoid(a) * sigmoid(f) + (1 - sigmoid(a)) * 0.5",
      "  λ = pow(sigmoid(f), 1/16)",
      "  λ = clamp(f, 0, 1)",
      "  λ = max(0, min(1, f))",
      "  λ = 0.5 * (1 + tanh(f))",
      "  λ = 1 - sigmoid(f) * sigmoid(a)",
      "  log λ = -f * f",
      "  log λ = min(f, 0)",
      "  log λ = max(logsigmoid(f) / 8, -5)",
      "  log λ = prev(w) - w",
      "  λ = prev(u) / u",
      "  log λ = layer / max(layers - 1, 1) - 1",
      "  λ = (head + 1) / heads",
      "  λ = 1 - 0.5 * (layer + 0.5) / layers",
  };
  for (const char *line : lines) {
    Diagnostics diagnostics;
    std::optional<CheckedDesign> checked = checkFormula(line, diagnostics);
    ASSERT_TRUE(checked) << diagnostics.render();
    EXPECT_FALSE(checked->checkLambdaAtRunTime) << line;
  }
}

/// What is false for some input is not proved; each is near a form that is.
TEST(Formulas, FalseFormsAreNotProved) {
  const char *lines[] = {
      "  λ = sigmoid(f) + 1e-6",
      "  λ = 0.1 + 0.91 * sigmoid(f)",
      "  λ = sigmoid(a) + (1 - sigmoid(f)) * sigmoid(f)",
      "  λ = sigmoid(a) + (1 - sigmoid(a)) * 1.001",
      "  λ = a + (1 - a) * sigmoid(f)",
      "  log λ = -a * softplus(f)",
      "  log λ = logsigmoid(f) + 1e-6",
      "  λ = 0.5 + 0.51 * tanh(f)",
      "  λ = clamp(f, 0, 1.5)",
      "  λ = max(f, min(1, a))",
      "  log λ = f * a",
      "  log λ = -(c + 1)",
      "  log λ = prev(c) - c",
      "  log λ = w - prev(w) - 0.9",
      "  λ = w / (prev(w) + 1)",
      "  log λ = (head + 1) / heads - 0.5",
      "  λ = (head + 2) / heads",
      "  log λ = 1e-5 - layer / max(layers - 1, 1)",
      "  log λ = layer / max(layers - 2, 1) - 1",
  };
  for (const char *line : lines) {
    Diagnostics diagnostics;
    std::optional<CheckedDesign> checked =
        checkFormula(std::string("  carry c = cumsum(tanh(f)) from 0\n") + line,
                     diagnostics);
    ASSERT_TRUE(checked) << line << '\n' << diagnostics.render();
    EXPECT_TRUE(checked->checkLambdaAtRunTime) << line;
  }
}

} // namespace
