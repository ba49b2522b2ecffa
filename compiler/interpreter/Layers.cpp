//===- Layers.cpp - What couples the layers of a model --------------------===//
//
// The layer axis is the outermost of every field that has it (sequence never
// stands beside it), so a field is `layers` slices of equal length.
//
//===----------------------------------------------------------------------===//
#include "compiler/interpreter/Evaluate.h"

namespace decay::interpreter {
namespace {

/// The numbers of one point at all layers: element l is at `first + l * slice`.
struct Column {
  int64_t first, slice, layers;
  int64_t at(int64_t layer) const { return first + layer * slice; }
};

template <typename Body>
void forEachColumn(const Field &field, const Sizes &sizes, Body body) {
  int64_t slice = static_cast<int64_t>(field.values.size()) / sizes.layers;
  for (int64_t first = 0; first < slice; ++first)
    body(Column{first, slice, sizes.layers});
}

void softmax(const Field &x, Column column, Field &result) {
  double most = -INFINITY, sum = 0, slack = 0;
  for (int64_t l = 0; l < column.layers; ++l)
    most = std::max(most, x.values[column.at(l)]);
  for (int64_t l = 0; l < column.layers; ++l)
    sum += std::exp(x.values[column.at(l)] - most);
  auto share = [&](int64_t l) {
    return std::exp(x.values[column.at(l)] - most) / sum;
  };
  // Of the exponent: what it inherits and its own rounding.
  auto doubt = [&](int64_t l) {
    return x.boundAt(column.at(l)) + most - x.values[column.at(l)];
  };
  for (int64_t l = 0; l < column.layers; ++l)
    slack += share(l) * (doubt(l) + 2);
  for (int64_t l = 0; l < column.layers; ++l) {
    double p = share(l);
    result.values[column.at(l)] = p;
    if (!result.bounds.empty())
      result.bounds[column.at(l)] = roundedBound(p, p * (doubt(l) + slack + 2));
  }
}

void cumulate(const Field &x, Column column, bool reverse, Field &result) {
  Bounded sum;
  for (int64_t step = 0; step < column.layers; ++step) {
    int64_t index = column.at(reverse ? column.layers - 1 - step : step);
    sum.value += x.values[index];
    sum.bound = roundedBound(sum.value, sum.bound + x.boundAt(index));
    result.values[index] = sum.value;
    if (!result.bounds.empty())
      result.bounds[index] = sum.bound;
  }
}

void softmaxGradient(const Field &p, const Field &d, Column column,
                     Field &result) {
  double mean = 0, meanBound = 0;
  for (int64_t l = 0; l < column.layers; ++l) {
    int64_t i = column.at(l);
    mean += p.values[i] * d.values[i];
    meanBound += std::fabs(p.values[i]) * d.boundAt(i) +
                 std::fabs(d.values[i]) * p.boundAt(i) +
                 2 * std::fabs(p.values[i] * d.values[i]);
  }
  for (int64_t l = 0; l < column.layers; ++l) {
    int64_t i = column.at(l);
    double difference = d.values[i] - mean;
    double value = p.values[i] * difference;
    result.values[i] = value;
    if (!result.bounds.empty())
      result.bounds[i] =
          roundedBound(value, p.values[i] * (d.boundAt(i) + meanBound +
                                             std::fabs(difference)) +
                                  p.boundAt(i) * std::fabs(difference));
  }
}

} // namespace

Results evaluate(ir::AcrossLayersOp op, Operands operands, Call &call) {
  const Field &x = *operands[0];
  Field result = call.make(op.getType());
  if (op.getKind() == "first") {
    size_t slice = result.values.size();
    std::copy_n(x.values.begin(), slice, result.values.begin());
    if (call.bounds && !x.bounds.empty())
      std::copy_n(x.bounds.begin(), slice, result.bounds.begin());
    return {std::move(result)};
  }
  bool isSoftmax = op.getKind() == "softmax";
  forEachColumn(x, call.sizes, [&](Column column) {
    isSoftmax ? softmax(x, column, result)
              : cumulate(x, column, /*reverse=*/false, result);
  });
  return {std::move(result)};
}

Results evaluate(ir::AcrossLayersGradientOp op, Operands operands, Call &call) {
  const Field &value = *operands[0], &gradient = *operands[1];
  Field result = call.make(op.getType());
  if (op.getKind() == "first") {
    std::copy(gradient.values.begin(), gradient.values.end(),
              result.values.begin());
    if (call.bounds && !gradient.bounds.empty())
      std::copy(gradient.bounds.begin(), gradient.bounds.end(),
                result.bounds.begin());
    return {std::move(result)};
  }
  bool isSoftmax = op.getKind() == "softmax";
  forEachColumn(result, call.sizes, [&](Column column) {
    isSoftmax ? softmaxGradient(value, gradient, column, result)
              : cumulate(gradient, column, /*reverse=*/true, result);
  });
  return {std::move(result)};
}

Results evaluate(ir::AtLayerOp op, Operands operands, Call &call) {
  const Field &x = *operands[0];
  Field result = call.make(op.getType());
  size_t slice = result.values.size(), from = slice * call.sizes.layer;
  std::copy_n(x.values.begin() + from, slice, result.values.begin());
  if (call.bounds && !x.bounds.empty())
    std::copy_n(x.bounds.begin() + from, slice, result.bounds.begin());
  return {std::move(result)};
}

Results evaluate(ir::FromLayerOp op, Operands operands, Call &call) {
  const Field &x = *operands[0];
  Field result = call.make(op.getType());
  size_t slice = x.values.size(), to = slice * call.sizes.layer;
  std::copy_n(x.values.begin(), slice, result.values.begin() + to);
  if (call.bounds && !x.bounds.empty())
    std::copy_n(x.bounds.begin(), slice, result.bounds.begin() + to);
  return {std::move(result)};
}

} // namespace decay::interpreter
