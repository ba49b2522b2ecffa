//===- Kernels.cu - The native kernels' code on the GPU --------*- C++ -*-===//
//
// What each kernel does stands in NativeKernels.h. A block takes a row, or
// numbers in order; what several threads add is added in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "runtime/kernels/native/cuda/Math.h"
#include "runtime/kernels/native/cuda/TokenRows.h"
#include "runtime/kernels/native/cuda/WarpNorms.h"

namespace decay::runtime::gpu {

template <class Out, class In, int N>
DECAY_DEVICE void convert(const ConvertArguments &a) {
  Index at = place<N>();
  if (at >= a.count)
    return;
  float numbers[N];
  load<In>(numbers, a.in, at);
  store<Out>(a.out, at, numbers);
}

template <class Out, class In>
DECAY_DEVICE void convertRows(const ConvertRowsArguments &a) {
  Index row = blockIndex();
  for (Index c = threadIndex(); c < a.width; c += threadCount()) {
    float number[1];
    load<In>(number, a.in, row * a.inStride + c);
    store<Out>(a.out, row * a.outStride + c, number);
  }
}

DECAY_DEVICE void add(const AddArguments &a) {
  Index at = place<1>();
  if (at < a.count)
    a.sum[at] += a.term[at];
}

template <class E, int N> DECAY_DEVICE void gatherRows(const RowsArguments &a) {
  Index row = blockIndex();
  Index from = a.tokens[row] * a.width;
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    float numbers[N];
    load<E>(numbers, a.from, from + c);
    store<E>(a.to, row * a.width + c, numbers);
  }
}

/// x, or x · sigmoid(gate).
template <class E, int N, bool gated>
DECAY_DEVICE void loadNormed(float (&z)[N], const void *x, const void *gate,
                             Index at) {
  load<E>(z, x, at);
  if constexpr (gated) {
    float g[N];
    load<E>(g, gate, at);
    for (int k = 0; k < N; ++k)
      z[k] *= sigmoid(g[k]);
  }
}

template <class E, int N, bool gated>
DECAY_DEVICE void normRow(const NormArguments &a) {
  const Index row = blockIndex(), begin = row * a.width;
  float z[N], w[N], squares = 0;
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    loadNormed<E, N, gated>(z, a.x, a.gate, begin + c);
    for (int k = 0; k < N; ++k)
      squares += z[k] * z[k];
  }
  const float scale = a.root / rootOf(blockSum(squares) + a.epsilon);
  if (threadIndex() == 0)
    a.scale[row] = scale;
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    loadNormed<E, N, gated>(z, a.x, a.gate, begin + c);
    load<float>(w, a.weight, c);
    for (int k = 0; k < N; ++k)
      z[k] *= scale * w[k];
    store<E>(a.y, begin + c, z);
  }
}

template <class E, int N> DECAY_DEVICE void rmsNorm(const NormArguments &a) {
  normRow<E, N, false>(a);
}
template <class E, int N> DECAY_DEVICE void gatedNorm(const NormArguments &a) {
  normRow<E, N, true>(a);
}

/// r³ Σ w dy z / width: what pulls a row's gradient towards the row.
template <class E, int N, bool gated>
DECAY_DEVICE float pullOf(const NormBackwardArguments &a, Index begin,
                          float scale) {
  float z[N], w[N], dy[N], sum = 0;
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    loadNormed<E, N, gated>(z, a.x, a.gate, begin + c);
    load<float>(w, a.weight, c);
    load<E>(dy, a.dy, begin + c);
    for (int k = 0; k < N; ++k)
      sum += w[k] * dy[k] * z[k];
  }
  return blockSum(sum) * scale * scale * scale / static_cast<float>(a.width);
}

template <class E, int N>
DECAY_DEVICE void rmsNormBackward(const NormBackwardArguments &a) {
  const Index row = blockIndex(), begin = row * a.width;
  const float scale = a.scale[row];
  const float pull = pullOf<E, N, false>(a, begin, scale);
  float x[N], w[N], dy[N], dx[N];
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    load<E>(x, a.x, begin + c);
    load<float>(w, a.weight, c);
    load<E>(dy, a.dy, begin + c);
    load<E>(dx, a.dx, begin + c);
    for (int k = 0; k < N; ++k)
      dx[k] += scale * w[k] * dy[k] - pull * x[k];
    store<E>(a.dx, begin + c, dx);
  }
}

