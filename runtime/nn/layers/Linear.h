//===- Linear.h - y = x Wᵀ -------------------------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_LINEAR_H
#define DECAY_RUNTIME_NN_LAYERS_LINEAR_H

#include "runtime/nn/layers/Backend.h"

namespace decay::runtime {

/// A matrix product with weights [outputs, inputs], without bias.
struct Linear {
  int64_t inputs = 0;
  int64_t outputs = 0;

  /// y = x Wᵀ, or y += x Wᵀ. x [rows, inputs], y [rows, outputs].
  void forward(Backend backend, int64_t rows, Slice x, ConstNumbers weight,
               Slice y, bool addTo = false) const;
  /// dx = dy W (or adds to it).
  void backwardInput(Backend backend, int64_t rows, Slice dy,
                     ConstNumbers weight, Slice dx, bool addTo = false) const;
  /// Adds dyᵀ x to dWeight.
  void backwardWeight(Backend backend, int64_t rows, Slice dy, Slice x,
                      float *dWeight) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_LINEAR_H
