//===- WarpNorms.h - Norms of rows that a warp can hold --------*- C++ -*-===//
//
// A warp takes a row of at most warpRowNumbers<E>, and keeps it in registers
// between the sum over the row and what needs the sum: each number is read
// once. Backward also sums the weight's gradient over its block's rows.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_WARPNORMS_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_WARPNORMS_H

#include "runtime/kernels/native/cuda/Math.h"

namespace decay::runtime::gpu {

/// The sum over a warp's lanes, for all of them.
DECAY_DEVICE float warpSum(float value) {
  for (int mask = warp / 2; mask > 0; mask /= 2)
    value += exchange(value, mask);
  return value;
}

/// The first of the numbers that this lane has in a piece of a row.
template <int N> DECAY_DEVICE Index pieceStart(int piece) {
  return (piece * warp + threadIndex() % warp) * N;
}

/// z = x, or x · s with s = sigmoid(gate).
template <class E, int N, bool gated>
DECAY_DEVICE void loadGated(float (&z)[N], float (&s)[N], const void *x,
                            const void *gate, Index at) {
  load<E>(z, x, at);
  if constexpr (gated) {
    load<E>(s, gate, at);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      s[k] = sigmoid(s[k]);
      z[k] *= s[k];
    }
  }
}

template <class E, bool gated>
DECAY_DEVICE void normWarpRow(const NormArguments &a) {
  constexpr int N = wide<E>;
  const Index row =
      static_cast<Index>(blockIndex()) * rowWarps + threadIndex() / warp;
  const bool exists = row < a.rows;
  float z[warpPieces][N], s[N], w[N], squares = 0;
#pragma unroll
  for (int p = 0; p < warpPieces; ++p) {
    const Index c = pieceStart<N>(p);
    if (!exists || c >= a.width)
      continue;
    loadGated<E, N, gated>(z[p], s, a.x, a.gate, row * a.width + c);
#pragma unroll
    for (int k = 0; k < N; ++k)
      squares += z[p][k] * z[p][k];
  }
  const float scale = a.root / rootOf(warpSum(squares) + a.epsilon);
  if (exists && threadIndex() % warp == 0)
    a.scale[row] = scale;
#pragma unroll
  for (int p = 0; p < warpPieces; ++p) {
    const Index c = pieceStart<N>(p);
    if (!exists || c >= a.width)
      continue;
    load<float>(w, a.weight, c);
#pragma unroll
    for (int k = 0; k < N; ++k)
      z[p][k] *= scale * w[k];
    store<E>(a.y, row * a.width + c, z[p]);
  }
}

/// What a lane has of a row on its way back.
template <class E> struct WarpRow {
  static constexpr int N = wide<E>;
  float z[warpPieces][N], s[warpPieces][N], dy[warpPieces][N],
      dx[warpPieces][N];
};

/// Returns this lane's part of Σ w dy z, and adds dy z scale to `sums`.
template <class E, bool gated>
DECAY_DEVICE float readWarpRow(const NormBackwardArguments &a, Index row,
                               float scale, WarpRow<E> &r,
                               float (&sums)[warpPieces][wide<E>]) {
  constexpr int N = wide<E>;
  float w[N], sum = 0;
#pragma unroll
  for (int p = 0; p < warpPieces; ++p) {
    const Index c = pieceStart<N>(p);
    if (row >= a.rows || c >= a.width)
      continue;
    loadGated<E, N, gated>(r.z[p], r.s[p], a.x, a.gate, row * a.width + c);
    load<E>(r.dy[p], a.dy, row * a.width + c);
    if constexpr (!gated)
      load<E>(r.dx[p], a.dx, row * a.width + c);
    load<float>(w, a.weight, c);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      sum += w[k] * r.dy[p][k] * r.z[p][k];
      sums[p][k] += r.dy[p][k] * r.z[p][k] * scale;
    }
  }
  return sum;
}

template <class E, bool gated>
DECAY_DEVICE void writeWarpRow(const NormBackwardArguments &a, Index row,
                               float scale, float pull, WarpRow<E> &r) {
  constexpr int N = wide<E>;
  float w[N];
#pragma unroll
  for (int p = 0; p < warpPieces; ++p) {
    const Index c = pieceStart<N>(p);
    if (row >= a.rows || c >= a.width)
      continue;
    load<float>(w, a.weight, c);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      float dz = scale * w[k] * r.dy[p][k] - pull * r.z[p][k];
      if constexpr (gated) {
        r.dx[p][k] = dz * r.s[p][k];
        r.dy[p][k] = dz * r.z[p][k] * (1 - r.s[p][k]);
      } else {
        r.dx[p][k] += dz;
      }
    }
    if constexpr (gated)
      store<E>(a.dGate, row * a.width + c, r.dy[p]);
    store<E>(a.dx, row * a.width + c, r.dx[p]);
  }
}

template <class E, bool gated>
DECAY_DEVICE void normWarpRowsBackward(const NormBackwardArguments &a) {
  constexpr int N = wide<E>;
  DECAY_SHARED float shared[rowWarps][warpRowNumbers<E>];
  const int own = threadIndex() / warp;
  const Index first = static_cast<Index>(blockIndex()) * rowsPerSum;
  float sums[warpPieces][N] = {};
  for (Index row = first + own; row < first + rowsPerSum; row += rowWarps) {
    WarpRow<E> r;
    const float scale = row < a.rows ? a.scale[row] : 0.0f;
    const float sum = warpSum(readWarpRow<E, gated>(a, row, scale, r, sums));
    const float pull =
        sum * scale * scale * scale / static_cast<float>(a.width);
    writeWarpRow<E, gated>(a, row, scale, pull, r);
  }
#pragma unroll
  for (int p = 0; p < warpPieces; ++p)
#pragma unroll
    for (int k = 0; k < N; ++k)
      shared[own][pieceStart<N>(p) + k] = sums[p][k];
  barrier();
  for (Index c = threadIndex(); c < a.width; c += threadCount()) {
    float total = 0;
    for (int i = 0; i < rowWarps; ++i)
      total += shared[i][c];
    a.partials[blockIndex() * a.width + c] = total;
  }
}

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_WARPNORMS_H
