//===- Expressions.cpp - Writing formulas as decay.map --------------------===//
#include "compiler/autodiff/rules/Expressions.h"

namespace decay {

mlir::Value Expressions::map(llvm::StringRef name, mlir::ValueRange operands) {
  return ir::MapOp::create(builder, place, name, operands);
}

mlir::Value Expressions::constant(double value) {
  return ir::ConstantOp::create(builder, place,
                                ir::FieldType::get(builder.getContext(), 0),
                                llvm::APFloat(value));
}

mlir::Value Expressions::filled(mlir::Type type, double value) {
  return widenTo(builder, place, constant(value), type);
}

ir::MapOp matchMap(mlir::Value value, llvm::StringRef name) {
  auto op = value.getDefiningOp<ir::MapOp>();
  return op && op.getName() == name ? op : ir::MapOp();
}

std::optional<double> matchConstant(mlir::Value value) {
  while (auto broadcast = value.getDefiningOp<ir::BroadcastOp>())
    value = broadcast.getOperand();
  if (auto constant = value.getDefiningOp<ir::ConstantOp>())
    return constant.getValue().convertToDouble();
  return std::nullopt;
}

mlir::Value widenTo(mlir::OpBuilder &builder, mlir::Location place,
                    mlir::Value value, mlir::Type type) {
  if (value.getType() == type)
    return value;
  return ir::BroadcastOp::create(builder, place, type, value);
}

} // namespace decay