template <class E, int N>
DECAY_DEVICE void gatedNormBackward(const NormBackwardArguments &a) {
  const Index row = blockIndex(), begin = row * a.width;
  const float scale = a.scale[row];
  const float pull = pullOf<E, N, true>(a, begin, scale);
  float o[N], gate[N], w[N], dy[N];
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    load<E>(o, a.x, begin + c);
    load<E>(gate, a.gate, begin + c);
    load<float>(w, a.weight, c);
    load<E>(dy, a.dy, begin + c);
    for (int k = 0; k < N; ++k) {
      float s = sigmoid(gate[k]), z = o[k] * s;
      float dz = scale * w[k] * dy[k] - pull * z;
      gate[k] = dz * z * (1 - s);
      o[k] = dz * s;
    }
    store<E>(a.dGate, begin + c, gate);
    store<E>(a.dx, begin + c, o);
  }
}

/// A block of rows' share of the weight's gradient, one thread N columns.
template <class E, int N, bool gated>
DECAY_DEVICE void normWeightGradient(const NormBackwardArguments &a) {
  const Index column = place<N>();
  if (column >= a.width)
    return;
  const Index first = static_cast<Index>(blockRow()) * rowsPerSum;
  float sum[N] = {}, z[N], dy[N];
  for (Index row = first; row < first + rowsPerSum && row < a.rows; ++row) {
    const float scale = a.scale[row];
    loadNormed<E, N, gated>(z, a.x, a.gate, row * a.width + column);
    load<E>(dy, a.dy, row * a.width + column);
    for (int k = 0; k < N; ++k)
      sum[k] += dy[k] * z[k] * scale;
  }
  store<float>(a.partials, blockRow() * a.width + column, sum);
}

template <class E, int N>
DECAY_DEVICE void rmsNormSums(const NormBackwardArguments &a) {
  normWeightGradient<E, N, false>(a);
}
template <class E, int N>
DECAY_DEVICE void gatedNormSums(const NormBackwardArguments &a) {
  normWeightGradient<E, N, true>(a);
}

template <class E, int N> DECAY_DEVICE void glu(const GluArguments &a) {
  Index at = place<N>();
  if (at >= a.rows * a.width)
    return;
  Index row = at / a.width, first = at + row * a.width;
  float left[N], right[N];
  load<E>(left, a.ab, first);
  load<E>(right, a.ab, first + a.width);
  for (int k = 0; k < N; ++k)
    left[k] *= sigmoid(left[k]) * right[k];
  store<E>(a.h, at, left);
}

template <class E, int N> DECAY_DEVICE void gluBackward(const GluArguments &a) {
  Index at = place<N>();
  if (at >= a.rows * a.width)
    return;
  Index row = at / a.width, first = at + row * a.width;
  float left[N], right[N], d[N];
  load<E>(left, a.ab, first);
  load<E>(right, a.ab, first + a.width);
  load<E>(d, a.h, at);
  for (int k = 0; k < N; ++k) {
    float s = sigmoid(left[k]), silu = left[k] * s, gradient = d[k];
    d[k] = silu * right[k];
    left[k] = gradient * right[k] * (s + silu * (1 - s));
    right[k] = gradient * silu;
  }
  store<E>(a.ab, first, left);
  store<E>(a.ab, first + a.width, right);
  store<E>(a.h, at, d);
}

template <class E, int N> DECAY_DEVICE void addBias(const StridedArguments &a) {
  Index row = blockIndex();
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    float x[N], bias[N];
    load<E>(x, a.x, row * a.stride + c);
    load<float>(bias, a.vector, c);
    for (int k = 0; k < N; ++k)
      x[k] += bias[k];
    store<E>(a.x, row * a.stride + c, x);
  }
}

/// sumLanes threads share a column; their sums are added in order.
template <class E, int N> DECAY_DEVICE void sumRows(const StridedArguments &a) {
  DECAY_SHARED float sums[sumLanes][sumColumns];
  const int mine = threadIndex() % sumColumns,
            lane = threadIndex() / sumColumns;
  const Index column = static_cast<Index>(blockIndex()) * sumColumns + mine;
  float sum = 0;
  if (column < a.width)
    for (Index row = lane; row < a.rows; row += sumLanes) {
      float x[1];
      load<E>(x, a.x, row * a.stride + column);
      sum += x[0];
    }
  sums[lane][mine] = sum;
  barrier();
  if (lane != 0 || column >= a.width)
    return;
  float total = 0;
  for (int i = 0; i < sumLanes; ++i)
    total += sums[i][mine];
  a.sums[column] += total;
}

