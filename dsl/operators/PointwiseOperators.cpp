//===- PointwiseOperators.cpp - Value, derivative and range of each operator
//===//
#include "dsl/operators/PointwiseOperators.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace decay::dsl {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double sigmoid(double x) {
  if (x >= 0)
    return 1 / (1 + std::exp(-x));
  double e = std::exp(x);
  return e / (1 + e);
}
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}
double logsigmoid(double x) { return -softplus(-x); }
double silu(double x) { return x == -infinity ? 0 : x * sigmoid(x); }
double logaddexp(double x, double y) {
  double larger = std::max(x, y);
  return std::isinf(larger) ? larger
                            : larger + std::log1p(std::exp(-std::fabs(x - y)));
}
double exponential(double x) { return std::exp(x); }
double logarithm(double x) { return x <= 0 ? -infinity : std::log(x); }
double logarithm1p(double x) { return x <= -1 ? -infinity : std::log1p(x); }
double exponentialMinus1(double x) { return std::expm1(x); }
double hyperbolicTangent(double x) { return std::tanh(x); }
double squareRoot(double x) { return x <= 0 ? 0 : std::sqrt(x); }

/// silu falls until this point and rises after it.
constexpr double siluTurn = -1.2784645427610738;

Interval siluRange(const Interval &x) {
  Interval turn = Interval::point(silu(siluTurn));
  auto at = [](double value, bool open) {
    return Interval{silu(value), silu(value), open, open};
  };
  Interval ends = hull(at(x.low, x.lowOpen), at(x.high, x.highOpen));
  return x.contains(siluTurn) ? hull(ends, turn) : ends;
}

Interval clampRange(const Interval *x) {
  return minimum(maximum(x[0], x[1]), x[2]);
}

Interval powRange(const Interval *x) {
  return mapMonotone(x[1] * mapMonotone(x[0], logarithm), exponential);
}

/// For operands that are not infinite the result lies above both.
Interval logaddexpRange(const Interval *x) {
  return {logaddexp(x[0].low, x[1].low), logaddexp(x[0].high, x[1].high),
          x[0].lowOpen || x[1].lowOpen, x[0].highOpen || x[1].highOpen};
}

const Interval positive = Interval::open(0, infinity);

// The columns of a card beside those of the .def. `x` are the operands, `d` the
// partial derivatives to be written.
#define VALUE(...) [](const double *x) -> double { return __VA_ARGS__; }
#define PARTIALS(...) [](const double *x, double *d) { __VA_ARGS__; }
#define RANGE(...) [](const Interval *x) -> Interval { return __VA_ARGS__; }

struct Card {
  llvm::StringRef name;
  unsigned weight;
  double (*value)(const double *);
  void (*partials)(const double *, double *);
  Interval (*range)(const Interval *);
  OperandDomain domain = {};
};

