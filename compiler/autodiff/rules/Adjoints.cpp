//===- Adjoints.cpp - The gradient of each value so far -------------------===//
#include "compiler/autodiff/rules/Adjoints.h"

namespace decay {

void Adjoints::add(mlir::Location place, mlir::Value value,
                   mlir::Value gradient) {
  if (!isActive(value))
    return;
  if (gradient.getType() != value.getType())
    gradient = ir::SumOp::create(builder, place, value.getType(), gradient);
  mlir::Value &sum = sums[value];
  sum = sum ? Expressions(builder, place).add(sum, gradient) : gradient;
}

mlir::Value Adjoints::get(mlir::Location place, mlir::Value value) {
  if (mlir::Value sum = find(value))
    return sum;
  return Expressions(builder, place).filled(value.getType(), 0);
}

} // namespace decay
