//===- ScalarEmitter.h - One λ per token and head --------------*- C++ -*-===//
//
// With one λ for all channels a chunk is a matter of matrix products: q and k
// stay where they were copied to, and products of λ meet fp32 sums. A block is
// small enough for two in a multiprocessor; one computes while the other waits.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H

#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/RowTiles.h"

namespace decay::cuda {

/// In every warp a lane has two neighbouring tokens' numbers. Ascending sweeps
/// have *bands* of the state, and all tokens in as many columns
/// (ScalarProducts.cpp); the adjoint has products of four warps, each of which
/// has its 16 tokens or channels of 64 (ScalarGroups.cpp).
class ScalarEmitter final : public KernelEmitter {
public:
  ScalarEmitter(chunk::KernelOp kernel, BlockShape shape,
                mlir::OpBuilder &builder);

private:
  using Fragments = llvm::SmallVector<Fragment>;
  static constexpr int64_t levels = 6;
  /// Of A, 16 x 16: those on the diagonal and below it, and those in a strip.
  static constexpr int64_t scoreTiles = groupCount * (groupCount + 1) / 2;
  static constexpr int64_t tilesAtOnce = 2;
  static constexpr int64_t fragmentBytes = 512; ///< 16 x 16, of all lanes
  static constexpr int64_t phaseBytes = 8;

  int64_t blockThreads() const override {
    return shape.V / (bandTiles() * 8) * warpLanes;
  }
  int64_t stateTileRows() const override {
    return hasGradient ? shape.K / chunkTokens : bandTiles() / 2;
  }
  int64_t stateTiles() const override {
    return hasGradient ? groupColumns() / 8 : shape.K / 8;
  }
  /// Rows of a band, by eight.
  int64_t bandTiles() const { return bandRows / 8; }
  /// Of K or V, what four warps have.
  int64_t groupColumns() const {
    return shape.V / (blockThreads() / warpLanes / groupCount);
  }
  /// Of sums over tokens, by eight columns.
  int64_t tilesInRow() const {
    return hasGradient ? groupColumns() / 8 : bandTiles();
  }

  // ScalarEmitter.cpp
  int32_t blocksWanted(int64_t threads) override;
  Value ownStart() override;
  void emitItem() override;
  void emitOperation(mlir::Operation &op) override;
  void planSweep(chunk::SweepOp op) override;
  void beginChunk() override;
  void endChunk() override;
  /// Later: a number in a register for all of a chunk is a register spilled.
  void fetchEarly() override {}
  void sumPartial(Tile &partial) override;
  int64_t reserveNumbers(int64_t count);
  void planGradient();
  void planConstants(chunk::SweepOp op);
  void loadConstants();
  void synchronise();
  void copyFirst() override;
  void copyNext(llvm::function_ref<bool(int64_t region)> wanted);
  void copyState(Value chunk);
  void emitScalarRead(chunk::ReadOp op);
  void emitScalarWrite(chunk::WriteOp op);
  Value stageOf(Value token);
  int64_t savedTile(int64_t row, int64_t channels) const;
  void saveState(chunk::SaveOp op);
  Value rowOffset(Value row, Value piece, int64_t width) override;
  int64_t rowBytes(int64_t width) const override {
    return hasGradient ? panelBytes : width * bfloatBytes;
  }
  Value stateRow(int64_t tileRow, int64_t half) override;
  Value firstStateColumn() override;
  Values loadStateAt(Value data) override;
  void storeStateAt(const Values &state, Value data) override;
  Value turnedPlace(Value data, int64_t tileRow, int64_t place, int64_t half);
  using Pair = std::array<Value, 2>;
  using Leaf = llvm::function_ref<Pair(Value)>;
  Pair numbersFrom(Value made, Leaf leaf);
  int64_t regionOf(Value operand);
  void activate(Value made);
  void activateAll(llvm::ArrayRef<Value> operands);

  // ScalarRotation.cpp
  Value placeOfPiece(const Stream &stream, Value piece) override;
  int64_t pieceAt(int64_t place) const;
  Value channelAt(Value place);
  void storePhases();
  Values loadPhases(Value piece, Value pair);
  Pair positionOf(Value row);
  Pair turnOf(const Pair &position, Value lower, Value upper);
  void activateTurning(llvm::ArrayRef<Value> operands);
  void turnPieces(Value operand, Value offset, llvm::ArrayRef<Pair> turns);
  void turnBack(Sums &sums, int64_t pair);

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
  Value leftOffset(Value row, int64_t width);
  Value rightOffset(Value row, int64_t width);
  Fragment loadLeft(Value offset, int64_t step, int64_t region);
  Sums multiplyStrip(Value row, Value column, int64_t left, int64_t right,
                     int64_t width);
  void overStrips(llvm::function_ref<void(Value row, Value column)> emit);
  void forTiles(Value row, Value column,
                llvm::function_ref<void(Value at, int64_t each)> emit);
  Value weightPlace(Value row, Value column);
  void storeWeights(const Sums &sums, Value tile, int64_t region);
  Fragment loadWeights(int64_t row, int64_t column);
  void addTo(Sums &sums, int64_t at, const Fragment &left, const Values &right);
  Sums multiplyBand(int64_t rows, const Values &state);
  Values bandOf(const Values &state, int64_t step);
  Values loadRight(int64_t row, int64_t region);
  void addWeighted(Sums &sums, int64_t rows);
  void scaleRows(Sums &sums, int64_t region);
  Values advance(const Values &state, int64_t left, int64_t factors,
                 int64_t right);
  Value pieceOfQuad(Values words);
  Value pieceOf(const Values &words);
  struct TokenPlace {
    Value token, column; ///< in the chunk; bytes in the row, i64
    /// To the second half of channels that turn, else 0.
    int64_t halfBytes;

