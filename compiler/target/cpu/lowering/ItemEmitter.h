//===- ItemEmitter.h - One kernel, one variant, one function ---*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_LOWERING_ITEMEMITTER_H
#define DECAY_COMPILER_TARGET_CPU_LOWERING_ITEMEMITTER_H

#include "compiler/target/cpu/lowering/TilePlan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace decay::cpu {

/// Emits `@decay_<entry>_<variant>`, what one worker does for one item:
///   (operands, dims, item, scratch, partials, fault: !llvm.ptr) -> ()
/// The structures behind the pointers are those of glue/Item.h and of the
/// package ABI. Operations are emitted by the file that their method names.
class ItemEmitter {
public:
  ItemEmitter(chunk::KernelOp kernel, const Variant &variant,
              mlir::OpBuilder &builder);

  mlir::func::FuncOp emit();

private:
  /// A tile in scratch memory.
  struct Buffer {
    Value data;
    Layout layout;
    chunk::TileType type;
  };
  /// Where an operand's rows are in the caller's memory.
  struct Rows {
    Value data;   ///< the item's first element
    Value stride; ///< elements between rows
  };

  // ItemEmitter.cpp
  void emitKernel();
  void emitBlock(mlir::Block &block);
  /// body for each of the item's heads, with what belongs to the head at hand.
  void forHeads(llvm::function_ref<void()> body);
  void emitOperation(mlir::Operation &op);
  void emitSweep(chunk::SweepOp op);
  void carry(mlir::ValueRange from, mlir::ValueRange to);
  Buffer buffer(Value tile);
  /// Rows of a tile that are in use: the chunk's tokens, or all.
  Value rowsInUse(const Buffer &buffer);

  // Copies.cpp
  void emitRead(chunk::ReadOp op);
  /// Whether the loops that use the rows read them where the caller has them.
  bool isReadInPlace(chunk::ReadOp op);
  Rows rowsInPlace(chunk::ReadOp op);
  /// Chooses, for each copy of rows in a sweep's body, a loop that asks for the
  /// rows which come next: copying alone is too quick for memory to follow.
  void chooseWhoAsks(mlir::Block &body);
  bool copiesRows(mlir::Operation &op);
  /// Where such an operation's rows are, and how many numbers a row has.
  std::pair<Rows, Value> rowsOfCopy(mlir::Operation *op);
  /// What a copy asks for itself: from that column on, so much behind.
  struct Ahead {
    Value distance; ///< null for nothing
    Value firstColumn;
  };
  Ahead aheadOf(mlir::Operation *op, const Rows &rows, const Buffer &tile,
                Value whole);
  void copyRow(Value from, Value to, Value whole, const Ahead &ahead,
               bool write);
  void emitWrite(chunk::WriteOp op);
  void emitSave(chunk::SaveOp op);
  void fill(const Buffer &buffer);
  void copy(Value from, Value to, Value floats);
  Rows rowsOf(int64_t operand, const Buffer &buffer, Value data);
  /// From a row to the one that its place will be taken by next.
  Value distanceToNext(const Rows &rows, Value columns);
  Value slotRow(int64_t slot, chunk::TileType type);

  // Pointwise.cpp
  void emitPointwise(chunk::PointwiseOp op);
  void emitElements(chunk::PointwiseOp op, Value row, bool vectors);
  void emitColumns(chunk::PointwiseOp op);
  void clearPadding(const Buffer &buffer);

  // Spread.cpp
  void emitSpread(chunk::SpreadOp op);

  // Tokens.cpp
  /// sum + term, and what this loses: a running sum of thousands of tokens that
  /// makes up for what the token before lost forgets none of its roundings.
  std::pair<Value, Value> addKeeping(Value sum, Value lost, Value term);
  void emitScan(chunk::ScanOp op);
  void emitScanGradient(chunk::ScanGradientOp op);
  void emitAccumulate(chunk::AccumulateOp op);
  void emitSum(chunk::SumOp op);
  void emitRepeatPair(chunk::RepeatPairOp op);
  void emitCheckRange(chunk::CheckRangeOp op);
  /// body(offset, type): for each column of a row, in vectors where there are
  /// columns, one number where there are none.
  void forColumns(const Buffer &buffer,
                  llvm::function_ref<void(Value, mlir::Type)> body);

  // Layers.cpp
  void emitAcrossLayers(chunk::AcrossLayersOp op);
  void emitAcrossLayersGradient(chunk::AcrossLayersGradientOp op);
  void emitAtLayer(chunk::AtLayerOp op);
  void emitFromLayer(chunk::FromLayerOp op);
  void emitIndex(chunk::IndexOp op);

  // Random.cpp
  void emitRandom(chunk::RandomOp op);

  // Rotation.cpp
  void prepareRotation();
  void startRotation();
  void emitRotate(chunk::RotateOp op);

  // Recurrence.cpp
  void emitRecurrence(chunk::RecurrenceOp op);
  void emitState(chunk::StateOp op);
  void emitRecurrenceGradient(chunk::RecurrenceGradientOp op);

  /// Result of a pointwise operator on the numbers or vectors given.
  Value apply(llvm::StringRef name, mlir::ValueRange operands);

  chunk::KernelOp kernel;
  const Variant &variant;
  mlir::OpBuilder &builder;
  Code code;
  TilePlan plan;
  Sizes sizes;
  mlir::func::FuncOp function;

  Value operands, dims, scratch, firstPartials, firstFault;
  Value sequence, firstHead, firstRow, length, heads, partialFloats;
  // The head at hand.
  Value head, headOfItem, partials, fault;
  // Inside a sweep: the chunk, its first token and its number of tokens.
  Value chunkIndex, chunkStart, tokens;
  /// Tokens from this chunk to the one that the sweep takes next; whether the
  /// head at hand is the item's last, behind which that chunk comes.
  Value nextChunk, isLastHead;
  /// The loops which ask for the rows of a copy, and the other way round.
  llvm::DenseMap<mlir::Operation *, mlir::Operation *> asksFor, askedBy;
  unsigned loopFunctions = 0;
  llvm::StringRef rotationKind;
};

/// Emits `@decay_<entry>_scratch_floats(dims, length, heads) -> i64` and
/// `@decay_<entry>_partial_floats(dims) -> i64`.
void emitSizeFunctions(chunk::KernelOp kernel, mlir::OpBuilder &builder);

/// Floats of an item's share of a reduced operand: its shape without N and H.
Value partialSize(Code &code, const Sizes &sizes, llvm::StringRef shape);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_LOWERING_ITEMEMITTER_H
