//===- RecurrenceRules.cpp - Derivative of the recurrence -----------------===//
#include "compiler/autodiff/rules/Rules.h"

namespace decay {

void differentiate(ir::RecurrenceOp op, Adjoints &adjoints) {
  mlir::Location place = op.getLoc();
  mlir::Value dO = adjoints.get(place, op.getO());
  mlir::Value dFinal = adjoints.get(place, op.getFinal());
  auto gradient =
      ir::RecurrenceGradientOp::create(adjoints.builder, place, op, dO, dFinal);
  for (auto [operand, result] :
       llvm::zip_equal(op->getOperands(), gradient->getResults()))
    adjoints.add(place, operand, result);
}

} // namespace decay
