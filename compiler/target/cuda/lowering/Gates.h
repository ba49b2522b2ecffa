//===- Gates.h - Gates in few instructions ---------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H

#include "compiler/dialect/chunk/ChunkDialect.h"

namespace decay::cuda {

/// On quotients 1 / (1 + e) of q's and k's activations, which no e makes larger
/// than 2^60: two of them can share a reciprocal. And on what bounds e, which
/// one alone has no need of.
inline constexpr llvm::StringLiteral boundedName = "decay.bounded";

/// On σ(prev(z) - x) where z is the running log Σ exp of x, which is prev(z)'s
/// share of z, and on σ(x - prev(z)), which is x's own: a scan has them without
/// a logarithm (Scans.cpp). A bool: whether it is the former.
inline constexpr llvm::StringLiteral shareName = "decay.share";

/// The running log Σ exp whose prev(z) an operation takes, or null where it
/// takes none or several.
chunk::ScanOp findSummedScan(chunk::PointwiseOp op);

/// The scan whose shares an operation is made of, or null.
chunk::ScanOp sharedScan(chunk::PointwiseOp op);

/// What a region's results are made of, shares being given.
llvm::DenseSet<mlir::Operation *> findNeeded(chunk::PointwiseOp op);

/// Whether such a region takes an argument.
bool takesArgument(chunk::PointwiseOp op, unsigned index);

/// Lets a kernel's pointwise regions use approximate instructions (a few units
/// of 2^-24, far inside what bf16 operands lose), and turns the logistic
/// function of x and of -x into one exponential and one reciprocal.
void simplifyGates(chunk::KernelOp kernel);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_GATES_H
