//===- Glu.h - W3( silu(x W1) · (x W2) ) -----------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_GLU_H
#define DECAY_RUNTIME_NN_LAYERS_GLU_H

#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

struct Glu {
  int64_t width = 0;
  int64_t hidden = 0;

  struct Weights {
    Numbers expand; ///< W1 then W2: [2 hidden, width], one product for both
    Numbers shrink; ///< W3 [width, hidden]
  };

  /// ab [rows, 2 hidden] is kept for backward, h [rows, hidden] is scratch.
  /// `out` becomes `stream`, which it may be, with the result added.
  void forward(Backend backend, int64_t rows, ConstNumbers x, Weights weights,
               Numbers ab, Numbers h, ConstNumbers stream, Numbers out) const;
  /// Its first product alone: ab, from which backward makes the rest.
  void expand(Backend backend, int64_t rows, ConstNumbers x, Weights weights,
              Numbers ab) const;
  /// Writes dx; adds to the weights' gradients. ab is overwritten; dh [rows,
  /// hidden] is scratch.
  void backward(Backend backend, int64_t rows, ConstNumbers x, Weights weights,
                Numbers ab, ConstNumbers dOut, Numbers dh, Numbers dx,
                Weights gradients) const;

  /// 8 D / 3, rounded up to a multiple of `multiple`.
  static int64_t hiddenFor(int64_t width, int64_t multiple) {
    int64_t wanted = (8 * width + 2) / 3;
    return (wanted + multiple - 1) / multiple * multiple;
  }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_GLU_H
