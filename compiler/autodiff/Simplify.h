//===- Simplify.h - Cleaning decay IR --------------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_AUTODIFF_SIMPLIFY_H
#define DECAY_COMPILER_AUTODIFF_SIMPLIFY_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace decay {

/// Folding of constants, neutral elements, signs, broadcasts and sums.
void populateSimplifyPatterns(mlir::RewritePatternSet &patterns);

/// Applies `patterns` until nothing changes; before and after it, merges equal
/// operations. Dead operations go.
mlir::LogicalResult simplifyModule(mlir::ModuleOp module,
                                   mlir::RewritePatternSet &&patterns);

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_SIMPLIFY_H
