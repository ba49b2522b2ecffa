//===- Glu.h - W3( silu(x W1) · (x W2) ) -----------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_GLU_H
#define DECAY_RUNTIME_NN_LAYERS_GLU_H

#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

struct Glu {
  int64_t width = 0;
  int64_t hidden = 0;

  struct Weights {
    float *expand =
        nullptr; ///< W1 then W2: [2 hidden, width], one product for both
    float *shrink = nullptr; ///< W3 [width, hidden]
  };

  /// ab [rows, 2 hidden] is kept for backward, h [rows, hidden] is scratch.
  /// Adds the result to `out`, the residual stream.
  void forward(Backend backend, int64_t rows, const float *x, Weights weights,
               float *ab, float *h, float *out) const;
  /// Writes dx; adds to the weights' gradients. ab is overwritten; dh [rows,
  /// hidden] is scratch.
  void backward(Backend backend, int64_t rows, const float *x, Weights weights,
                float *ab, const float *dOut, float *dh, float *dx,
                Weights gradients) const;

  /// 8 D / 3, rounded up to a multiple of `multiple`.
  static int64_t hiddenFor(int64_t width, int64_t multiple) {
    int64_t wanted = (8 * width + 2) / 3;
    return (wanted + multiple - 1) / multiple * multiple;
  }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_GLU_H
