//===- LowRank.h - y = (x W1ᵀ) W2ᵀ, with nothing between -------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_LOWRANK_H
#define DECAY_RUNTIME_NN_LAYERS_LOWRANK_H

#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

/// The second factor of a low-rank projection, W2 [outputs, rank]. The first
/// one is some rows of a stacked matrix which the mixer multiplies at once for
/// all its projections.
struct LowRank {
  int64_t rank = 0;
  int64_t outputs = 0;

  /// inner [rows, rank] = x W1ᵀ; y [rows, outputs].
  void forward(Backend backend, int64_t rows, Slice inner, ConstNumbers second,
               Slice y) const {
    Linear{rank, outputs}.forward(backend, rows, inner, second, y);
  }
  /// Writes dInner, adds to dSecond.
  void backward(Backend backend, int64_t rows, Slice inner, ConstNumbers second,
                Slice dy, Slice dInner, float *dSecond) const {
    Linear{rank, outputs}.backwardWeight(backend, rows, dy, inner, dSecond);
    Linear{rank, outputs}.backwardInput(backend, rows, dy, second, dInner);
  }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_LOWRANK_H
