//===- TokenRows.h - Rows that belong to tokens ----------------*- C++ -*-===//
//
// The gradient of a table of rows, from the gradients of rows that tokens
// chose. Three launches: the rows are put in the order of their tokens (and of
// themselves where tokens are equal), blocks add segments of that order, all of
// one size however often a token comes, and what a token has in further
// segments is added to the first one's.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_TOKENROWS_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_TOKENROWS_H

#include "runtime/kernels/native/cuda/Math.h"

namespace decay::runtime::gpu {

/// Four threads count the rows that come before one, each in its part of every
/// tile; two instructions for each pair of rows. A block orders orderedRows.
DECAY_DEVICE void orderRows(const OrderArguments &a) {
  constexpr int parts = blockThreads / orderedRows;
  constexpr int partRows = blockThreads / parts;
  static_assert(partRows == orderedRows);
  alignas(16) DECAY_SHARED int tile[blockThreads];
  DECAY_SHARED int counts[parts][orderedRows];
  const int mine = threadIndex() % orderedRows;
  const int part = threadIndex() / orderedRows;
  const Index own = static_cast<Index>(blockIndex()) * orderedRows + mine;
  const int token = own < a.rows ? a.tokens[own] : 0;
  constexpr int last = 0x7fffffff; // comes before nobody
  int before = 0;
  for (Index first = 0; first < a.rows; first += blockThreads) {
    const Index other = first + threadIndex();
    tile[threadIndex()] = other < a.rows ? a.tokens[other] : last;
    barrier();
    const Index begin = first + part * partRows;
    // Parts are whole blocks' rows: all before this one's, all behind, or its.
    const int bound = begin < own - mine ? token + 1 : token;
#pragma unroll
    for (int i = 0; i < partRows; ++i)
      before += tile[part * partRows + i] < bound;
    if (begin == own - mine)
      for (int i = 0; i < mine; ++i)
        before += tile[part * partRows + i] == token;
    barrier();
  }
  counts[part][mine] = before;
  barrier();
  if (part != 0 || own >= a.rows)
    return;
  for (int i = 1; i < parts; ++i)
    before += counts[i][mine];
  a.order[before] = static_cast<int>(own);
}

/// The token of the row at this place of the order.
DECAY_DEVICE int tokenAt(const SegmentArguments &a, Index place) {
  return a.tokens[a.order[place]];
}

/// Whether the token at the segment's beginning began in one before it.
DECAY_DEVICE bool isContinued(const SegmentArguments &a, Index first) {
  return first > 0 && tokenAt(a, first - 1) == tokenAt(a, first);
}

/// Adds each token's sum over this segment to its row of the table, but for a
/// token that began in a segment before: its sum goes to `partials`.
template <class E, int N>
DECAY_DEVICE void addSegments(const SegmentArguments &a) {
  DECAY_SHARED int rows[rowsPerSegment], tokens[rowsPerSegment + 1];
  DECAY_SHARED bool continued;
  const Index first = static_cast<Index>(blockIndex()) * rowsPerSegment;
  const int count = static_cast<int>(
      a.rows - first < rowsPerSegment ? a.rows - first : rowsPerSegment);
  if (threadIndex() < count) {
    rows[threadIndex()] = a.order[first + threadIndex()];
    tokens[threadIndex()] = tokenAt(a, first + threadIndex());
  }
  if (threadIndex() == 0) {
    tokens[count] = -1;
    continued = isContinued(a, first);
  }
  barrier();
  for (Index c = threadIndex() * N; c < a.width; c += threadCount() * N) {
    float sum[N] = {};
#pragma unroll 8
    for (int i = 0; i < count; ++i) {
      float x[N], before[N];
      load<E>(x, a.from, rows[i] * a.width + c);
      for (int k = 0; k < N; ++k)
        sum[k] += x[k];
      if (tokens[i] == tokens[i + 1])
        continue;
      if (continued && tokens[i] == tokens[0]) {
        store<float>(a.partials, blockIndex() * a.width + c, sum);
      } else {
        load<float>(before, a.to, tokens[i] * a.width + c);
        for (int k = 0; k < N; ++k)
          sum[k] += before[k];
        store<float>(a.to, tokens[i] * a.width + c, sum);
      }
      for (int k = 0; k < N; ++k)
        sum[k] = 0;
    }
  }
}

/// The first segment behind `segment` that does not begin with `token`.
DECAY_DEVICE Index endOfToken(const SegmentArguments &a, Index segment,
                              int token) {
  const Index segments = (a.rows + rowsPerSegment - 1) / rowsPerSegment;
  for (Index first = segment + 1;; first += threadCount()) {
    const Index mine = first + threadIndex();
    const bool ends =
        mine >= segments || tokenAt(a, mine * rowsPerSegment) != token;
    // How far from the end of these: zero where none ends.
    const float distance =
        ends ? static_cast<float>(threadCount() - threadIndex()) : 0.0f;
    if (float most = blockLargest(distance); most > 0)
      return first + threadCount() - static_cast<Index>(most);
  }
}

/// Adds what later segments have of a token that begins in this block's.
DECAY_DEVICE void addAcrossSegments(const SegmentArguments &a) {
  const Index segment = blockIndex(), first = segment * rowsPerSegment;
  const Index next = first + rowsPerSegment;
  if (next >= a.rows)
    return;
  const int token = tokenAt(a, next - 1);
  const bool isOthers = tokenAt(a, first) == token && isContinued(a, first);
  if (isOthers || tokenAt(a, next) != token)
    return;
  const Index end = endOfToken(a, segment, token);
  for (Index c = threadIndex(); c < a.width; c += threadCount()) {
    float sum = a.to[token * a.width + c];
#pragma unroll 8
    for (Index part = segment + 1; part < end; ++part)
      sum += a.partials[part * a.width + c];
    a.to[token * a.width + c] = sum;
  }
}

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_TOKENROWS_H
