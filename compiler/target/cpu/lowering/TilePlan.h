//===- TilePlan.h - Where each tile of a kernel lives ----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_LOWERING_TILEPLAN_H
#define DECAY_COMPILER_TARGET_CPU_LOWERING_TILEPLAN_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cpu/lowering/Code.h"

namespace decay::cpu {

/// The sizes of a call, as values of the function at hand.
struct Sizes {
  Value B, T, H, K, V, sequences, cuSeqlens, layer, layers, position, seed;
  Value W;          ///< key width of the state: K, or 2 K
  Value Kp, Vp, Wp; ///< padded to whole vectors
  Value chunks;     ///< of the sequence at hand (or of the longest)
  int64_t C = 0;
};

/// Loads what is in DecayDims. `width` of the state is `pairs` K.
Sizes loadSizes(Code &code, Value dims, int64_t pairs, int64_t chunkLength,
                Value length);

/// How a tile lies in memory: rows (tokens, layers, or channels of a state)
/// of `columns` numbers, padded to `stride`.
struct Layout {
  Value rows;    ///< allocated rows
  Value columns; ///< numbers that mean something
  Value stride;
  bool hasRows = false, hasColumns = false;
};
Layout layoutOf(Code &code, const Sizes &sizes, chunk::TileType type);

/// Gives every tile its buffer. Tiles of a sweep's body share buffers once
/// their last reader is done, so that a chunk's working set stays in cache.
class TilePlan {
public:
  explicit TilePlan(chunk::KernelOp kernel);

  /// Emits each buffer's offset in scratch memory, and returns the sum. What
  /// lives longer than a chunk is there for each of an item's heads.
  Value emitOffsets(Code &code, const Sizes &sizes, Value heads);
  /// The offset of a tile's buffer, of the item's first head.
  Value offset(Value tile) const { return offsets[buffers.lookup(tile)]; }
  /// Whether each head has its own, `headFloats` behind the one before.
  bool isOfHead(Value tile) const {
    return !list[buffers.lookup(tile)].reusable;
  }
  Value headFloats() const { return floatsOfHead; }
  /// The offset of what `chunk.save` keeps in `slot`, and its size per chunk.
  Value slotOffset(int64_t slot) const { return slotOffsets[slot]; }
  Value workOffset() const { return workStart; }
  /// Tables of cos and sin for rotations: [C + 1, K] each, then one row each.
  Value rotationOffset() const { return rotationStart; }
  bool rotates() const { return hasRotation; }
  int64_t pairs() const { return hasPair ? 2 : 1; }

private:
  void planBlock(mlir::Block &block);
  void assign(Value tile, bool reusable);

  struct Buffer {
    chunk::TileType type;
    bool reusable;
  };
  std::vector<Buffer> list;
  llvm::DenseMap<Value, unsigned> buffers;
  llvm::DenseMap<mlir::Type, std::vector<unsigned>> free;
  std::vector<chunk::TileType> slots;
  bool hasRecurrence = false, hasRotation = false, hasPair = false;

  std::vector<Value> offsets, slotOffsets;
  Value workStart, rotationStart, floatsOfHead;
};

/// A tile's floats in scratch memory.
Value sizeOf(Code &code, const Sizes &sizes, chunk::TileType type);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_LOWERING_TILEPLAN_H
