//===- SplitPointwise.h - What need not wait for λ's gradient --*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SPLITPOINTWISE_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SPLITPOINTWISE_H

#include "compiler/dialect/chunk/ChunkDialect.h"

namespace decay::cuda {

/// λ's gradient comes last in a chunk. Pointwise operations behind a
/// chunk.recurrence_gradient that make numbers of it beside numbers without it
/// become two, so that the latter can be made, and written, before.
void splitPointwise(chunk::KernelOp kernel);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SPLITPOINTWISE_H
