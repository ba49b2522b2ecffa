//===- TileDialect.h - Where the numbers of a tile are ---------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_TILE_TILEDIALECT_H
#define DECAY_COMPILER_TARGET_CUDA_TILE_TILEDIALECT_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/lowering/BlockShape.h"

namespace decay::cuda::tile {

/// The layouts by name, whatever their numbers are.
enum class Form : uint8_t {
  thread,
  columns,
  rows,
  accumulators,
  pieces,
  saved,
  layers,
  slices
};
inline constexpr unsigned formCount = 8;

} // namespace decay::cuda::tile

#include "compiler/target/cuda/tile/TileEnums.h.inc"

#include "compiler/target/cuda/tile/TileDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/target/cuda/tile/TileAttributes.h.inc"

namespace decay::cuda::tile {

/// Whether threads and tiles of matrix products come out even.
constexpr bool canBeHeadDims(int64_t K, int64_t V) {
  constexpr int64_t unit = 64;
  return K > 0 && V > 0 && K % unit == 0 && V % unit == 0;
}

/// None: not a layout.
std::optional<Form> formOf(mlir::Attribute layout);

/// What a block and a tile's axes do not say of its layout.
struct Choice {
  Place place = Place::shared; ///< of rows
  bool turned = false;         ///< of accumulators
  int64_t views = 1;           ///< of slices
};

/// The only layout of that form in a block for a tile of these axes.
mlir::Attribute layoutIn(BlockAttr block, chunk::TileType type, Form form,
                         const Choice &choice);

/// fp32 numbers of a tile in a thread's registers; 0: they are elsewhere.
int64_t numbersOf(mlir::Attribute layout);

/// The layout that a tile was given: as the result of an operation, or as what
/// a sweep carries. Null if it has none.
mlir::Attribute layoutOf(mlir::Value value);

} // namespace decay::cuda::tile

#endif // DECAY_COMPILER_TARGET_CUDA_TILE_TILEDIALECT_H
