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

/// Where a lane's first piece of a row is, and which of its pieces there are.
template <class E> struct WarpRow {
  static constexpr int N = wide<E>;
  Index begin;
  bool exists[warpPieces];

  DECAY_DEVICE WarpRow(Index row, Index rows, Index width)
      : begin(row * width + pieceStart<N>(0)) {
#pragma unroll
    for (int p = 0; p < warpPieces; ++p)
      exists[p] = row < rows && pieceStart<N>(p) < width;
  }
  DECAY_DEVICE Index at(int piece) const { return begin + piece * warp * N; }
};

/// Pieces of 16 bytes, zero behind the row's end, as words: a number of 16 bits
/// alone would take a register. All of a row's loads are under way before any
/// is used.
template <class E> struct WarpPieces {
  static constexpr int wordsAtOnce = 4;
  Pack<unsigned, wordsAtOnce> pieces[warpPieces];

  DECAY_DEVICE void load(const void *array, const WarpRow<E> &row) {
    using Piece = Pack<unsigned, wordsAtOnce>;
#pragma unroll
    for (int p = 0; p < warpPieces; ++p)
      pieces[p] = row.exists[p] ? *reinterpret_cast<const Piece *>(
                                      static_cast<const E *>(array) + row.at(p))
                                : Piece{};
  }
  DECAY_DEVICE float of(int piece, int k) const {
    const unsigned *words = pieces[piece].numbers;
    if constexpr (sizeof(E) == sizeof(float))
      return __builtin_bit_cast(float, words[k]);
    const unsigned word = words[k / 2];
    return __builtin_bit_cast(float, k % 2 ? word & 0xffff0000u : word << 16);
  }
  /// What was made of the numbers is made again afterwards, instead of held.
  DECAY_DEVICE void forgetUses() {
#pragma unroll
    for (int p = 0; p < warpPieces; ++p)
#pragma unroll
      for (int i = 0; i < wordsAtOnce; ++i)
        forgetOrigin(pieces[p].numbers[i]);
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
    load<float>(w, a.weight, pieceStart<N>(p));
#pragma unroll
    for (int k = 0; k < N; ++k)
      z[p][k] *= scale * w[k];
    store<E>(a.y, row.at(p), z[p]);
  }
}

/// A warp's sums over its rows for the weight's gradient: in shared memory,
/// four numbers at once and side by side over the lanes, as registers hold the
/// next row.
template <class E> class WarpSums {
public:
  static constexpr int N = wide<E>, atOnce = 4, parts = N / atOnce;

  /// A lane's slots are its own: nobody waits.
  DECAY_DEVICE explicit WarpSums(float *memory) : memory(memory) {
    const float zeros[atOnce] = {};
    for (int piece = 0; piece < warpPieces; ++piece)
      for (int part = 0; part < parts; ++part)
        store<float>(memory, slot(piece, part, threadIndex() % warp), zeros);
  }
  DECAY_DEVICE void add(int piece, const float (&terms)[N]) {
#pragma unroll
    for (int part = 0; part < parts; ++part) {
      const int at = slot(piece, part, threadIndex() % warp);
      float sum[atOnce];
      load<float>(sum, memory, at);
#pragma unroll
      for (int k = 0; k < atOnce; ++k)
        sum[k] += terms[part * atOnce + k];
      store<float>(memory, at, sum);
    }
  }
  static DECAY_DEVICE int slotOf(int column) {
    const int lane = column / N % warp, piece = column / N / warp;
    return slot(piece, column % N / atOnce, lane) + column % atOnce;
  }

private:
  static DECAY_DEVICE int slot(int piece, int part, int lane) {
    return ((piece * parts + part) * warp + lane) * atOnce;
  }

  float *memory;
};

/// What a lane has of a row on its way back, as it came: x, dy, and the gate or
/// the stream's gradient.
template <class E, bool gated> struct WarpRowBackward {
  static constexpr int N = wide<E>;
  WarpRow<E> row;
  WarpPieces<E> x, dy, gateOrStream;
  float scale;

  DECAY_DEVICE WarpRowBackward(const NormBackwardArguments &a, Index index,
                               Index end)
      : row(index, end, a.width) {
    x.load(a.x, row);
    dy.load(a.dy, row);
    scale = a.scale[index < end ? index : 0];
  }

  /// The rest of what it holds, which is not needed as long before.
  DECAY_DEVICE void complete(const NormBackwardArguments &a) {
    gateOrStream.load(gated ? a.gate : a.dx, row);
  }

  DECAY_DEVICE float openness(int p, int k) const {
    return gated ? sigmoid(gateOrStream.of(p, k)) : 1.0f;
  }

  /// Returns this lane's part of Σ w dy z, and adds dy z scale to `sums`.
  DECAY_DEVICE float addTo(WarpSums<E> &sums, const float *weight) const {
    float w[N], terms[N], sum = 0;
#pragma unroll
    for (int p = 0; p < warpPieces; ++p) {
      if (!row.exists[p])
        continue;
      load<float>(w, weight, pieceStart<N>(p));
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float product = dy.of(p, k) * x.of(p, k) * openness(p, k);
        sum += w[k] * product;
        terms[k] = product * scale;
      }
      sums.add(p, terms);
    }
    return sum;
  }

  DECAY_DEVICE void write(const NormBackwardArguments &a, float pull) {
    x.forgetUses();
    dy.forgetUses();
    gateOrStream.forgetUses();
    float w[N], dIn[N], dGate[N];
#pragma unroll
    for (int p = 0; p < warpPieces; ++p) {
      if (!row.exists[p])
        continue;
      load<float>(w, a.weight, pieceStart<N>(p));
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float open = openness(p, k), z = x.of(p, k) * open;
        const float dz = scale * w[k] * dy.of(p, k) - pull * z;
        dIn[k] = gated ? dz * open : gateOrStream.of(p, k) + dz;
        dGate[k] = dz * z * (1 - open);
      }
      if constexpr (gated)
        store<E>(a.dGate, row.at(p), dGate);
      store<E>(a.dx, row.at(p), dIn);
    }
  }
};

/// While a warp works on a row, its next one is on its way.
template <class E, bool gated>
DECAY_DEVICE void normWarpRowsBackward(const NormBackwardArguments &a) {
  alignas(16) DECAY_SHARED float shared[rowWarps][warpRowNumbers<E>];
  const int own = threadIndex() / warp;
  const Index first = static_cast<Index>(blockIndex()) * rowsPerSum;
  const Index end = first + rowsPerSum < a.rows ? first + rowsPerSum : a.rows;
  WarpSums<E> sums(shared[own]);
  WarpRowBackward<E, gated> row(a, first + own, end);
  // All warps go as often, also past the last row: they meet in sums.
  for (Index index = first + own; index < first + rowsPerSum;
       index += rowWarps) {
    row.complete(a);
    const WarpRowBackward<E, gated> next(a, index + rowWarps, end);
    const float sum = warpSum(row.addTo(sums, a.weight)), scale = row.scale;
    row.write(a, sum * scale * scale * scale / static_cast<float>(a.width));
    row = next;
  }
  barrier();
  for (int c = threadIndex(); c < a.width; c += threadCount()) {
    float total = 0;
    for (int i = 0; i < rowWarps; ++i)
      total += shared[i][WarpSums<E>::slotOf(c)];
    a.partials[blockIndex() * a.width + c] = total;
  }
}

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_WARPNORMS_H
