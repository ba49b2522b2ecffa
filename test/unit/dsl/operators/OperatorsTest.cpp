//===- OperatorsTest.cpp - The cards agree with themselves
//-----------------===//
#include "dsl/operators/PointwiseOperators.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace decay::dsl;

namespace {

/// Operands inside the operator's domain, not at its end.
std::vector<double> draw(const PointwiseOperator &card, std::mt19937 &random) {
  std::uniform_real_distribution<double> uniform(-3, 3);
  std::vector<double> operands(card.arity);
  for (double &operand : operands)
    operand = uniform(random);
  if (card.domain.operand >= 0) {
    double &operand = operands[card.domain.operand];
    while (!card.domain.allowed.contains(operand - 0.1) ||
           std::fabs(operand) < 0.1)
      operand = std::fabs(uniform(random));
  }
  return operands;
}

TEST(Operators, EveryRowHasACard) {
  EXPECT_GE(pointwiseOperators().size(), 21u);
  for (const PointwiseOperator &card : pointwiseOperators()) {
    EXPECT_EQ(findPointwiseOperator(card.name), &card);
    EXPECT_LE(card.arity, maximumArity);
    EXPECT_FALSE(card.meaning.empty());
  }
  EXPECT_EQ(findPointwiseOperator("sigmod"), nullptr);
}

TEST(Operators, PartialsAreTheDifferencesOfValues) {
  std::mt19937 random(1);
  for (const PointwiseOperator &card : pointwiseOperators()) {
    SCOPED_TRACE(card.name.str());
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<double> operands = draw(card, random);
      bool isNearKink = false;
      for (size_t i = 0; i < operands.size(); ++i)
        for (size_t j = 0; j < i; ++j)
          isNearKink |= std::fabs(operands[i] - operands[j]) < 1e-3;
      if (isNearKink)
        continue;
      double partials[maximumArity];
      card.partials(operands.data(), partials);
      for (unsigned i = 0; i < card.arity; ++i) {
        constexpr double step = 1e-5;
        std::vector<double> above = operands, below = operands;
        above[i] += step;
        below[i] -= step;
        double difference =
            (card.value(above.data()) - card.value(below.data())) / (2 * step);
        EXPECT_NEAR(partials[i], difference,
                    1e-6 * std::max(1.0, std::fabs(difference)))
            << "operand " << i << " of " << operands[0];
      }
    }
  }
}

Interval randomInterval(std::mt19937 &random) {
  std::uniform_real_distribution<double> uniform(-4, 4);
  std::bernoulli_distribution coin;
  Interval interval{uniform(random), uniform(random), coin(random),
                    coin(random)};
  if (interval.low > interval.high)
    std::swap(interval.low, interval.high);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (std::uniform_int_distribution<>(0, 5)(random) == 0)
    interval.low = -infinity, interval.lowOpen = true;
  if (std::uniform_int_distribution<>(0, 5)(random) == 0)
    interval.high = infinity, interval.highOpen = true;
  return interval;
}

double pointOf(const Interval &interval, std::mt19937 &random) {
  double low = std::max(interval.low, -50.0),
         high = std::min(interval.high, 50.0);
  return std::uniform_real_distribution<double>(low, high)(random);
}

TEST(Operators, RangesHoldEveryValue) {
  std::mt19937 random(2);
  for (const PointwiseOperator &card : pointwiseOperators()) {
    SCOPED_TRACE(card.name.str());
    for (int trial = 0; trial < 500; ++trial) {
      Interval operands[maximumArity];
      for (unsigned i = 0; i < card.arity; ++i)
        operands[i] = randomInterval(random);
      if (card.domain.operand >= 0) {
        Interval &operand = operands[card.domain.operand];
        if (operand.isDisjoint(card.domain.allowed))
          continue;
        operand = intersect(operand, card.domain.allowed);
      }
      Interval range = card.range(operands);
      for (int point = 0; point < 10; ++point) {
        double x[maximumArity];
        for (unsigned i = 0; i < card.arity; ++i)
          x[i] = pointOf(operands[i], random);
        double value = card.value(x);
        if (!std::isfinite(value))
          continue;
        double slack = 1e-12 * std::max(1.0, std::fabs(value));
        EXPECT_GE(value, range.low - slack) << range.str() << " at " << x[0];
        EXPECT_LE(value, range.high + slack) << range.str() << " at " << x[0];
      }
    }
  }
}

TEST(Operators, StableFarFromZero) {
  auto value = [](const char *name, double x) {
    return findPointwiseOperator(name)->value(&x);
  };
  EXPECT_EQ(value("sigmoid", 1000), 1);
  EXPECT_EQ(value("sigmoid", -1000), 0);
  EXPECT_EQ(value("softplus", 1000), 1000);
  EXPECT_EQ(value("logsigmoid", -1000), -1000);
  EXPECT_NEAR(value("softplus", -40) / std::exp(-40), 1, 1e-15);
  double both[] = {1000, 1000};
  EXPECT_EQ(findPointwiseOperator("logaddexp")->value(both),
            1000 + std::log(2.0));
}

TEST(Intervals, ArithmeticKeepsEnds) {
  Interval half{0, 1, true, false};
  EXPECT_EQ((half + half).str(), "(0, 2]");
  EXPECT_EQ((Interval::point(1) - half).str(), "[0, 1)");
  EXPECT_EQ((half * Interval::atLeast(0)).str(), "[0, ∞)");
  EXPECT_EQ((-half).str(), "[-1, 0)");
  EXPECT_EQ((Interval::point(1) / half).str(), "[1, ∞)");
  EXPECT_EQ((Interval::point(1) / Interval::closed(-1, 1)).str(), "(-∞, ∞)");
  EXPECT_TRUE(Interval::closed(0, 1).includes(half));
  EXPECT_FALSE(half.includes(Interval::closed(0, 1)));
  EXPECT_TRUE(Interval::open(0, 1).isDisjoint(Interval::point(1)));
}

} // namespace
