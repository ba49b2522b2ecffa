//===- Math.h - Packs of numbers, functions and sums of a block -*- C++ -*-===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_MATH_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_MATH_H

#include "runtime/kernels/native/cuda/Arguments.h"
#include "runtime/kernels/native/cuda/Thread.h"

namespace decay::runtime::gpu {

/// Numbers that are loaded and stored at once: 16 bytes of them, or one.
template <class E> constexpr int wide = 16 / sizeof(E);
template <class E, int N>
struct alignas(sizeof(E) * N < 16 ? sizeof(E) * N : 16) Pack {
  E numbers[N];
};

template <class E, int N>
DECAY_DEVICE void load(float (&out)[N], const void *array, Index at) {
  auto pack =
      *reinterpret_cast<const Pack<E, N> *>(static_cast<const E *>(array) + at);
#pragma unroll
  for (int i = 0; i < N; ++i)
    out[i] = static_cast<float>(pack.numbers[i]);
}

template <class E, int N>
DECAY_DEVICE void store(void *array, Index at, const float (&in)[N]) {
  Pack<E, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i)
    pack.numbers[i] = static_cast<E>(in[i]);
  *reinterpret_cast<Pack<E, N> *>(static_cast<E *>(array) + at) = pack;
}

constexpr float log2E = 1.44269504f, ln2 = 0.693147181f;
constexpr float lowest = -3.402823466e38f;

DECAY_DEVICE float expOf(float x) { return exp2Of(x * log2E); }
DECAY_DEVICE float logOf(float x) { return log2Of(x) * ln2; }
/// In few instructions: an exact quotient takes 20, and norms would wait for
/// it.
DECAY_DEVICE float sigmoid(float x) { return inverseOf(1.0f + expOf(-x)); }
DECAY_DEVICE float largerOf(float a, float b) { return a > b ? a : b; }

constexpr int warp = 32;

/// The sum over the threads of a block, in a fixed order, for all of them.
DECAY_DEVICE float blockSum(float value) {
  DECAY_SHARED float sums[warp];
  for (int mask = warp / 2; mask > 0; mask /= 2)
    value += exchange(value, mask);
  if (threadIndex() % warp == 0)
    sums[threadIndex() / warp] = value;
  barrier();
  float sum = 0;
  for (int i = 0; i < threadCount() / warp; ++i)
    sum += sums[i];
  barrier();
  return sum;
}

DECAY_DEVICE float blockLargest(float value) {
  DECAY_SHARED float largest[warp];
  for (int mask = warp / 2; mask > 0; mask /= 2)
    value = largerOf(value, exchange(value, mask));
  if (threadIndex() % warp == 0)
    largest[threadIndex() / warp] = value;
  barrier();
  for (int i = 0; i < threadCount() / warp; ++i)
    value = largerOf(value, largest[i]);
  barrier();
  return value;
}

/// This thread's place among all threads of the kernel, times N.
template <int N> DECAY_DEVICE Index place() {
  return (static_cast<Index>(blockIndex()) * threadCount() + threadIndex()) * N;
}

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_MATH_H