template <class E, int N>
DECAY_DEVICE void crossEntropy(const CrossEntropyArguments &a) {
  const Index row = blockIndex(), begin = row * a.classes;
  const int target = a.targets[row];
  const Index step = threadCount() * N;
  float x[N];
  if (target < 0) {
    if (threadIndex() == 0)
      a.losses[row] = 0;
    for (int k = 0; k < N; ++k)
      x[k] = 0;
    if (a.gradientScale != 0)
      for (Index c = threadIndex() * N; c < a.classes; c += step)
        store<E>(a.logits, begin + c, x);
    return;
  }
  // Each thread keeps its largest logit and the sum relative to it.
  float top = lowest, sum = 0;
  for (Index c = threadIndex() * N; c < a.classes; c += step) {
    load<E>(x, a.logits, begin + c);
    float before = top;
    for (int k = 0; k < N; ++k)
      top = largerOf(x[k], top);
    sum *= expOf(before - top);
    for (int k = 0; k < N; ++k)
      sum += expOf(x[k] - top);
  }
  const float largest = blockLargest(top);
  sum = blockSum(sum * expOf(top - largest));
  float chosen[1];
  load<E>(chosen, a.logits, begin + target);
  if (threadIndex() == 0)
    a.losses[row] = logOf(sum) + largest - chosen[0];
  if (a.gradientScale == 0)
    return;
  barrier(); // the chosen logit is read before it is overwritten
  const float factor = a.gradientScale / sum;
  for (Index c = threadIndex() * N; c < a.classes; c += step) {
    load<E>(x, a.logits, begin + c);
    for (int k = 0; k < N; ++k)
      x[k] = expOf(x[k] - largest) * factor -
             (c + k == target ? a.gradientScale : 0.0f);
    store<E>(a.logits, begin + c, x);
  }
}

template <int N> DECAY_DEVICE void adamW(const AdamWArguments &a) {
  Index at = place<N>();
  if (at >= a.count)
    return;
  float value[N], gradient[N], first[N], second[N];
  load<float>(value, a.value, at);
  load<float>(gradient, a.gradient, at);
  load<float>(first, a.firstMoment, at);
  load<float>(second, a.secondMoment, at);
  for (int k = 0; k < N; ++k) {
    double g = gradient[k] * a.gradientScale;
    double m = a.beta1 * first[k] + (1 - a.beta1) * g;
    double v = a.beta2 * second[k] + (1 - a.beta2) * g * g;
    double change =
        m * a.firstCorrection / (rootOf(v * a.secondCorrection) + a.epsilon);
    value[k] = static_cast<float>(value[k] * a.shrink - a.rate * change);
    first[k] = static_cast<float>(m);
    second[k] = static_cast<float>(v);
  }
  store<float>(a.value, at, value);
  store<float>(a.firstMoment, at, first);
  store<float>(a.secondMoment, at, second);
  if (a.copy)
    store<Bf16>(a.copy, at, value);
}

/// The sum of a block's threads, for thread 0.
DECAY_DEVICE double sumInOrder(double value) {
  DECAY_SHARED double sums[blockThreads];
  sums[threadIndex()] = value;
  barrier();
  for (int half = threadCount() / 2; half > 0; half /= 2) {
    if (threadIndex() < half)
      sums[threadIndex()] += sums[threadIndex() + half];
    barrier();
  }
  return sums[0];
}

template <int N> DECAY_DEVICE double squaresOf(const SquareBlock &block) {
  double sum = 0;
#pragma unroll 4
  for (Index i = threadIndex() * N; i < block.count; i += threadCount() * N) {
    float x[N];
    load<float>(x, block.data, i);
    for (int k = 0; k < N; ++k)
      sum += static_cast<double>(x[k]) * x[k];
  }
  return sum;
}

DECAY_DEVICE void sumSquares(const SquaresArguments &a) {
  constexpr int N = wide<float>;
  const SquareBlock block = a.blocks[blockIndex()];
  const bool fits = block.count % N == 0 &&
                    reinterpret_cast<unsigned long long>(block.data) % 16 == 0;
  const double sum =
      sumInOrder(fits ? squaresOf<N>(block) : squaresOf<1>(block));
  if (threadIndex() == 0)
    a.sums[blockIndex()] = sum;
}

DECAY_DEVICE void sumOfSums(const SquaresArguments &a) {
  double sum = 0;
  for (Index i = threadIndex(); i < a.blockCount; i += threadCount())
    sum += a.sums[i];
  sum = sumInOrder(sum);
  if (threadIndex() == 0)
    a.sums[a.blockCount] = sum;
}

