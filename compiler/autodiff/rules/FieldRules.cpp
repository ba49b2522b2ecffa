//===- FieldRules.cpp - Derivatives of what moves numbers along axes ------===//
#include "compiler/autodiff/rules/Rules.h"

namespace decay {

void differentiate(ir::BroadcastOp op, Adjoints &adjoints) {
  adjoints.add(op.getLoc(), op.getOperand(), adjoints.find(op.getResult()));
}

void differentiate(ir::SumOp op, Adjoints &adjoints) {
  adjoints.add(op.getLoc(), op.getOperand(),
               widenTo(adjoints.builder, op.getLoc(),
                       adjoints.find(op.getResult()),
                       op.getOperand().getType()));
}

void differentiate(ir::AcrossLayersOp op, Adjoints &adjoints) {
  mlir::Value gradient = ir::AcrossLayersGradientOp::create(
      adjoints.builder, op.getLoc(), op.getOperand().getType(), op.getKind(),
      op.getResult(), adjoints.find(op.getResult()));
  adjoints.add(op.getLoc(), op.getOperand(), gradient);
}

void differentiate(ir::AtLayerOp op, Adjoints &adjoints) {
  mlir::Value gradient = ir::FromLayerOp::create(adjoints.builder, op.getLoc(),
                                                 op.getOperand().getType(),
                                                 adjoints.find(op.getResult()));
  adjoints.add(op.getLoc(), op.getOperand(), gradient);
}

void differentiate(ir::RotateOp op, Adjoints &adjoints) {
  mlir::Value gradient = ir::RotateOp::create(
      adjoints.builder, op.getLoc(), op.getOperand().getType(), op.getKind(),
      adjoints.find(op.getResult()), /*adjoint=*/!op.getAdjoint());
  adjoints.add(op.getLoc(), op.getOperand(), gradient);
}

void differentiate(ir::CheckRangeOp op, Adjoints &adjoints) {
  adjoints.add(op.getLoc(), op.getOperand(), adjoints.find(op.getResult()));
}

} // namespace decay
