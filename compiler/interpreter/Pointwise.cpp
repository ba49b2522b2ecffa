//===- Pointwise.cpp - Operators, constants, broadcasts, sums -------------===//
#include "compiler/interpreter/Evaluate.h"
#include "dsl/operators/PointwiseOperators.h"

namespace decay::interpreter {
namespace {

using dsl::maximumArity;

/// Walks the points of a layout in order; calls body(index, offsets) with the
/// offsets of the same point in other layouts, which may lack axes.
template <size_t count, typename Body>
void forEachPoint(const Layout &layout, const Layout *const (&others)[count],
                  Body body) {
  std::array<int64_t, ir::axisCount> point{};
  std::array<int64_t, count> offsets{};
  for (int64_t index = 0; index < layout.count; ++index) {
    body(index, offsets);
    for (unsigned axis = ir::axisCount; axis-- > 0;) {
      if (layout.size[axis] == 1)
        continue;
      bool wraps = ++point[axis] == layout.size[axis];
      if (wraps)
        point[axis] = 0;
      for (size_t other = 0; other < count; ++other)
        offsets[other] +=
            wraps ? -others[other]->stride[axis] * (layout.size[axis] - 1)
                  : others[other]->stride[axis];
      if (!wraps)
        break;
    }
  }
}

/// How an operator's own rounding differs from that of its result.
enum class Rounding { Result, None, Larger, Exponent, Step };

Rounding roundingOf(llvm::StringRef name) {
  static const std::pair<llvm::StringRef, Rounding> special[] = {
      {"neg", Rounding::None},           {"min", Rounding::None},
      {"max", Rounding::None},           {"clamp", Rounding::None},
      {"greater_equal", Rounding::Step}, {"logaddexp", Rounding::Larger},
      {"pow", Rounding::Exponent},
  };
  for (auto [operatorName, rounding] : special)
    if (operatorName == name)
      return rounding;
  return Rounding::Result;
}

/// What a step function may be off by: all of it, where its operands are too
/// close to be told apart.
double stepBound(const double *x, const double *bounds) {
  double doubt = 4 * 0x1p-24 * (bounds[0] + bounds[1]);
  bool certain = std::fabs(x[0] - x[1]) > doubt || (bounds[0] + bounds[1]) == 0;
  return certain ? 0 : 0x1p24;
}

struct Pointwise {
  const dsl::PointwiseOperator &card;
  Rounding rounding;