// Each kernel for both types, with wide and with narrow accesses.
#define DECAY_KERNELS(name, function, Arguments)                               \
  DECAY_KERNEL(name##_f32_narrow, Arguments, (function<float, 1>(arguments)))  \
  DECAY_KERNEL(name##_f32_wide, Arguments,                                     \
               (function<float, wide<float>>(arguments)))                      \
  DECAY_KERNEL(name##_bf16_narrow, Arguments, (function<Bf16, 1>(arguments)))  \
  DECAY_KERNEL(name##_bf16_wide, Arguments,                                    \
               (function<Bf16, wide<Bf16>>(arguments)))

DECAY_KERNELS(gather_rows, gatherRows, RowsArguments)
DECAY_KERNEL(order_rows, OrderArguments, orderRows(arguments))
DECAY_KERNELS(add_segments, addSegments, SegmentArguments)
DECAY_KERNEL(add_across_segments, SegmentArguments,
             addAcrossSegments(arguments))
DECAY_KERNELS(rms_norm, rmsNorm, NormArguments)
DECAY_KERNELS(rms_norm_backward, rmsNormBackward, NormBackwardArguments)
DECAY_KERNELS(rms_norm_sums, rmsNormSums, NormBackwardArguments)
DECAY_KERNELS(gated_norm, gatedNorm, NormArguments)
DECAY_KERNELS(gated_norm_backward, gatedNormBackward, NormBackwardArguments)
DECAY_KERNELS(gated_norm_sums, gatedNormSums, NormBackwardArguments)
#define DECAY_WARP_KERNELS(name, function, gated, Arguments)                   \
  DECAY_KERNEL(name##_f32, Arguments, (function<float, gated>(arguments)))     \
  DECAY_KERNEL(name##_bf16, Arguments, (function<Bf16, gated>(arguments)))
// Three blocks to a multiprocessor would leave a step's last quarter of them
// alone, which takes as long as those before it.
#define DECAY_DENSE_WARP_KERNELS(name, function, gated, Arguments)             \
  DECAY_DENSE_KERNEL(name##_f32, rowWarps * warp, warpBlocks, Arguments,       \
                     (function<float, gated>(arguments)))                      \
  DECAY_DENSE_KERNEL(name##_bf16, rowWarps * warp, warpBlocks, Arguments,      \
                     (function<Bf16, gated>(arguments)))

DECAY_WARP_KERNELS(rms_norm_warps, normWarpRow, false, NormArguments)
DECAY_WARP_KERNELS(gated_norm_warps, normWarpRow, true, NormArguments)
DECAY_DENSE_WARP_KERNELS(rms_norm_backward_warps, normWarpRowsBackward, false,
                         NormBackwardArguments)
DECAY_DENSE_WARP_KERNELS(gated_norm_backward_warps, normWarpRowsBackward, true,
                         NormBackwardArguments)
DECAY_KERNELS(glu, glu, GluArguments)
DECAY_KERNELS(glu_backward, gluBackward, GluArguments)
DECAY_KERNELS(add_bias, addBias, StridedArguments)
DECAY_KERNELS(sum_rows, sumRows, StridedArguments)
#define DECAY_CLASS_KERNEL(name, E, N)                                         \
  DECAY_DENSE_KERNEL(name, classThreads, classBlocks, CrossEntropyArguments,   \
                     (crossEntropy<E, N>(arguments)))
DECAY_CLASS_KERNEL(cross_entropy_f32_narrow, float, 1)
DECAY_CLASS_KERNEL(cross_entropy_f32_wide, float, wide<float>)
DECAY_CLASS_KERNEL(cross_entropy_bf16_narrow, Bf16, 1)
DECAY_CLASS_KERNEL(cross_entropy_bf16_wide, Bf16, wide<Bf16>)
DECAY_KERNEL(f32_to_bf16_narrow, ConvertArguments,
             (convert<Bf16, float, 1>(arguments)))
DECAY_KERNEL(f32_to_bf16_wide, ConvertArguments,
             (convert<Bf16, float, 4>(arguments)))
DECAY_KERNEL(bf16_to_f32_narrow, ConvertArguments,
             (convert<float, Bf16, 1>(arguments)))
DECAY_KERNEL(bf16_to_f32_wide, ConvertArguments,
             (convert<float, Bf16, 4>(arguments)))
DECAY_KERNEL(rows_f32_to_bf16, ConvertRowsArguments,
             (convertRows<Bf16, float>(arguments)))
DECAY_KERNEL(rows_bf16_to_f32, ConvertRowsArguments,
             (convertRows<float, Bf16>(arguments)))
DECAY_KERNEL(add_f32, AddArguments, add(arguments))
DECAY_KERNEL(adamw_narrow, AdamWArguments, adamW<1>(arguments))
DECAY_KERNEL(adamw_wide, AdamWArguments, adamW<wide<float>>(arguments))
DECAY_KERNEL(squares, SquaresArguments, sumSquares(arguments))
DECAY_KERNEL(sum_of_sums, SquaresArguments, sumOfSums(arguments))

} // namespace decay::runtime::gpu
