//===- Tile.h - Where emitters have a tile's numbers -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_TILE_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_TILE_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/lowering/Lanes.h"

#include <functional>

namespace decay::cuda {

/// Where the numbers of a chunk tile are, as emitters make use of its layout.
struct Tile {
  enum class Kind {
    thread,  ///< one number a column or a thread: it has no token axis
    columns, ///< 16 numbers a column: the tokens of its group (BlockShape.h)
    rows,    ///< in shared memory, a row per token; or made when asked for
    state,   ///< accumulators of matrix products, [columns, V]
    layers   ///< one number for each layer, made when asked for
  } kind = Kind::thread;
  /// Those of the thread's first column, then those of its second; what has no
  /// channel axis is there once.
  Values numbers;
  /// columns as they were read: bf16 pairs, to make numbers again. Of tokens,
  /// or of the thread's two columns.
  Values pairs;
  /// thread: each group has its own part of a sum over tokens.
  bool isPartial = false;
  int64_t shared = 0;                  ///< rows: offset in shared memory
  std::function<Value(Value)> atLayer; ///< layers: i32 -> f32
  /// rows that a formula makes: numbers of a row's piece, when asked for
  std::function<Values(Value row, Value piece)> pieceAt;
};

/// Accumulators of products of 16 rows with eight columns each.
using Sums = llvm::SmallVector<std::array<Value, 4>>;
using Fragments = llvm::SmallVector<Fragment>;
Sums zeroSums(Lanes &code, int64_t count);
/// 16 x 16 sums as bf16.
Fragment packed(Lanes &code, const std::array<Value, 4> &left,
                const std::array<Value, 4> &right);
Fragments packed(Lanes &code, const Sums &sums);
/// Byte offset of an element in the swizzled bf16 rows of A or dA.
Value weightOffset(Lanes &code, Value row, Value column);

/// What a pointwise region makes of one number per input, and behind these of a
/// scan's shares where it asks for them (Gates.h).
Values cloneRegion(Lanes &code, chunk::PointwiseOp op,
                   llvm::ArrayRef<Value> inputs);
/// The same for several numbers per input; of bounded quotients each two share
/// a reciprocal (Gates.h).
llvm::SmallVector<Values> cloneRegions(Lanes &code, chunk::PointwiseOp op,
                                       llvm::ArrayRef<Values> inputs);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_TILE_H
