//===- Parts.h - The functions that cores are made of -----------*- C++ -*-===//
//
// Each returns a private function of the module, emitted at the first call.
// All decay is by channel here; scalar cores wrap these.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H
#define DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H

#include "compiler/target/cpu/cores/Cores.h"
#include "compiler/target/cpu/cores/Emitter.h"

namespace decay::cpu {

/// (source [rows, columns], target [columns, rows], rows, columns), dense.
mlir::func::FuncOp transposeFunction(Emitter &emit);

/// Vector-decay cores, token by token.
mlir::func::FuncOp recurrentForward(Emitter &emit);
mlir::func::FuncOp recurrentState(Emitter &emit);
mlir::func::FuncOp recurrentBackward(Emitter &emit);

/// The scalar core `base`, which calls the vector core of the same direction.
mlir::func::FuncOp scalarCore(Emitter &emit, llvm::StringRef base,
                              Direction direction,
                              mlir::func::FuncOp vectorCore);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H
