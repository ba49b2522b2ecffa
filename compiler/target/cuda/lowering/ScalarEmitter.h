//===- ScalarEmitter.h - One λ per token and head --------------*- C++ -*-===//
//
// With one λ for all channels a chunk is a matter of matrix products: q and k
// stay where they were copied to, and products of λ meet fp32 sums. A block of
// 2 K threads is small enough for two in a multiprocessor; one computes while
// the other waits for its copies.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H

#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

/// In every warp a lane has two neighbouring tokens' numbers. Matrix products
/// have two layouts: *tokens* are 16 rows, a warp has them for 64 columns; the
/// *state* is 32 rows of a warp and half of the columns.
class ScalarEmitter final : public KernelEmitter {
public:
  ScalarEmitter(chunk::KernelOp kernel, BlockShape shape,
                mlir::OpBuilder &builder);
  /// Whether the kernel has but what this class has code for.
  static bool serves(chunk::KernelOp kernel, const BlockShape &shape);

private:
  using Fragments = llvm::SmallVector<Fragment>;
  static constexpr int64_t levels = 6, outputTiles = 8;
  static constexpr int64_t fragmentBytes = 512; ///< 16 x 16, of all lanes

  int64_t blockThreads() const override { return 2 * shape.K; }
  int64_t stateTileRows() const override { return 2; }
  int64_t stateTiles() const override { return shape.V / 16; }

  // ScalarEmitter.cpp
  int32_t blocksWanted(int64_t threads) override;
  Value ownStart() override;
  void emitItem() override;
  void emitOperation(mlir::Operation &op) override;
  void planSweep(chunk::SweepOp op) override;
  void beginChunk() override { synchronise(); }
  void sumPartial(Tile &partial) override;
  void planGradient();
  void synchronise();
  void copyFirst() override { copyAll(); }
  void copyAll();
  void copyState(int64_t slot, Value chunk);
  void emitScalarRead(chunk::ReadOp op);
  void emitScalarWrite(chunk::WriteOp op);
  Value stateRow(int64_t tileRow, int64_t half) override;
  Value firstStateColumn() override;
  using Leaf = llvm::function_ref<Value(Value)>;
  Value numberFrom(Value made, Leaf leaf);
  Value imagePlace(int64_t slot, Value chunk);
  void storeGradient(const Sums &sums, chunk::RecurrenceGradientOp op,
                     Value gradient);
  int64_t activate(Value made);

  // ScalarTree.cpp
  void storeFactors(Value lambda);
  void storePair(Value first, Value second, int64_t region);
  Values loadPair(Value token, int64_t region);
  void weigh(Sums &scores, Value row, Value column);
  void weighApart(Sums &scores, Value row, Value column);
  void weighDiagonal(Sums &scores, Value row);

  // ScalarProducts.cpp
  static Fragment packed(Lanes &code, const std::array<Value, 4> &left,
                         const std::array<Value, 4> &right);
  Value tokenGroup();
  Value outputPiece();
  Value leftOffset(Value row, int64_t width);
  Fragment loadLeft(Value offset, int64_t step, int64_t region);
  void addProducts(const Fragment &a, Value firstPiece, Value row,
                   int64_t region, Sums &sums);
  void emitScalarRecurrence(chunk::RecurrenceOp op);
  void emitScalarState(chunk::StateOp op);
  Sums multiplyRowsOf(Value row, Value column, int64_t left, int64_t right,
                      int64_t width);
  Sums multiplyState(int64_t rows);
  void scaleRows(Sums &sums, int64_t region);
  Values advance(const Values &state, int64_t left, int64_t factors,
                 int64_t right);
  void storeStateImage(const Values &state, int64_t region);
  Value pieceOfQuad(const Fragments &fragments, int64_t half, int64_t four);
  using Change =
      llvm::function_ref<Value(Value piece, Value row, Value column)>;
  void storeTokens(const Sums &sums, int64_t operand, Change change);
  Value stateImageOffset();
  void saveState(const Values &state, int64_t slot);

  // ScalarGradient.cpp
  void emitScalarGradient(chunk::RecurrenceGradientOp op);
  Value weightPlace(Value row, Value column);
  void storeWeights(const Sums &sums, Value tile, int64_t region);
  Fragment loadWeights(Value tile, int64_t region, bool transposed);
  Value sumOfLanes(Value number, llvm::ArrayRef<int64_t> masks);
  void gatherApart(const Sums &products, Value row, Value column);
  void gatherDiagonal(const Sums &products, Value row);
  void emitWeights(Value row, Value column, int64_t output, bool needsLambda);
  void emitAllWeights(int64_t output, bool needsLambda);
  Sums multiplyByRows(int64_t rows);
  void storeRowProducts(const Sums &sums, int64_t rows, int64_t region);
  Sums addWeighted(const Sums &sums, int64_t weights, int64_t rows,
                   bool transposed);
  void storeStateProduct(const Values &gradient);
  Values lambdaGradient(Value lambda);

  struct Places {
    int64_t queries = 0, keys = 0, values = 0; ///< bf16 rows
    int64_t state = 0;                         ///< bf16 rows, one a channel
    int64_t factors = 0; ///< fp32 [6, 64]: to the boundary of each level
    int64_t before = 0;  ///< fp32 [64]: from the chunk's start
    int64_t behind = 0;  ///< fp32 [64]: to the chunk's end
    int64_t total = 0;   ///< fp32
    // Backward alone.
    int64_t weights = 0;         ///< A, fragments of its lower tiles
    int64_t weightGradients = 0; ///< dA ∘ D, likewise
    int64_t factorGradients = 0; ///< fp32 [7, 64]; the last two are level 32's
    int64_t beforeGradients = 0; ///< fp32 [2, 64]: of 64 columns of k each
    int64_t behindGradients = 0; ///< likewise
    int64_t totalGradient = 0;   ///< fp32, one a warp
  } places;
  std::optional<int64_t> restoredSlot; ///< of the states that a sweep gets
};

/// Sums in a row, as loops and choices carry them.
Values listOf(const Sums &sums);
Sums sumsOf(mlir::ValueRange list);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H
