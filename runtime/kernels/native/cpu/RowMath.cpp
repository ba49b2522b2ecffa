//===- RowMath.cpp ---------------------------------------------*- C++ -*-===//
#include "runtime/kernels/native/cpu/RowMath.h"

#include <bit>
#include <cmath>
#include <limits>

// Sanitizers run before the loader's resolvers can, so they see one version
// only.
#if defined(__SANITIZE_ADDRESS__) ||                                           \
    (defined(__has_feature) && __has_feature(address_sanitizer))
#define DECAY_CLONES
#else
#define DECAY_CLONES                                                           \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#define DECAY_INLINE static inline __attribute__((always_inline))

namespace decay::runtime::rows {

namespace {

/// Sums run in this many lanes, whatever the vector width, and are then added
/// in order.
constexpr int64_t lanes = 32;

DECAY_INLINE float sumLanes(const float *partial) {
  float sum = 0;
  for (int64_t j = 0; j < lanes; ++j)
    sum += partial[j];
  return sum;
}

/// e^x to 2 units in the last place, NaN for NaN; saturates outside [-87, 88].
DECAY_INLINE float expFast(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  // Adding 1.5 · 2^23 leaves the rounded quotient in the low bits of the
  // mantissa.
  const float magic = 12582912.0f;
  float shifted = x * 1.44269504f + magic;
  float n = shifted - magic;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t exponent = (std::bit_cast<uint32_t>(shifted) << 23) + 0x3f800000u;
  return p * std::bit_cast<float>(exponent);
}

DECAY_INLINE float sigmoid(float x) { return 1.0f / (1.0f + expFast(-x)); }

} // namespace

DECAY_CLONES void add(float *__restrict sum, const float *__restrict term,
                      int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    sum[i] += term[i];
}

DECAY_CLONES float sumOfSquares(const float *x, int64_t n) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      partial[j] += x[i + j] * x[i + j];
  for (; i < n; ++i)
    partial[0] += x[i] * x[i];
  return sumLanes(partial);
}

DECAY_CLONES void scaleBy(const float *__restrict x, float scale,
                          const float *__restrict w, float *__restrict y,
                          int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    y[i] = x[i] * scale * w[i];
}

DECAY_CLONES void normBackward(const float *__restrict x,
                               const float *__restrict w, float r,
                               const float *__restrict dy, float *__restrict dx,
                               float *__restrict dw, int64_t n) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      partial[j] += w[i + j] * dy[i + j] * x[i + j];
  for (; i < n; ++i)
    partial[0] += w[i] * dy[i] * x[i];
  float pull = sumLanes(partial) * r * r * r / static_cast<float>(n);
  for (int64_t c = 0; c < n; ++c) {
    dx[c] += r * w[c] * dy[c] - pull * x[c];
    dw[c] += dy[c] * x[c] * r;
  }
}

DECAY_CLONES float gateSumOfSquares(const float *__restrict o,
                                    const float *__restrict gate,
                                    float *__restrict z, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    z[i] = o[i] * sigmoid(gate[i]);
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      partial[j] += z[i + j] * z[i + j];
  for (; i < n; ++i)
    partial[0] += z[i] * z[i];
  return sumLanes(partial);
}

// The outputs may be the inputs dy and gate: a loop must be free to vectorise
// all the same, hence the pragma in place of __restrict.
DECAY_CLONES void gatedNormBackward(const float *o, const float *gate,
                                    const float *w, float r, const float *dy,
                                    float *dO, float *dGate, float *dw,
                                    int64_t n) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      partial[j] += w[i + j] * dy[i + j] * o[i + j] * sigmoid(gate[i + j]);
  for (; i < n; ++i)
    partial[0] += w[i] * dy[i] * o[i] * sigmoid(gate[i]);
  float pull = sumLanes(partial) * r * r * r / static_cast<float>(n);
#pragma clang loop vectorize(assume_safety)
  for (int64_t c = 0; c < n; ++c) {
    float s = sigmoid(gate[c]);
    float z = o[c] * s;
    float dz = r * w[c] * dy[c] - pull * z;
    dw[c] += dy[c] * z * r;
    dGate[c] = dz * z * (1.0f - s);
    dO[c] = dz * s;
  }
}

DECAY_CLONES void glu(const float *__restrict a, const float *__restrict b,
                      float *__restrict h, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    h[i] = a[i] * sigmoid(a[i]) * b[i];
}

DECAY_CLONES void gluBackward(float *__restrict a, float *__restrict b,
                              float *__restrict dh, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    float s = sigmoid(a[i]);
    float silu = a[i] * s;
    float d = dh[i];
    dh[i] = silu * b[i];
    a[i] = d * b[i] * (s + silu * (1.0f - s));
    b[i] = d * silu;
  }
}

DECAY_CLONES float largest(const float *x, int64_t n) {
  float best[lanes];
  for (int64_t j = 0; j < lanes; ++j)
    best[j] = -std::numeric_limits<float>::infinity();
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
  for (; i < n; ++i)
    best[0] = x[i] > best[0] ? x[i] : best[0];
  for (int64_t j = 1; j < lanes; ++j)
    best[0] = best[j] > best[0] ? best[j] : best[0];
  return best[0];
}

DECAY_CLONES float exponentials(float *x, float shift, int64_t n) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j) {
      x[i + j] = expFast(x[i + j] - shift);
      partial[j] += x[i + j];
    }
  for (; i < n; ++i) {
    x[i] = expFast(x[i] - shift);
    partial[0] += x[i];
  }
  return sumLanes(partial);
}

DECAY_CLONES float sumOfExponentials(const float *x, float shift, int64_t n) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      partial[j] += expFast(x[i + j] - shift);
  for (; i < n; ++i)
    partial[0] += expFast(x[i] - shift);
  return sumLanes(partial);
}

DECAY_CLONES void scale(float *x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    x[i] *= factor;
}

} // namespace decay::runtime::rows
