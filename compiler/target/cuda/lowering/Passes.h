//===- Passes.h - From chunk to kernels of this target ---------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_PASSES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_PASSES_H

#include "compiler/target/cuda/tile/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace decay::cuda {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/target/cuda/lowering/Passes.h.inc"

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_PASSES_H
