//===- Arguments.h - What each GPU kernel is called with -------*- C++ -*-===//
//
// One record a kernel, passed by value: host and GPU compile the same text.
// Arrays of numbers are of the kernel's element type, fp32 or bf16.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_ARGUMENTS_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_ARGUMENTS_H

namespace decay::runtime::gpu {

using Index = long long;

/// Threads of a block that goes through an array, and of one that takes a row.
constexpr int blockThreads = 256, rowThreads = 128;
/// Of a block that takes a row of logits, and how many such blocks a
/// multiprocessor has at once: so few that the second reading of their rows
/// finds them in the cache.
constexpr int classThreads = 1024, classBlocks = 2;
/// A sum over rows runs in blocks of so many, one thread a column or a few;
/// sums of few rows take sumLanes threads a column, sumColumns columns a block.
constexpr int rowsPerSum = 64, columnThreads = 128;
constexpr int sumColumns = 32, sumLanes = 32;
/// Rows that one warp holds: pieces of 16 bytes for each lane; a block has
/// rowWarps of them, and a multiprocessor
/// warpBlocks of these in backward.
constexpr int warpPieces = 4, rowWarps = 4, warpBlocks = 4;
template <class E>
constexpr int warpRowNumbers =
    warpPieces * 32 * 16 / static_cast<int>(sizeof(E));
/// Rows whose places in the order of tokens one block finds; rows of that order
/// whose gradients one block adds.
constexpr int orderedRows = 64, rowsPerSegment = 16;
/// Numbers whose squares one block sums.
constexpr Index numbersPerSum = 1 << 16;

struct ConvertArguments {
  void *out;
  const void *in;
  Index count;
};

struct ConvertRowsArguments {
  Index width;
  void *out;
  Index outStride;
  const void *in;
  Index inStride;
};

struct AddArguments {
  float *sum;
  const float *term;
  Index count;
};

struct RowsArguments {
  Index rows, width;
  const int *tokens;
  const void *from;
  void *to;
};

struct OrderArguments {
  Index rows;
  const int *tokens;
  int *order;
};

struct SegmentArguments {
  Index rows, width;
  const int *tokens, *order;
  const void *from;
  float *to;
  float *partials; ///< [ceil(rows / rowsPerSegment), width]
};

struct NormArguments {
  Index rows, width;
  float epsilon, root;  ///< added to the sum of squares; √width
  const void *x, *gate; ///< gate: gated norms only
  const float *weight;
  void *y;
  float *scale;
};

struct NormBackwardArguments {
  Index rows, width;
  const void *x, *gate;
  const float *weight, *scale;
  const void *dy;
  void *dx, *dGate;
  float *partials; ///< [ceil(rows / rowsPerSum), width]
};

struct GluArguments {
  Index rows, width;
  void *ab, *h;
};

struct StridedArguments {
  Index rows, width, stride;
  void *x;
  const float *vector;
  float *sums;
};

struct CrossEntropyArguments {
  Index rows, classes;
  float gradientScale;
  void *logits;
  const int *targets;
  float *losses;
};

struct AdamWArguments {
  double beta1, beta2, epsilon, gradientScale;
  double firstCorrection, secondCorrection, rate, shrink;
  float *value, *firstMoment, *secondMoment;
  const float *gradient;
  void *copy; ///< bf16 or null
  Index count;
};

struct SquareBlock {
  const float *data;
  Index count;
};

struct SquaresArguments {
  const SquareBlock *blocks;
  Index blockCount;
  double *sums; ///< [blockCount], then their sum
};

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_ARGUMENTS_H
