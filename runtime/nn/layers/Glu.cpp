//===- Glu.cpp -------------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/Glu.h"

namespace decay::runtime {

void Glu::expand(Backend backend, int64_t rows, ConstNumbers x, Weights weights,
                 Numbers ab) const {
  Linear{width, 2 * hidden}.forward(backend, rows, rowsOf(x, width),
                                    weights.expand, {ab, 2 * hidden});
}

void Glu::forward(Backend backend, int64_t rows, ConstNumbers x,
                  Weights weights, Numbers ab, Numbers h, ConstNumbers stream,
                  Numbers out) const {
  expand(backend, rows, x, weights, ab);
  backend.kernels.glu({rows, hidden}, ab, h);
  Linear{hidden, width}.forward(backend, rows, {h, hidden}, weights.shrink,
                                {out, width}, stream);
}

void Glu::backward(Backend backend, int64_t rows, ConstNumbers x,
                   Weights weights, Numbers ab, ConstNumbers dOut, Numbers dh,
                   Numbers dx, Weights gradients) const {
  Slice dRows = rowsOf(dOut, width);
  Slice input = rowsOf(x, width);
  Linear expand{width, 2 * hidden};
  Linear shrink{hidden, width};
  shrink.backwardInput(backend, rows, dRows, weights.shrink, {dh, hidden});
  // From here ab holds its own gradient, and dh holds h, made again rather than
  // kept.
  backend.kernels.gluBackward({rows, hidden}, ab, dh);
  shrink.backwardWeight(backend, rows, dRows, {dh, hidden},
                        gradients.shrink.floats());
  expand.backwardWeight(backend, rows, {ab, 2 * hidden}, input,
                        gradients.expand.floats());
  expand.backwardInput(backend, rows, {ab, 2 * hidden}, weights.expand,
                       {dx, width});
}

} // namespace decay::runtime
