//===- Classifier.h - Head and loss, a few rows at a time ------*- C++ -*-===//
//
// logits = x Wᵀ, loss = -log softmax(logits)[target]. All logits of a batch are
// never held at once: rows go through in chunks, and in training each chunk's
// gradients follow at once.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_LAYERS_CLASSIFIER_H
#define DECAY_RUNTIME_NN_LAYERS_CLASSIFIER_H

#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

struct Classifier {
  int64_t width = 0;
  int64_t classes = 0;

  struct Gradient {
    float scale = 0;          ///< factor of each row's gradient, e.g. 1 / rows
    Numbers dx;               ///< [rows, width], written
    float *dWeight = nullptr; ///< [classes, width], added to
  };

  /// Writes losses [rows] in nats (0 where the target is negative). `logits` is
  /// scratch of chunkRows(device) · classes values. `gradient` is null when
  /// only losses are wanted.
  void losses(Backend backend, int64_t rows, ConstNumbers x,
              ConstNumbers weight, const int32_t *targets, float *losses,
              Numbers logits, const Gradient *gradient) const;

  int64_t chunkRows(const Device &device) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_CLASSIFIER_H
