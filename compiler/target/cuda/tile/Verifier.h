//===- Verifier.h - What layouts must agree in -----------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_TILE_VERIFIER_H
#define DECAY_COMPILER_TARGET_CUDA_TILE_VERIFIER_H

#include "compiler/target/cuda/tile/TileDialect.h"

namespace decay::cuda::tile {

/// A set of forms.
using Forms = unsigned;
constexpr Forms bitOf(Form form) { return 1u << static_cast<unsigned>(form); }
/// "thread", "thread or columns", ...
std::string namesOf(Forms forms);

/// Whether an operation of a chunk.kernel is one that its block has code for,
/// takes tiles in layouts that it can work with, and leaves those that follow
/// from others in the same layout. Says what is wrong at the operation.
mlir::LogicalResult verifyOperands(mlir::Operation *op, BlockAttr block);

/// The same of a sweep: what it begins with, carries, yields and results in.
mlir::LogicalResult verifySweep(chunk::SweepOp op);

} // namespace decay::cuda::tile

#endif // DECAY_COMPILER_TARGET_CUDA_TILE_VERIFIER_H
