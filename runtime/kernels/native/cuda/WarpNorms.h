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

/// What a lane has of a row. Of pieces behind the row's end it has the first
/// numbers, so that all of a row's loads are under way before any is used.
template <class E> struct WarpRow {
  static constexpr int N = wide<E>;
  Index at[warpPieces];
  bool exists[warpPieces];

  DECAY_DEVICE WarpRow(Index row, Index rows, Index width) {
#pragma unroll
    for (int p = 0; p < warpPieces; ++p) {
      const Index c = pieceStart<N>(p);
      exists[p] = row < rows && c < width;
      at[p] = exists[p] ? row * width + c : 0;
    }
  }
};

template <class E> struct WarpPieces {
  Pack<E, wide<E>> pieces[warpPieces];

  DECAY_DEVICE void load(const void *array, const WarpRow<E> &row) {
#pragma unroll
    for (int p = 0; p < warpPieces; ++p)
      pieces[p] = *reinterpret_cast<const Pack<E, wide<E>> *>(
          static_cast<const E *>(array) + row.at[p]);
  }
  DECAY_DEVICE float of(int piece, int k) const {
    return static_cast<float>(pieces[piece].numbers[k]);
  }
};

template <class E, bool gated>
DECAY_DEVICE void normWarpRow(const NormArguments &a) {
  constexpr int N = wide<E>;
  const Index index =
      static_cast<Index>(blockIndex()) * rowWarps + threadIndex() / warp;
  const WarpRow<E> row(index, a.rows, a.width);
  WarpPieces<E> x, gate;
  x.load(a.x, row);
  if constexpr (gated)
    gate.load(a.gate, row);
  float z[warpPieces][N], w[N], squares = 0;
#pragma unroll
  for (int p = 0; p < warpPieces; ++p)
#pragma unroll
    for (int k = 0; k < N; ++k) {
      z[p][k] = gated ? x.of(p, k) * sigmoid(gate.of(p, k)) : x.of(p, k);
      squares += row.exists[p] ? z[p][k] * z[p][k] : 0.0f;
    }
  const float scale = a.root / rootOf(warpSum(squares) + a.epsilon);
  if (index < a.rows && threadIndex() % warp == 0)
    a.scale[index] = scale;
#pragma unroll
  for (int p = 0; p < warpPieces; ++p) {
    if (!row.exists[p])
      continue;
    if (!gated && a.copy)
      store<E>(a.copy, row.at[p], z[p]);
    load<float>(w, a.weight, pieceStart<N>(p));
#pragma unroll
    for (int k = 0; k < N; ++k)
      z[p][k] *= scale * w[k];
    store<E>(a.y, row.at[p], z[p]);
  }
}

/// What a lane has of a row on its way back.
template <class E, bool gated> struct WarpRowBackward {
  static constexpr int N = wide<E>;
  WarpRow<E> row;
  WarpPieces<E> x, gate, dy, dx;
  float scale;

  DECAY_DEVICE WarpRowBackward(const NormBackwardArguments &a, Index index)
      : row(index, a.rows, a.width) {
    x.load(a.x, row);
    dy.load(a.dy, row);
    gated ? gate.load(a.gate, row) : dx.load(a.dx, row);
    scale = a.scale[index < a.rows ? index : 0];
  }

  /// Returns this lane's part of Σ w dy z, and adds dy z scale to `sums`.
  DECAY_DEVICE float addTo(float (&sums)[warpPieces][N],
                           const float *weight) const {
    float w[N], sum = 0;
#pragma unroll
    for (int p = 0; p < warpPieces; ++p) {
      if (!row.exists[p])
        continue;
      load<float>(w, weight, pieceStart<N>(p));
#pragma unroll
      for (int k = 0; k < N; ++k) {
        float z = gated ? x.of(p, k) * sigmoid(gate.of(p, k)) : x.of(p, k);
        sum += w[k] * dy.of(p, k) * z;
        sums[p][k] += dy.of(p, k) * z * scale;
      }
    }
    return sum;
  }

  DECAY_DEVICE void write(const NormBackwardArguments &a, float pull) const {
    float w[N], dIn[N], dGate[N];
#pragma unroll
    for (int p = 0; p < warpPieces; ++p) {
      if (!row.exists[p])
        continue;
      load<float>(w, a.weight, pieceStart<N>(p));
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float s = gated ? sigmoid(gate.of(p, k)) : 1.0f;
        const float z = x.of(p, k) * s;
        const float dz = scale * w[k] * dy.of(p, k) - pull * z;
        dIn[k] = gated ? dz * s : dx.of(p, k) + dz;
        dGate[k] = dz * z * (1 - s);
      }
      if constexpr (gated)
        store<E>(a.dGate, row.at[p], dGate);
      store<E>(a.dx, row.at[p], dIn);
    }
  }
};

template <class E, bool gated>
DECAY_DEVICE void normWarpRowsBackward(const NormBackwardArguments &a) {
  constexpr int N = wide<E>;
  DECAY_SHARED float shared[rowWarps][warpRowNumbers<E>];
  const int own = threadIndex() / warp;
  const Index first = static_cast<Index>(blockIndex()) * rowsPerSum;
  float sums[warpPieces][N] = {};
  for (Index index = first + own; index < first + rowsPerSum;
       index += rowWarps) {
    const WarpRowBackward<E, gated> row(a, index);
    const float sum = warpSum(row.addTo(sums, a.weight)), scale = row.scale;
    row.write(a, sum * scale * scale * scale / static_cast<float>(a.width));
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
