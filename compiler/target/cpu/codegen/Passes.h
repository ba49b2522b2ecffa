//===- Passes.h - Passes of the CPU target's codegen -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_CODEGEN_PASSES_H
#define DECAY_COMPILER_TARGET_CPU_CODEGEN_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace decay::cpu {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/target/cpu/codegen/Passes.h.inc"

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CODEGEN_PASSES_H
