//===- RowTiles.h - Tiles over tokens and channels -------------*- C++ -*-===//
//
// In a block of bands these stay rows, and what is made of them number by
// number is made where it is needed.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_ROWTILES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_ROWTILES_H

#include "compiler/dialect/chunk/ChunkDialect.h"

#include "llvm/ADT/SetVector.h"

namespace decay::cuda {

chunk::TileType tileType(mlir::Value value);

/// Whether a tile has tokens and channels.
bool hasRows(mlir::Value value);

/// What a rotation turns, or the tile itself.
mlir::Value turnedOperand(mlir::Value value);

/// The one operand over tokens and channels that a tile is made of, number by
/// number, and maybe turned; none if there is more to it.
chunk::ReadOp sourceOf(mlir::Value value);

/// What a result of a tile with rows follows from: reads, gradients and
/// rotations.
llvm::SetVector<mlir::Value> leavesOf(mlir::Value value);

/// Whether a tile with rows has numbers of tiles with rows and of the whole
/// item alone.
bool isMadeOfRows(mlir::Value value);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_ROWTILES_H
