//===- Classifier.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/Classifier.h"

#include <algorithm>

namespace decay::runtime {

int64_t Classifier::chunkRows() const {
  // About 4 MiB of logits: large enough for a good product, small enough for a
  // cache.
  return std::clamp<int64_t>((int64_t(1) << 20) / std::max<int64_t>(classes, 1),
                             64, 2048);
}

void Classifier::losses(Backend backend, int64_t rows, const float *x,
                        const float *weight, const int32_t *targets,
                        float *losses, float *logits,
                        const Gradient *gradient) const {
  Linear head{width, classes};
  for (int64_t first = 0; first < rows; first += chunkRows()) {
    int64_t count = std::min(chunkRows(), rows - first);
    Slice input{const_cast<float *>(x) + first * width, width};
    Slice chunk{logits, classes};
    head.forward(backend, count, input, weight, chunk);
    CrossEntropyShape shape{count, classes, gradient ? gradient->scale : 0.0f};
    backend.kernels.crossEntropy(shape, logits, targets + first,
                                 losses + first);
    if (!gradient)
      continue;
    head.backwardWeight(backend, count, chunk, input, gradient->dWeight);
    head.backwardInput(backend, count, chunk, weight,
                       {gradient->dx + first * width, width});
  }
}

} // namespace decay::runtime
