//===- KernelBuilder.h - One function becomes one kernel -------*- C++ -*-===//
#ifndef DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_KERNELBUILDER_H
#define DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_KERNELBUILDER_H

#include "compiler/dialect/chunk/ChunkDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace decay {

/// The tile that an item sees of a field: sequence and head are the item's own.
chunk::TileType tileOf(mlir::Type field);

/// Builds one chunk.kernel from one function of the decay dialect.
///
/// Operations of the function fall into three kinds: those without token axis
/// that need nothing of the tokens (before the sweeps), those per token (in the
/// sweeps), and those that need sums over tokens or final values (after).
class KernelBuilder {
public:
  KernelBuilder(mlir::func::FuncOp function, llvm::StringRef name,
                int64_t chunkLength);

  chunk::KernelOp build();

private:
  enum class Stage : uint8_t { Before, PerToken, After };

  // The kernel as a whole.
  void classify();
  mlir::ArrayAttr describeOperands();
  void buildForwardSweep();
  void buildStateSweep();
  void buildGradientSweep();
  void writeResults();

  // One operation, in TokenOperations.cpp.
  void convert(mlir::Operation &op);
  void convertStage(Stage stage);
  void convertMap(ir::MapOp op);
  void convertSum(ir::SumOp op);
  void convertScan(ir::ScanOp op);
  void convertScanGradient(ir::ScanGradientOp op);
  void convertRecurrence(ir::RecurrenceOp op);
  void convertRecurrenceGradient(ir::RecurrenceGradientOp op);

  /// The tile of a function's value where the builder stands; arguments are
  /// read on first use.
  mlir::Value tile(mlir::Value value);
  void set(mlir::Value value, mlir::Value tile) { tiles[value] = tile; }
  mlir::Value broadcast(mlir::Value tile, chunk::TileType type);
  /// λ as the recurrence takes it: per token, or over all axes of q.
  mlir::Value recurrenceLambda(mlir::Value lambda, mlir::Value q);
  /// A λ without token axis, for each token of a chunk; made before the sweeps.
  mlir::Value spread(mlir::Value lambda);
  /// 1 - λ from λ's own formula, where that keeps more digits.
  mlir::Value complement(mlir::Value lambda);
  /// Adds a tile of the chunk at hand to the accumulator of `sum`.
  void accumulate(mlir::Value sum, mlir::Value tile);
  bool perToken(mlir::Value value) const;
  int64_t resultOperand(unsigned result) {
    return function.getNumArguments() + result;
  }

  mlir::func::FuncOp function;
  std::string name;
  int64_t chunkLength;
  mlir::OpBuilder builder;
  chunk::KernelOp kernel;
  llvm::DenseMap<mlir::Operation *, Stage> stages;
  llvm::DenseMap<mlir::Value, mlir::Value> tiles;

  /// What the sweep at hand carries: a value of the function that stands for
  /// it, the tile before the chunk and the tile after it.
  struct Carried {
    mlir::Value key;
    mlir::Value before, after;
  };
  llvm::SmallVector<Carried> carried;
  Carried &carriedFor(mlir::Value key);
  chunk::SweepOp beginSweep(
      bool descending,
      llvm::ArrayRef<std::pair<mlir::Value, mlir::Value>> keysAndInitials);
  void endSweep(chunk::SweepOp sweep);

  llvm::SmallVector<ir::ScanOp> scans;
  llvm::SmallVector<ir::ScanGradientOp> scanGradients;
  ir::RecurrenceOp recurrence;
  ir::RecurrenceGradientOp recurrenceGradient;
  llvm::SmallVector<mlir::Value> sums; // results summed over tokens
};

} // namespace decay

#endif // DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_KERNELBUILDER_H
