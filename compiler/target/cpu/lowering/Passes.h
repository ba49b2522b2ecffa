//===- Passes.h - From chunk to functions of this target -------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_LOWERING_PASSES_H
#define DECAY_COMPILER_TARGET_CPU_LOWERING_PASSES_H

#include "compiler/dialect/chunk/ChunkDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace decay::cpu {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/target/cpu/lowering/Passes.h.inc"

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_LOWERING_PASSES_H
