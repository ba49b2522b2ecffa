//===- OutputGate.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/OutputGate.h"

namespace decay::runtime {

void OutputGate::forward(Backend backend, int64_t rows, Saved saved,
                         Weights weights, ConstNumbers stream,
                         Numbers out) const {
  backend.kernels.gatedNorm({rows, inner}, options, saved.o, saved.gate,
                            weights.norm, saved.normed, saved.scale);
  Linear{inner, width}.forward(backend, rows, {saved.normed, inner},
                               weights.output, {out, width}, stream);
}

void OutputGate::backward(Backend backend, int64_t rows, Saved saved,
                          Weights weights, ConstNumbers dOut, Numbers dO,
                          Numbers dGate, Weights gradients,
                          float *partials) const {
  Linear output{inner, width};
  Slice dRows = rowsOf(dOut, width);
  output.backwardWeight(backend, rows, dRows, {saved.normed, inner},
                        gradients.output.floats());
  // dO serves first as the gradient of the normed rows; the kernel allows the
  // overlap.
  output.backwardInput(backend, rows, dRows, weights.output, {dO, inner});
  backend.kernels.gatedNormBackward({rows, inner}, saved.o, saved.gate,
                                    weights.norm, saved.scale, dO, dO, dGate,
                                    gradients.norm, partials);
}

} // namespace decay::runtime
