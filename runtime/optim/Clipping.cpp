//===- Clipping.cpp - The norm of all gradients ---------------------------===//

#include "runtime/optim/Clipping.h"

#include "runtime/optim/ParameterBlocks.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {

double gradientNorm(Device &device, std::span<const Parameter> parameters) {
  std::vector<ParameterBlock> blocks = parameterBlocks(parameters);
  std::vector<double> sums(blocks.size());
  device.parallelFor(
      static_cast<int64_t>(blocks.size()), [&](int64_t index, int64_t) {
        const ParameterBlock &block = blocks[static_cast<size_t>(index)];
        const float *gradient = block.parameter->gradient;
        // Eight chains, because one alone waits for each addition.
        double partial[8] = {};
        for (int64_t i = block.first; i < block.last; ++i) {
          double g = gradient[i];
          partial[(i - block.first) % 8] += g * g;
        }
        double sum = 0;
        for (double part : partial)
          sum += part;
        sums[static_cast<size_t>(index)] = sum;
      });
  double total = 0;
  for (double sum : sums)
    total += sum;
  return std::sqrt(total);
}

double clippingFactor(double norm, double most) {
  return most > 0 ? std::min(1.0, most / (norm + 1e-6)) : 1.0;
}

std::string firstNonFinite(std::span<const Parameter> parameters) {
  for (const Parameter &parameter : parameters)
    for (int64_t i = 0; i < parameter.size; ++i)
      if (!std::isfinite(parameter.gradient[i]))
        return fmt::format("{}[{}] = {}", parameter.name, i,
                           parameter.gradient[i]);
  return {};
}

} // namespace decay::runtime
