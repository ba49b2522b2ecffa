//===- BlockShape.h - Who does what in a thread block ----------*- C++ -*-===//
//
// One block works on one item: a head of a sequence. A chunk has 64 tokens in
// four groups of 16. In *columns*, the layout of everything pointwise, a thread
// owns one or two neighbouring columns (channels of the state) of one group: 16
// numbers of each in registers. A warp is 32 or 64 neighbouring columns of a
// group; warps are numbered group first. Two columns share what a row of them
// costs in addresses, loads and stores, and let a thread have 255 registers.
// Where a rotation pairs channels that are half of all apart (rope), a thread
// has such a pair instead of two neighbours.
//
// In shared memory a column has a *place*: of a warp's 64 columns the even ones
// come first, so that lanes write next to each other.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H

#include <algorithm>
#include <cstdint>

namespace decay::cuda {

inline constexpr int64_t chunkTokens = 64, groupTokens = 16, groupCount = 4;
/// Of a group, that the adjoint of the tree does at a time.
inline constexpr int64_t quarterTokens = groupTokens / 4;
inline constexpr int64_t warpLanes = 32, bfloatBytes = 2, floatBytes = 4;
/// Of a row in a panel of 64 bf16 columns (GroupProducts.cpp).
inline constexpr int64_t panelBytes = 128;
/// The fewest rows of a band of the state, which is a warp's (ScalarEmitter.h).
inline constexpr int64_t fewestBandRows = 16;
/// Threads of a block of an initialiser.
inline constexpr int64_t elementThreads = 256;
/// A multiprocessor's shared memory, and what it keeps of that for each block.
inline constexpr int64_t sharedBytesOfAll = 228 * 1024,
                         reservedSharedBytes = 1024;

/// Of the caller's tensors with tokens, and of states that are saved. bf16 is
/// for speed; fp32, without matrix instructions and with exact functions, is
/// what others are checked against.
enum class Precision : uint8_t { bf16, fp32 };

struct BlockShape {
  int64_t K, V;
  int64_t pairs; ///< 2 under lrpe_cosine: the state is twice as wide as k
  Precision precision = Precision::bf16;
  int64_t columnsPerThread = 1;
  int64_t bandRows = 0; ///< of the state, in a warp; 0 where there are no bands
  bool isApart = false; ///< a thread's two columns are half of all apart

  /// Bytes of an element of what `precision` speaks of.
  int64_t elementBytes() const {
    return precision == Precision::bf16 ? bfloatBytes : floatBytes;
  }

  int64_t columns() const { return K * pairs; }
  int64_t warpColumns() const { return columnsPerThread * warpLanes; }
  /// Channels from a thread's column to its other one, from a lane to the next,
  /// and from a warp to the next of its group.
  int64_t columnStep() const { return isApart ? columns() / 2 : 1; }
  int64_t laneStep() const { return isApart ? 1 : columnsPerThread; }
  int64_t warpStep() const { return laneStep() * warpLanes; }
  int64_t columnWarps() const { return columns() / warpColumns(); }
  int64_t warps() const { return groupCount * columnWarps(); }
  int64_t threads() const { return warps() * warpLanes; }

  /// Output [64, V]: a warp has one group's rows and this many columns.
  int64_t outputColumns() const { return V / columnWarps(); }
  /// State [columns, V], rows by their place: of each 64 rows a warp has its
  /// group's 16, and this many columns.
  int64_t stateColumns() const { return V / columnWarps(); }
  int64_t stateTiles() const { return stateColumns() / 8; }
  int64_t stateTileRows() const { return columns() / chunkTokens; }
  /// Registers of the state in a thread.
  int64_t stateNumbers() const { return stateTileRows() * stateTiles() * 4; }

  /// A band: rows by 16, and all columns by eight.
  int64_t bands() const { return K / bandRows; }
  int64_t bandTileRows() const { return bandRows / 16; }
  int64_t bandStateTiles() const { return K / 8; }

  /// A step's state: numbers in 16 bytes, and how many such pieces a thread
  /// has.
  static constexpr int64_t pieceNumbers = 4, mostPieces = 16,
                           fewestStepThreads = 256;
  int64_t stepThreads() const {
    return std::max(fewestStepThreads,
                    columns() * V / (pieceNumbers * mostPieces));
  }
  int64_t stepRowsAtOnce() const { return stepThreads() * pieceNumbers / V; }
  int64_t stepPieces() const { return columns() / stepRowsAtOnce(); }

  /// Token by token: pieces of a thread, of one column of v or one channel.
  int64_t slicePieces() const {
    return columns() * V / (threads() * pieceNumbers);
  }

  /// Bytes of a chunk of bf16, `width` wide.
  static int64_t tileBytes(int64_t width) {
    return chunkTokens * width * bfloatBytes;
  }
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_BLOCKSHAPE_H
