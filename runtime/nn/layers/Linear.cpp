//===- Linear.cpp ----------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/Linear.h"

namespace decay::runtime {

void Linear::forward(Backend backend, int64_t rows, Slice x,
                     ConstNumbers weight, Slice y, ConstNumbers source) const {
  MatrixProduct product;
  product.transposeB = true;
  product.M = rows, product.N = outputs, product.K = inputs;
  product.a = x.data, product.lda = x.stride;
  product.b = weight, product.ldb = inputs;
  product.c = y.data, product.ldc = y.stride;
  product.beta = source ? 1.0f : 0.0f;
  product.source = source;
  backend.device.multiply(product);
}

void Linear::backwardInput(Backend backend, int64_t rows, Slice dy,
                           ConstNumbers weight, Slice dx) const {
  MatrixProduct product;
  product.M = rows, product.N = inputs, product.K = outputs;
  product.a = dy.data, product.lda = dy.stride;
  product.b = weight, product.ldb = inputs;
  product.c = dx.data, product.ldc = dx.stride;
  backend.device.multiply(product);
}

void Linear::backwardWeight(Backend backend, int64_t rows, Slice dy, Slice x,
                            float *dWeight) const {
  MatrixProduct product;
  product.transposeA = true;
  product.M = outputs, product.N = inputs, product.K = rows;
  product.a = dy.data, product.lda = dy.stride;
  product.b = x.data, product.ldb = x.stride;
  product.c = dWeight, product.ldc = inputs;
  product.beta = backend.startsGradients ? 0.0f : 1.0f;
  backend.device.multiply(product);
}

} // namespace decay::runtime
