//===- ScanRules.cpp - Derivative of carried values -----------------------===//
#include "compiler/autodiff/rules/Rules.h"

namespace decay {

void differentiate(ir::ScanOp op, Adjoints &adjoints) {
  mlir::Location place = op.getLoc();
  mlir::Value dInclusive = adjoints.get(place, op.getInclusive());
  mlir::Value dExclusive = adjoints.get(place, op.getExclusive());
  mlir::Value dFinal = adjoints.get(place, op.getFinal());
  auto gradient = ir::ScanGradientOp::create(
      adjoints.builder, place, op.getKind(),
      mlir::ValueRange{op.getTerm(), op.getExclusive(), dInclusive, dExclusive,
                       dFinal});
  adjoints.add(place, op.getTerm(), gradient.getDTerm());
  adjoints.add(place, op.getInitial(), gradient.getDInitial());
}

} // namespace decay
