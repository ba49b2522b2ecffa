//===- Gates.h - Gates in few instructions ---------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H

#include "compiler/dialect/chunk/ChunkDialect.h"

namespace decay::cuda {

/// Lets a kernel's pointwise regions use approximate instructions (a few units
/// of 2^-24, far inside what bf16 operands lose), and turns the logistic
/// function of x and of -x into one exponential and one reciprocal.
void simplifyGates(chunk::KernelOp kernel);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H
