//===- RmsNorm.h - Division by the root of the squares ---------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_RMSNORM_H
#define DECAY_RUNTIME_NN_LAYERS_RMSNORM_H

#include "runtime/nn/layers/Backend.h"

namespace decay::runtime {

/// y = √D · x / √(Σx² + ε) · weight (the paper's), or with ε on the mean;
/// NormOptions chooses.
struct RmsNorm {
  int64_t width = 0;
  NormOptions options;

  /// `scale` [rows] is what backward needs beside x.
  void forward(Backend backend, int64_t rows, ConstNumbers x,
               const float *weight, Numbers y, float *scale) const {
    backend.kernels.rmsNorm({rows, width}, options, x, weight, y, scale);
  }
  /// Adds to dx and dWeight; `partials` holds NativeKernels::partialFloats
  /// values.
  void backward(Backend backend, int64_t rows, ConstNumbers x,
                const float *weight, const float *scale, ConstNumbers dy,
                Numbers dx, float *dWeight, float *partials) const {
    backend.kernels.rmsNormBackward({rows, width}, x, weight, scale, dy, dx,
                                    dWeight, partials);
  }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_RMSNORM_H