    /// Bytes from the first of this lane's pieces to another one.
    int64_t toPiece(int64_t index) const {
      return halfBytes == 0 ? index * 32
                            : index / 2 * 32 + index % 2 * halfBytes;
    }
  };
  TokenPlace tokenPlace(bool hasChannels);
  Value pieceOfSums(const Sums &sums, int64_t own, int64_t index);
  void storePieces(const Values &pieces, int64_t own, int64_t first,
                   const TokenPlace &at, Value data, Value stride);
  void storeAll(const Sums &sums, Value output);
  void emitScalarRecurrence(chunk::RecurrenceOp op);
  void emitScalarState(chunk::StateOp op);

  // ScalarWeights.cpp
  void gatherApart(const Sums &products, Value row, Value column);
  void gatherDiagonal(const Sums &products, Value row);
  Values emitWeights(Sums scores, Sums gradients, Value column,
                     bool needsLambda);
  Values weighPairs(int64_t output, bool needsLambda);

  // ScalarGroups.cpp
  Value ownGroup();
  Value firstOwnRow();
  void synchroniseForProducts();
  GroupFactor weightsAlong();
  GroupFactor weightsAcross();
  GroupFactor acrossSaved();
  Value firstColumn();
  Sums multiplyTokens(const GroupFactor &left, const GroupFactor &right,
                      int64_t steps, const Sums &sums = {});
  void storeWeightTile(const Fragment &words, Value row, Value column);
  void storeWeightTiles(const Values &words);
  void storeStateProduct(const Values &gradient);
  void storeRowProducts(const Sums &sums, int64_t rows, int64_t region);
  void storeImage(const Values &state);
  void scaleQueries();
  Values advanceByGroups(const Values &gradient, int64_t output);

  // ScalarGradient.cpp
  void emitScalarGradient(chunk::RecurrenceGradientOp op);
  Value sumOfLanes(Value number, llvm::ArrayRef<int64_t> masks);
  struct Adjoint;
  void emitQueryGradients(Adjoint &of);
  void emitKeyGradients(Adjoint &of);
  Sums stateValueSums();
  void advanceGradient(Adjoint &of, const Sums &valueSums,
                       const Values &weights);
  using Pieces = llvm::DenseMap<Value, Value>;
  void remakeNumbers(chunk::RecurrenceGradientOp op);
  Pieces fetchPieces(const llvm::SetVector<Value> &leaves, int64_t index,
                     const TokenPlace &at);
  void storeGradient(chunk::RecurrenceGradientOp op, Value gradient,
                     llvm::function_ref<Sums()> make);
  Values lambdaGradient(Value lambda);

  struct Places {
    int64_t queries = 0, keys = 0, values = 0; ///< bf16 rows
    /// A, its lower tiles; in backward dA ∘ D, then A, all [64, 64] in cores.
    int64_t weights = 0;
    int64_t factors = 0; ///< fp32 [6, 64]: to the boundary of each level
    int64_t before = 0;  ///< fp32 [64]: from the chunk's start
    int64_t behind = 0;  ///< fp32 [64]: to the chunk's end
    int64_t total = 0;   ///< fp32
    int64_t phases = 0;  ///< θ, i64 [4, K / 16, 2]
    int64_t firstRow = 0, length = 0; ///< the item's, i64 and i32
    // Backward alone.
    int64_t state = 0;           ///< tiles of S, then dS: rows of channels
    int64_t factorGradients = 0; ///< fp32 [7, 64]; the last two are level 32's
    int64_t beforeGradients = 0; ///< fp32 [groups, 64]: of four warps' columns
    int64_t behindGradients = 0; ///< likewise
    int64_t totalGradient = 0;   ///< fp32, one a warp
  } places;
  chunk::RestoreOp restored; ///< the states that a sweep gets
  bool isTurned = true;      ///< as the layout of the sweep's state has it
  bool isTurning = false;    ///< q and k, by their positions
  int64_t bandRows;          ///< of the state, in a warp
  /// A number of the item that chunks use.
  struct Constant {
    Value tile;
    int64_t shared;
    Values numbers; ///< outside of the sweep
  };
  llvm::SmallVector<Constant> constants;
  bool isStaged = false;  ///< the next chunk is copied to another place
  int64_t stageBytes = 0; ///< of all streams' tiles
  Values item;            ///< its first row and length, outside of the sweep
  /// What reserveNumbers has left.
  int64_t nextNumber = 0, numbersEnd = 0;
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SCALAREMITTER_H
