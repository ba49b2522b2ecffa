//===- Schemes.h - How a block shares an item's work -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SCHEMES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SCHEMES_H

#include "compiler/target/cuda/tile/TileDialect.h"

namespace decay::cuda {

/// More columns of a state do not fit into a block's registers and shared
/// memory.
inline constexpr int64_t mostColumns = 128;

/// Halves of the state: 2 under lrpe_cosine.
int64_t pairsOf(chunk::KernelOp kernel);

/// What a block of the kernel is, for one pair of head dims; none if there is
/// no code for so many columns. `kernel` as splitPointwise leaves it.
std::optional<tile::BlockAttr> chooseBlock(chunk::KernelOp kernel, int64_t K,
                                           int64_t V, Precision precision);

/// Whether the module's kernels that keep states and those that restore them
/// work by the same scheme, and so agree on an order of what is kept.
bool agreeOnKept(mlir::ModuleOp module, int64_t K, int64_t V,
                 Precision precision);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SCHEMES_H
