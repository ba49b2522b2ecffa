//===- AdamW.cpp - Adam with decoupled weight decay -----------------------===//

#include "runtime/optim/AdamW.h"

#include "runtime/optim/ParameterBlocks.h"

#include <algorithm>
#include <cmath>

namespace decay::runtime {
namespace {
struct Factors {
  double beta1, beta2, epsilon, gradientScale;
  double firstCorrection, secondCorrection; ///< 1 / (1 - beta^n)
  double rate, shrink;                      ///< w is first multiplied by shrink
};

void updateBlock(const ParameterBlock &block, const Factors &f) {
  const Parameter &p = *block.parameter;
  float *__restrict value = p.value;
  float *__restrict first = p.firstMoment;
  float *__restrict second = p.secondMoment;
  const float *__restrict gradient = p.gradient;
  for (int64_t i = block.first; i < block.last; ++i) {
    double g = gradient[i] * f.gradientScale;
    double m = f.beta1 * first[i] + (1 - f.beta1) * g;
    double v = f.beta2 * second[i] + (1 - f.beta2) * g * g;
    double change =
        m * f.firstCorrection / (std::sqrt(v * f.secondCorrection) + f.epsilon);
    value[i] = static_cast<float>(value[i] * f.shrink - f.rate * change);
    first[i] = static_cast<float>(m);
    second[i] = static_cast<float>(v);
  }
}
} // namespace

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : all(std::move(parameters)), options(options) {}

void AdamW::step(Device &device, double rate, double gradientScale) {
  ++stepCount;
  double n = static_cast<double>(stepCount);
  Factors factors{options.beta1,
                  options.beta2,
                  options.epsilon,
                  gradientScale,
                  1 / (1 - std::pow(options.beta1, n)),
                  1 / (1 - std::pow(options.beta2, n)),
                  rate,
                  1};
  std::vector<ParameterBlock> blocks = parameterBlocks(all);
  device.parallelFor(
      static_cast<int64_t>(blocks.size()), [&](int64_t index, int64_t) {
        const ParameterBlock &block = blocks[static_cast<size_t>(index)];
        Factors own = factors;
        if (block.parameter->weightDecay)
          own.shrink = 1 - rate * options.weightDecay;
        updateBlock(block, own);
      });
}

void clearGradients(Device &device, std::span<const Parameter> parameters) {
  std::vector<ParameterBlock> blocks = parameterBlocks(parameters);
  device.parallelFor(
      static_cast<int64_t>(blocks.size()), [&](int64_t index, int64_t) {
        const ParameterBlock &block = blocks[static_cast<size_t>(index)];
        std::fill(block.parameter->gradient + block.first,
                  block.parameter->gradient + block.last, 0.0f);
      });
}

} // namespace decay::runtime
