//===- Expressions.h - Writing formulas as decay.map -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_AUTODIFF_RULES_EXPRESSIONS_H
#define DECAY_COMPILER_AUTODIFF_RULES_EXPRESSIONS_H

#include "compiler/dialect/decay/DecayDialect.h"
#include "mlir/IR/Builders.h"

namespace decay {

/// Builds pointwise formulas at one place of the source:
/// `e.mul(e.sigmoid(x), y)` appends two operations and gives the product.
class Expressions {
public:
  Expressions(mlir::OpBuilder &builder, mlir::Location place)
      : builder(builder), place(place) {}

  mlir::Value map(llvm::StringRef name, mlir::ValueRange operands);
  /// A number without axes.
  mlir::Value constant(double value);
  /// A number at each point of `type`.
  mlir::Value filled(mlir::Type type, double value);

  using Value = mlir::Value;
  Value add(Value x, Value y) { return map("add", {x, y}); }
  Value sub(Value x, Value y) { return map("sub", {x, y}); }
  Value mul(Value x, Value y) { return map("mul", {x, y}); }
  Value div(Value x, Value y) { return map("div", {x, y}); }
  Value neg(Value x) { return map("neg", x); }
  Value exp(Value x) { return map("exp", x); }
  Value sigmoid(Value x) { return map("sigmoid", x); }

  mlir::OpBuilder &builder;
  mlir::Location place;
};

/// The operand's map operation if its operator is `name`, else null.
ir::MapOp matchMap(mlir::Value value, llvm::StringRef name);

/// The number that a value is everywhere, if it is a known constant.
std::optional<double> matchConstant(mlir::Value value);

/// `value`, broadcast to `type` if it lacks some of its axes.
mlir::Value widenTo(mlir::OpBuilder &builder, mlir::Location place,
                    mlir::Value value, mlir::Type type);

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_RULES_EXPRESSIONS_H
