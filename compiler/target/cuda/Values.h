//===- Values.h - Designs whose values change on their way -----*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_VALUES_H
#define DECAY_COMPILER_TARGET_CUDA_VALUES_H

#include "compiler/target/Target.h"

namespace decay::cuda {

/// Kernels are fastest with v's rows as they lie in memory. Only k vᵀ enters
/// the state, so factors and divisors of v with one number per head move to k,
/// which is activated anyway.
void moveValueFactors(dsl::CheckedDesign &design);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_VALUES_H
