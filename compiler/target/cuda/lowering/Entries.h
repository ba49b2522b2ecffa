//===- Entries.h - Kernels of other shapes than a chunk's ------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_ENTRIES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_ENTRIES_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/Launches.h"
#include "compiler/target/cuda/lowering/BlockShape.h"
#include "compiler/target/cuda/tile/TileDialect.h"

namespace decay::cuda {

/// What assign-layouts says of a kernel.
tile::EntryAttr entryOf(chunk::KernelOp kernel);
tile::BlockAttr blockOf(chunk::KernelOp kernel);

/// `@decay_step_<K>_<V>`: one token of every sequence.
mlir::LLVM::LLVMFuncOp emitStep(chunk::KernelOp kernel, BlockShape shape,
                                mlir::OpBuilder &builder);

/// `@decay_init_parameters`: a thread per element of the largest parameter.
mlir::LLVM::LLVMFuncOp emitInitialise(chunk::KernelOp kernel,
                                      mlir::OpBuilder &builder);

/// `@decay_<entry>_<K>_<V>_segments`, the launch before where sequences are
/// cut, if the kernel's can be.
void emitSegments(chunk::KernelOp kernel, BlockShape shape,
                  mlir::OpBuilder &builder);

/// `@decay_<entry>_<K>_<V>_scans`, the launch before that one, for a kernel
/// that carries scans.
void emitScanTotals(chunk::KernelOp kernel, BlockShape shape,
                    mlir::OpBuilder &builder);

/// `@decay_<entry>_<K>_<V>_corrections`, the launch behind the entry's kernel,
/// for one that carries gradients of scans.
void emitScanCorrections(chunk::KernelOp kernel, BlockShape shape,
                         mlir::OpBuilder &builder);

/// `@decay_backward_<K>_<V>_sums`, backward's last launch, if the design has
/// parameters.
void emitParameterSums(chunk::KernelOp kernel, BlockShape shape,
                       mlir::OpBuilder &builder);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_ENTRIES_H
