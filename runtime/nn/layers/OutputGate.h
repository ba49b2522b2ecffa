//===- OutputGate.h - Gate, then norm, then Wo -----------------*- C++ -*-===//
//
// y = Wo( RMSNorm( o · sigmoid(G) ) ): the gate multiplies before the norm, and
// the norm runs over the whole width, not per head.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_LAYERS_OUTPUTGATE_H
#define DECAY_RUNTIME_NN_LAYERS_OUTPUTGATE_H

#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

struct OutputGate {
  int64_t inner = 0; ///< width of o and G
  int64_t width = 0; ///< width of the model
  NormOptions options;

  struct Weights {
    float *norm = nullptr; ///< [inner]
    Numbers output;        ///< [width, inner]
  };
  /// Kept from forward for backward.
  struct Saved {
    ConstNumbers o;         ///< [rows, inner]
    ConstNumbers gate;      ///< [rows, inner]
    Numbers normed;         ///< [rows, inner]
    float *scale = nullptr; ///< [rows]
  };

  /// `out` [rows, width] becomes `stream`, which it may be, with the result
  /// added.
  void forward(Backend backend, int64_t rows, Saved saved, Weights weights,
               ConstNumbers stream, Numbers out) const;
  /// Writes dO and dGate [rows, inner], adds to the weights' gradients.
  void backward(Backend backend, int64_t rows, Saved saved, Weights weights,
                ConstNumbers dOut, Numbers dO, Numbers dGate, Weights gradients,
                float *partials) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_OUTPUTGATE_H
