//===- AdamW.cpp - Adam with decoupled weight decay -----------------------===//

#include "runtime/optim/AdamW.h"

#include <cmath>

namespace decay::runtime {
namespace {
/// Arrays of a model lie on cache lines, with a few unused numbers between.
constexpr int64_t mostGap = 16;

bool follows(const Parameter &before, const Parameter &next) {
  int64_t gap = next.value - before.value;
  return gap >= before.size && gap < before.size + mostGap &&
         next.weightDecay == before.weightDecay &&
         next.gradient - before.gradient == gap &&
         next.firstMoment - before.firstMoment == gap &&
         next.secondMoment - before.secondMoment == gap &&
         (next.copy ? next.copy.data() == (before.copy + gap).data()
                    : !before.copy);
}
} // namespace

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : all(std::move(parameters)), options(options) {
  for (const Parameter &parameter : all)
    if (parameter.sharesBlock && !runs.empty() &&
        follows(runs.back(), parameter))
      runs.back().size = parameter.value - runs.back().value + parameter.size;
    else
      runs.push_back(parameter);
}

void AdamW::step(NativeKernels &kernels, double rate, double gradientScale,
                 const std::function<void(const float *next)> &begun) {
  ++stepCount;
  double n = static_cast<double>(stepCount);
  AdamWFactors factors{options.beta1,
                       options.beta2,
                       options.epsilon,
                       gradientScale,
                       1 / (1 - std::pow(options.beta1, n)),
                       1 / (1 - std::pow(options.beta2, n)),
                       rate,
                       1};
  for (size_t i = 0; i < runs.size(); ++i) {
    const Parameter &run = runs[i];
    factors.shrink = run.weightDecay ? 1 - rate * options.weightDecay : 1;
    kernels.adamW(
        factors,
        {run.value, run.gradient, run.firstMoment, run.secondMoment, run.copy},
        run.size);
    if (begun)
      begun(i + 1 < runs.size() ? runs[i + 1].value : nullptr);
  }
}

void clearGradients(NativeKernels &kernels,
                    std::span<const Parameter> parameters) {
  for (const Parameter &parameter : parameters)
    kernels.zero(parameter.gradient, parameter.size);
}

} // namespace decay::runtime
