//===- Linear.h - y = x Wᵀ -------------------------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_LINEAR_H
#define DECAY_RUNTIME_NN_LAYERS_LINEAR_H

#include "runtime/nn/layers/Backend.h"

namespace decay::runtime {

/// A matrix product with weights [outputs, inputs], without bias.
struct Linear {
  int64_t inputs = 0;
  int64_t outputs = 0;

  /// y = x Wᵀ, or y = source + x Wᵀ, with rows of source as far apart as those
  /// of y, which it may be. x [rows, inputs], y [rows, outputs].
  void forward(Backend backend, int64_t rows, Slice x, ConstNumbers weight,
               Slice y, ConstNumbers source = {}) const;
  /// dx = dy W.
  void backwardInput(Backend backend, int64_t rows, Slice dy,
                     ConstNumbers weight, Slice dx) const;
  /// Adds dyᵀ x to dWeight, or begins it (Backend).
  void backwardWeight(Backend backend, int64_t rows, Slice dy, Slice x,
                      float *dWeight) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_LINEAR_H