const Card cards[] = {
    {"add", 1, VALUE(x[0] + x[1]), PARTIALS(d[0] = 1; d[1] = 1),
     RANGE(x[0] + x[1])},
    {"sub", 1, VALUE(x[0] - x[1]), PARTIALS(d[0] = 1; d[1] = -1),
     RANGE(x[0] - x[1])},
    {"mul", 1, VALUE(x[0] * x[1]), PARTIALS(d[0] = x[1]; d[1] = x[0]),
     RANGE(x[0] * x[1])},
    {"div",
     8,
     VALUE(x[0] / x[1]),
     PARTIALS(d[0] = 1 / x[1]; d[1] = -x[0] / (x[1] * x[1])),
     RANGE(x[0] / x[1]),
     {1, Interval::everything(), true, "other than zero"}},
    {"neg", 1, VALUE(-x[0]), PARTIALS(d[0] = -1), RANGE(-x[0])},
    {"exp", 8, VALUE(std::exp(x[0])), PARTIALS(d[0] = std::exp(x[0])),
     RANGE(mapMonotone(x[0], exponential))},
    {"log",
     12,
     VALUE(std::log(x[0])),
     PARTIALS(d[0] = 1 / x[0]),
     RANGE(mapMonotone(x[0], logarithm)),
     {0, positive, false, "positive"}},
    {"log1p",
     16,
     VALUE(std::log1p(x[0])),
     PARTIALS(d[0] = 1 / (1 + x[0])),
     RANGE(mapMonotone(x[0], logarithm1p)),
     {0, Interval::open(-1, infinity), false, "above -1"}},
    {"expm1", 22, VALUE(std::expm1(x[0])), PARTIALS(d[0] = std::exp(x[0])),
     RANGE(mapMonotone(x[0], exponentialMinus1))},
    {"sigmoid", 10, VALUE(sigmoid(x[0])),
     PARTIALS(d[0] = sigmoid(x[0]) * sigmoid(-x[0])),
     RANGE(mapMonotone(x[0], sigmoid))},
    {"logsigmoid", 25, VALUE(logsigmoid(x[0])), PARTIALS(d[0] = sigmoid(-x[0])),
     RANGE(mapMonotone(x[0], logsigmoid))},
    {"softplus", 25, VALUE(softplus(x[0])), PARTIALS(d[0] = sigmoid(x[0])),
     RANGE(mapMonotone(x[0], softplus))},
    {"silu", 11, VALUE(silu(x[0])),
     PARTIALS(d[0] = sigmoid(x[0]) * (1 + x[0] * sigmoid(-x[0]))),
     RANGE(siluRange(x[0]))},
    {"tanh", 10, VALUE(std::tanh(x[0])),
     PARTIALS(d[0] = 1 / (std::cosh(x[0]) * std::cosh(x[0]))),
     RANGE(mapMonotone(x[0], hyperbolicTangent))},
    {"sqrt",
     4,
     VALUE(std::sqrt(x[0])),
     PARTIALS(d[0] = 0.5 / std::sqrt(x[0])),
     RANGE(mapMonotone(x[0], squareRoot)),
     {0, Interval::atLeast(0), false, "0 or more"}},
    {"pow",
     12,
     VALUE(std::pow(x[0], x[1])),
     PARTIALS(d[0] = x[1] * std::pow(x[0], x[1] - 1);
              d[1] = std::pow(x[0], x[1]) * std::log(x[0])),
     RANGE(powRange(x)),
     {0, positive, false, "positive"}},
    {"min", 6, VALUE(x[1] >= x[0] ? x[0] : x[1]),
     PARTIALS(d[0] = x[1] >= x[0] ? 1 : 0; d[1] = 1 - d[0]),
     RANGE(minimum(x[0], x[1]))},
    {"max", 6, VALUE(x[0] >= x[1] ? x[0] : x[1]),
     PARTIALS(d[0] = x[0] >= x[1] ? 1 : 0; d[1] = 1 - d[0]),
     RANGE(maximum(x[0], x[1]))},
    {"clamp", 12, VALUE(std::min(std::max(x[0], x[1]), x[2])),
     PARTIALS(bool above = std::max(x[0], x[1]) > x[2]; d[2] = above;
              d[0] = !above && x[0] >= x[1]; d[1] = !above && x[0] < x[1]),
     RANGE(clampRange(x))},
    {"logaddexp", 25, VALUE(logaddexp(x[0], x[1])),
     PARTIALS(d[0] = sigmoid(x[0] - x[1]); d[1] = sigmoid(x[1] - x[0])),
     RANGE(logaddexpRange(x))},
    {"greater_equal", 2, VALUE(x[0] >= x[1] ? 1 : 0),
     PARTIALS(d[0] = 0; d[1] = 0), RANGE(Interval::closed(0, 1))},
};
#undef VALUE
#undef PARTIALS
#undef RANGE

PointwiseOperator assemble(llvm::StringRef name, unsigned arity, bool visible,
                           llvm::StringRef meaning) {
  const Card *card =
      std::find_if(std::begin(cards), std::end(cards),
                   [&](const Card &each) { return each.name == name; });
  assert(card != std::end(cards) && "an operator of the .def has no card");
  return {name,        arity,          visible,     meaning,     card->weight,
          card->value, card->partials, card->range, card->domain};
}

} // namespace

llvm::ArrayRef<PointwiseOperator> pointwiseOperators() {
  static const PointwiseOperator table[] = {
#define DECAY_POINTWISE(identifier, arity, visible, meaning)                   \
  assemble(#identifier, arity, visible, meaning),
#include "dsl/operators/PointwiseOperators.def"
#undef DECAY_POINTWISE
  };
  static_assert(std::size(table) == std::size(cards));
  return table;
}

const PointwiseOperator *findPointwiseOperator(llvm::StringRef name) {
  for (const PointwiseOperator &each : pointwiseOperators())
    if (each.name == name)
      return &each;
  return nullptr;
}

} // namespace decay::dsl
