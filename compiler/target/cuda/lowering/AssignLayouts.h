//===- AssignLayouts.h - Which thread has which numbers --------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_ASSIGNLAYOUTS_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_ASSIGNLAYOUTS_H

#include "compiler/target/cuda/tile/TileDialect.h"

namespace decay::cuda {

/// Gives the kernel its block, and each of its tiles the layout that such a
/// block has it in; takes the place of what they had.
void assignLayouts(chunk::KernelOp kernel, tile::BlockAttr block);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_ASSIGNLAYOUTS_H