  double bound(const double *x, const double *bounds, double value) const {
    if (rounding == Rounding::Step)
      return stepBound(x, bounds);
    double partials[maximumArity] = {}, inherited = 0;
    bool isExact = std::all_of(bounds, bounds + card.arity,
                               [](double bound) { return bound == 0; });
    if (!isExact)
      card.partials(x, partials);
    for (unsigned operand = 0; operand < card.arity; ++operand)
      if (bounds[operand] != 0)
        inherited += std::fabs(partials[operand]) * bounds[operand];
    if (card.arity > 1 && rounding == Rounding::None)
      inherited = *std::max_element(bounds, bounds + card.arity);
    if (rounding == Rounding::None)
      return inherited;
    // The larger operand is added to a logarithm, both rounded on their own.
    if (rounding == Rounding::Larger)
      inherited += std::max(x[0], x[1]) == -INFINITY
                       ? 0
                       : std::fabs(std::max(x[0], x[1]));
    // x^y is exp(y log x), whose exponent is rounded.
    if (rounding == Rounding::Exponent && x[0] > 0)
      inherited += std::fabs(value * x[1] * std::log(x[0]));
    return roundedBound(value, inherited);
  }
};

} // namespace

Results evaluate(ir::ConstantOp op, Operands, Call &call) {
  Field result = call.make(op.getType());
  double value = op.getValue().convertToDouble();
  bool exact = static_cast<double>(static_cast<float>(value)) == value;
  std::fill(result.values.begin(), result.values.end(), value);
  std::fill(result.bounds.begin(), result.bounds.end(),
            exact ? 0 : std::fabs(value));
  return {std::move(result)};
}

Results evaluate(ir::IndexOp op, Operands, Call &call) {
  Field result = call.make(op.getType());
  const Sizes &sizes = call.sizes;
  for (size_t index = 0; index < result.values.size(); ++index)
    result.values[index] =
        static_cast<double>(op.getKind() == "head" ? static_cast<int64_t>(index)
                            : op.getKind() == "heads" ? sizes.H
                            : op.getKind() == "layer" ? sizes.layer
                                                      : sizes.layers);
  return {std::move(result)};
}

Results evaluate(ir::MapOp op, Operands operands, Call &call) {
  Field result = call.make(op.getType());
  Pointwise function{*dsl::findPointwiseOperator(op.getName()),
                     roundingOf(op.getName())};
  // Operators have at most three operands; absent ones repeat the first.
  const Field *fields[maximumArity];
  std::vector<Layout> layouts;
  for (unsigned index = 0; index < maximumArity; ++index) {
    fields[index] = operands[index < operands.size() ? index : 0];
    layouts.emplace_back(fields[index]->axes, call.sizes);
  }
  auto evaluateAt = [&](int64_t index, const auto &offsets) {
    double x[maximumArity], bounds[maximumArity];
    for (unsigned operand = 0; operand < maximumArity; ++operand)
      x[operand] = fields[operand]->values[offsets[operand]];
    double value = function.card.value(x);
    result.values[index] = value;
    if (!call.bounds)
      return;
    for (unsigned operand = 0; operand < maximumArity; ++operand)
      bounds[operand] = fields[operand]->boundAt(offsets[operand]);
    result.bounds[index] = function.bound(x, bounds, value);
  };
  Layout layout(result.axes, call.sizes);
  // Most operands have the result's axes or are one number.
  std::array<int64_t, maximumArity> steps;
  bool isPlain = true;
  for (unsigned operand = 0; operand < maximumArity; ++operand) {
    bool isSame = fields[operand]->axes == result.axes;
    steps[operand] = isSame ? 1 : 0;
    isPlain &= isSame || layouts[operand].count == 1;
  }
  if (isPlain) {
    for (int64_t index = 0; index < layout.count; ++index)
      evaluateAt(index, std::array{index * steps[0], index * steps[1],
                                   index * steps[2]});
    return {std::move(result)};
  }
  const Layout *others[] = {&layouts[0], &layouts[1], &layouts[2]};
  forEachPoint(layout, others, evaluateAt);
  return {std::move(result)};
}

Results evaluate(ir::BroadcastOp op, Operands operands, Call &call) {
  Field result = call.make(op.getType());
  const Field &operand = *operands[0];
  Layout layout(operand.axes, call.sizes);
  const Layout *others[] = {&layout};
  forEachPoint(Layout(result.axes, call.sizes), others,
               [&](int64_t index, const auto &offsets) {
                 result.values[index] = operand.values[offsets[0]];
                 if (call.bounds)
                   result.bounds[index] = operand.boundAt(offsets[0]);
               });
  return {std::move(result)};
}

Results evaluate(ir::SumOp op, Operands operands, Call &call) {
  Field result = call.make(op.getType());
  const Field &operand = *operands[0];
  Layout layout(result.axes, call.sizes);
  const Layout *others[] = {&layout};
  forEachPoint(Layout(operand.axes, call.sizes), others,
               [&](int64_t index, const auto &offsets) {
                 result.values[offsets[0]] += operand.values[index];
                 if (call.bounds)
                   result.bounds[offsets[0]] += roundedBound(
                       operand.values[index], operand.boundAt(index));
               });
  return {std::move(result)};
}

Results evaluate(ir::CheckRangeOp op, Operands operands, Call &call) {
  const Field &lambda = *operands[0];
  Layout layout(lambda.axes, call.sizes);
  auto along = [&](const std::array<int64_t, ir::axisCount> &what,
                   ir::Axis axis) { return what[static_cast<unsigned>(axis)]; };
  Interpretation &outcome = call.outcome;
  auto see = [&](const Sequence &sequence, RangeFault place) {
    int64_t token = sequence.first + place.token;
    double value = place.value =
        lambda.values[token * along(layout.stride, ir::Axis::Token) +
                      place.head * along(layout.stride, ir::Axis::Head) +
                      place.channel * along(layout.stride, ir::Axis::Channel)];
    outcome.leastChecked = std::min(outcome.leastChecked, value);
    outcome.largestChecked = std::max(outcome.largestChecked, value);
    if (!(value >= 0 && value <= 1) && !outcome.fault)
      outcome.fault = place;
  };
  auto sequences = sequencesOf(call.sizes);
  int64_t channels = along(layout.size, ir::Axis::Channel);
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t t = 0; t < sequence.length; ++t)
      for (int64_t h = 0; h < call.sizes.H; ++h)
        for (int64_t c = 0; c < channels; ++c)
          see(sequence, {static_cast<int64_t>(n), t, h, c, 0});
  return {lambda};
}

} // namespace decay::interpreter
