//===- Embedding.h - Tokens to rows of a table -----------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_EMBEDDING_H
#define DECAY_RUNTIME_NN_LAYERS_EMBEDDING_H

#include "runtime/nn/layers/Backend.h"

namespace decay::runtime {

/// Table [vocabulary, width], not scaled.
struct Embedding {
  int64_t width = 0;

  void forward(Backend backend, int64_t rows, const int32_t *tokens,
               ConstNumbers table, Numbers out) const {
    backend.kernels.gatherRows({rows, width}, tokens, table, out);
  }
  /// Adds to dTable; `scratch` holds NativeKernels::scatterFloats values.
  void backward(Backend backend, int64_t rows, const int32_t *tokens,
                ConstNumbers dOut, float *dTable, float *scratch) const {
    backend.kernels.scatterAddRows({rows, width}, tokens, dOut, dTable,
                                   scratch);
  }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_EMBEDDING_H
