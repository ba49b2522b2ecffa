//===- BlockShape.h - Who does what in a thread block ----------*- C++ -*-===//
//
// One block works on one item: a head of a sequence. A chunk has 64 tokens in
// four groups of 16. In *columns*, the layout of everything pointwise, a thread
// owns one column (a channel of the state) of one group: 16 numbers in
// registers. A warp is 32 neighbouring columns of a group; warps are numbered
// group first.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H

#include <cstdint>

namespace decay::cuda {

inline constexpr int64_t chunkTokens = 64, groupTokens = 16, groupCount = 4;
inline constexpr int64_t warpLanes = 32, bfloatBytes = 2, floatBytes = 4;

struct BlockShape {
  int64_t K, V;
  int64_t pairs; ///< 2 under lrpe_cosine: the state is twice as wide as k

  int64_t columns() const { return K * pairs; }
  int64_t columnWarps() const { return columns() / warpLanes; }
  int64_t warps() const { return groupCount * columnWarps(); }
  int64_t threads() const { return warps() * warpLanes; }

  /// Output [64, V]: a warp has one group's rows and this many columns.
  int64_t outputColumns() const { return V / columnWarps(); }
  /// State [columns, V]: a warp has 32 rows and this many columns.
  int64_t stateColumns() const { return V / groupCount; }
  int64_t stateTiles() const { return stateColumns() / 8; }
  /// Registers of the state in a thread: two tiles of 16 rows.
  int64_t stateNumbers() const { return 2 * stateTiles() * 4; }

  /// Bytes of a chunk of bf16, `width` wide.
  static int64_t tileBytes(int64_t width) {
    return chunkTokens * width * bfloatBytes;
  }
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H
