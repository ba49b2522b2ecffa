//===- TokenEmitter.h - A chunk token by token, in fp32 --------*- C++ -*-===//
//
// Kernels of precision fp32: the plain recurrence s = λ s + k v, o = q s and
// its plain adjoint, without matrix instructions, chunks' trees or states as
// bf16. They are twenty times slower than kernels of bf16, and what those, a
// model or another implementation can be compared with to fp32's digits.
//
// What is pointwise stays in columns (BlockShape.h), one a thread; the
// recurrence has its operands of a chunk in shared memory, as fp32 [64, width].
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_TOKENEMITTER_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_TOKENEMITTER_H

#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include <map>

namespace decay::cuda {

class TokenEmitter final : public KernelEmitter {
public:
  /// `shape.precision` is fp32.
  TokenEmitter(chunk::KernelOp kernel, BlockShape shape,
               mlir::OpBuilder &builder);

private:
  /// How a block's threads share the state [columns, V]. A thread has one index
  /// of the *owner* axis and, in pieces of four, a slice of the *inner* one;
  /// the threads of an owner are neighbours, so that sums over the inner axis
  /// are a few exchanges.
  struct View {
    bool byValue; ///< the owner is a column of v; else one of the channels
    int64_t owners;
  };
  int64_t slices(const View &view) const {
    return blockThreads() / view.owners;
  }
  int64_t viewNumbers() const {
    return shape.columns() * shape.V / blockThreads();
  }
  Value owner(const View &view);
  /// Index on the inner axis of the first of a piece's four numbers.
  Value innerOf(const View &view, int64_t piece);

  // TokenEmitter.cpp
  int64_t stateTileRows() const override {
    return static_cast<int64_t>(views.size());
  }
  int64_t stateTiles() const override { return viewNumbers() / 4; }
  int32_t blocksWanted(int64_t) override { return 1; }
  void emitOperation(mlir::Operation &op) override;
  void planSweep(chunk::SweepOp op) override;
  void copyFirst() override {}
  void beginChunk() override { code.barrier(); }
  void emitTokenRead(chunk::ReadOp op);
  Values loadStateAt(Value data) override;
  void storeStateAt(const Values &state, Value data) override;
  Value elementPlace(Value data, const View &view, int64_t index);
  void saveState(chunk::SaveOp op);
  Values restoreState(Value restored);

  /// fp32 [64, width] in shared memory.
  struct Rows {
    int64_t shared = 0, width = 0;
  };
  Rows reserveRows(int64_t width);
  Rows rowsOf(Value tileOfRows);
  void shareColumns(Value of, float otherwise, const Rows &rows);
  void shareOperands(Value q, Value k, Value decay);
  Values ownColumn(const Rows &rows);
  Values innerNumbers(const View &view, const Rows &rows, Value token);
  Value ownerNumber(const View &view, const Rows &rows, Value token);
  void storeOwner(const View &view, Value number, const Rows &rows,
                  Value token);
  Value sumOfSlices(const View &view, Value number);
  void storeToken(const View &view, Value number, Value token, int64_t operand);
  Values ofView(const Values &state, size_t view) const;
  Values advance(const View &view, const Values &state, const Rows &v,
                 Value token);
  Values loadPiece(int64_t region, Value row, Value piece) override;
  void storePiece(const Values &numbers, int64_t region, Value row,
                  Value piece) override;
  Values unpackPiece(Value words) override;
  Value packPiece(const Values &numbers) override;
  void emitTokens(chunk::RecurrenceOp op);
  void emitStates(chunk::StateOp op);

  // TokenGradient.cpp
  void emitTokenGradient(chunk::RecurrenceGradientOp op);
  using TokenSum = llvm::function_ref<void(Value sum, Value token)>;
  Value historyPlace();
  Value valuesPlace();
  void storeValue(Value number, Value token, Value ownRows);
  Value pieceOfHistory(Value history, Value token, int64_t piece);
  void ascend(Values state, const Rows &v, const Rows &output, Value history);
  Values descendByValue(Values gradient, const Rows &output, TokenSum store);
  Values descendByChannel(Values gradient, const Rows &v, const Rows &output,
                          Value history);

  static constexpr llvm::StringLiteral historyPart = "history",
                                       valuesPart = "values";
  /// Forward's results have the axis of v, and so has the gradient of v; those
  /// of q, k and λ have the channels': backward keeps states in both views.
  llvm::SmallVector<View, 2> views;
  std::map<int64_t, Rows> rowsOfOperands;
  Rows query, key, lambda, queryGradient;
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_TOKENEMITTER_H
