//===- Rules.h - One derivative rule per operation -------------*- C++ -*-===//
//
// A rule reads the gradients of an operation's results and adds to those of its
// operands. It is called only if some result has a gradient.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_AUTODIFF_RULES_RULES_H
#define DECAY_COMPILER_AUTODIFF_RULES_RULES_H

#include "compiler/autodiff/rules/Adjoints.h"

namespace decay {

// MathRules.cpp
void differentiate(ir::MapOp op, Adjoints &adjoints);
// FieldRules.cpp
void differentiate(ir::BroadcastOp op, Adjoints &adjoints);
void differentiate(ir::SumOp op, Adjoints &adjoints);
void differentiate(ir::AcrossLayersOp op, Adjoints &adjoints);
void differentiate(ir::AtLayerOp op, Adjoints &adjoints);
void differentiate(ir::RotateOp op, Adjoints &adjoints);
void differentiate(ir::CheckRangeOp op, Adjoints &adjoints);
// ScanRules.cpp
void differentiate(ir::ScanOp op, Adjoints &adjoints);
// RecurrenceRules.cpp
void differentiate(ir::RecurrenceOp op, Adjoints &adjoints);

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_RULES_RULES_H
