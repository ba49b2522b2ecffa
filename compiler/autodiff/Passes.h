//===- Passes.h - The passes of compiler/autodiff --------------*- C++ -*-===//
#ifndef DECAY_COMPILER_AUTODIFF_PASSES_H
#define DECAY_COMPILER_AUTODIFF_PASSES_H

#include "compiler/dialect/decay/DecayDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace decay {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/autodiff/Passes.h.inc"

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_PASSES_H
