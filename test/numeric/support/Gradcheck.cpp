//===- Gradcheck.cpp - Derived gradients against differences --------------===//
#include "test/numeric/support/Gradcheck.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

namespace decay::test {
namespace {

/// The loss as a function of one element of one input.
class Probe {
public:
  Probe(mlir::func::FuncOp forward, const Sizes &sizes,
        const NamedFields &inputs)
      : forward(forward), sizes(sizes), inputs(inputs) {}

  /// (loss(x + h) - loss(x - h)) / 2h, summed over the differences of each
  /// result element, so that large results do not drown small changes.
  double slope(const std::string &name, size_t element, double h) {
    double &x = inputs[name].values[element];
    double at = x;
    x = at + h;
    double high = x;
    NamedFields above = interpret(forward, sizes, inputs).results;
    x = at - h;
    double low = x;
    NamedFields below = interpret(forward, sizes, inputs).results;
    x = at;
    double sum = 0;
    for (const auto &[result, field] : above) {
      const Field &weights = inputs.at("d_" + result);
      const Field &other = below.at(result);
      for (size_t index = 0; index < field.values.size(); ++index)
        sum +=
            weights.values[index] * (field.values[index] - other.values[index]);
    }
    return sum / (high - low);
  }

  /// The best of several extrapolated differences.
  double derivative(const std::string &name, size_t element) {
    double scale = std::max(1.0, std::fabs(inputs[name].values[element]));
    double best = 0, bestEstimate = INFINITY;
    for (double h : {2e-3, 2e-4, 1e-5}) {
      double coarse = slope(name, element, h * scale);
      double fine = slope(name, element, h * scale / 2);
      double finest = slope(name, element, h * scale / 4);
      double first = (4 * fine - coarse) / 3, second = (4 * finest - fine) / 3;
      double estimate = std::fabs(second - first);
      if (!(estimate < bestEstimate))
        continue;
      best = (16 * second - first) / 15;
      bestEstimate = estimate;
      if (estimate <= 1e-9 * std::fabs(best) + gradcheckFloor * 0.1)
        break;
    }
    return best;
  }

private:
  mlir::func::FuncOp forward;
  const Sizes &sizes;
  NamedFields inputs;
};

} // namespace

std::string GradcheckReport::str() const {
  return llvm::formatv("max relative error {0:e2} at {1} (derived {2:e9}, "
                       "measured {3:e9}), {4} elements, {5} not finite",
                       worstError, worstName, derived, measured, elements,
                       notFinite);
}

GradcheckReport gradcheck(mlir::ModuleOp module, const Sizes &sizes,
                          const NamedFields &inputs) {
  mlir::func::FuncOp forward = functionOf(module, "forward");
  GradcheckReport report;
  auto countNotFinite = [&](const NamedFields &fields) {
    for (const auto &[name, field] : fields)
      report.notFinite += llvm::count_if(
          field.values, [](double value) { return !std::isfinite(value); });
  };
  countNotFinite(interpret(forward, sizes, inputs).results);
  NamedFields gradients =
      interpret(functionOf(module, "backward"), sizes, inputs).results;
  countNotFinite(gradients);
  if (report.notFinite)
    return report;
  Probe probe(forward, sizes, inputs);
  for (const auto &[gradientName, gradient] : gradients) {
    std::string name = gradientName.substr(2);
    for (size_t index = 0; index < gradient.values.size(); ++index) {
      double derived = gradient.values[index];
      double measured = probe.derivative(name, index);
      double error =
          std::fabs(derived - measured) /
          std::max(std::fabs(measured), gradcheckFloor / gradcheckTolerance);
      ++report.elements;
      if (error <= report.worstError && !report.worstName.empty())
        continue;
      report.worstError = error;
      report.worstName = name + "[" + std::to_string(index) + "]";
      report.derived = derived;
      report.measured = measured;
    }
  }
  return report;
}

} // namespace decay::test
