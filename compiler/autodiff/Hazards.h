//===- Hazards.h - Formulas that lose digits, and better ones --*- C++ -*-===//
#ifndef DECAY_COMPILER_AUTODIFF_HAZARDS_H
#define DECAY_COMPILER_AUTODIFF_HAZARDS_H

#include "compiler/autodiff/rules/Expressions.h"

namespace decay {

/// x - y where both come from one scan: the step of a logcumsumexp is a
/// logsigmoid, that of a cumsum its term. Null if they do not.
mlir::Value differenceOfScan(mlir::Value x, mlir::Value y, Expressions &e);

/// 1 - x / y where x and y are a cumsum before and after a token: term / y.
/// Null if they are not.
mlir::Value complementOfRatio(mlir::Value x, mlir::Value y, Expressions &e);

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_HAZARDS_H
