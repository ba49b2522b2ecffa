//===- Classifier.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/Classifier.h"

#include <algorithm>

namespace decay::runtime {

int64_t Classifier::chunkRows(const Device &device) const {
  constexpr int64_t fewest = 64;
  ChunkLimits limits = device.chunkLimits();
  return std::clamp(limits.numbers / std::max<int64_t>(classes, 1), fewest,
                    limits.rows);
}

void Classifier::losses(Backend backend, int64_t rows, ConstNumbers x,
                        ConstNumbers weight, const int32_t *targets,
                        float *losses, Numbers logits,
                        const Gradient *gradient) const {
  Linear head{width, classes};
  const int64_t most = chunkRows(backend.device);
  for (int64_t first = 0; first < rows; first += most) {
    int64_t count = std::min(most, rows - first);
    Slice input = rowsOf(x + first * width, width);
    Slice chunk{logits, classes};
    head.forward(backend, count, input, weight, chunk);
    CrossEntropyShape shape{count, classes, gradient ? gradient->scale : 0.0f};
    backend.kernels.crossEntropy(shape, logits, targets + first,
                                 losses + first);
    if (!gradient)
      continue;
    head.backwardWeight(backend, count, chunk, input, gradient->dWeight);
    backend.startsGradients = false;
    head.backwardInput(backend, count, chunk, weight,
                       {gradient->dx + first * width, width});
  }
}

} // namespace decay::runtime
