//===- Clipping.cpp - The norm of all gradients ---------------------------===//

#include "runtime/optim/Clipping.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {

double gradientSquares(NativeKernels &kernels,
                       std::span<const Parameter> parameters) {
  std::vector<FloatSpan> gradients;
  for (const Parameter &parameter : parameters)
    gradients.push_back({parameter.gradient, parameter.size});
  return kernels.sumOfSquares(gradients);
}

double gradientNorm(NativeKernels &kernels,
                    std::span<const Parameter> parameters) {
  return std::sqrt(gradientSquares(kernels, parameters));
}

double clippingFactor(double norm, double most) {
  return most > 0 ? std::min(1.0, most / (norm + 1e-6)) : 1.0;
}

std::string firstNonFinite(Device &device,
                           std::span<const Parameter> parameters) {
  std::vector<float> gradient;
  for (const Parameter &parameter : parameters) {
    gradient.resize(static_cast<size_t>(parameter.size));
    if (!device
             .download(gradient.data(), parameter.gradient,
                       gradient.size() * sizeof(float))
             .ok())
      return {};
    for (size_t i = 0; i < gradient.size(); ++i)
      if (!std::isfinite(gradient[i]))
        return fmt::format("{}[{}] = {}", parameter.name,
                           static_cast<size_t>(parameter.first) + i,
                           gradient[i]);
  }
  return {};
}

} // namespace decay::runtime
