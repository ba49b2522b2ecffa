//===- Passes.h - Passes of the CUDA target's codegen ----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_PASSES_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace decay::cuda {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/target/cuda/codegen/Passes.h.inc"

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_PASSES_H
