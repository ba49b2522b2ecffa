//===- RowMath.h - Loops over one row, for each instruction set -*- C++ -*-===//
//
// Plain loops which the compiler vectorises, cloned for what the host can do
// and chosen when the program starts. Each row is computed by one call, so that
// the partition of rows over workers cannot change a bit.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CPU_ROWMATH_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CPU_ROWMATH_H

#include <cstdint>

namespace decay::runtime::rows {

void add(float *sum, const float *term, int64_t n);
/// Σ x²; fp32 in 16 lanes.
float sumOfSquares(const float *x, int64_t n);
/// y = x · scale · w
void scaleBy(const float *x, float scale, const float *w, float *y, int64_t n);
/// Backward of y = x · r · w with r = √D / √(Σx² + ε): adds to dx and dw.
void normBackward(const float *x, const float *w, float r, const float *dy,
                  float *dx, float *dw, int64_t n);
/// z = o · sigmoid(gate), returns Σ z².
float gateSumOfSquares(const float *o, const float *gate, float *z, int64_t n);
/// Backward of y = rmsnorm(o · sigmoid(gate)) · w; dO may be dy, dGate may be
/// gate; adds to dw.
void gatedNormBackward(const float *o, const float *gate, const float *w,
                       float r, const float *dy, float *dO, float *dGate,
                       float *dw, int64_t n);
void glu(const float *a, const float *b, float *h, int64_t n);
void gluBackward(float *a, float *b, float *dh, int64_t n);
float largest(const float *x, int64_t n);
/// x = exp(x - shift), returns the sum.
float exponentials(float *x, float shift, int64_t n);
/// Σ exp(x - shift); x is left alone.
float sumOfExponentials(const float *x, float shift, int64_t n);
void scale(float *x, float factor, int64_t n);

} // namespace decay::runtime::rows

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CPU_ROWMATH_H
