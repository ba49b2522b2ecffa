//===- Adjoints.h - The gradient of each value so far ----------*- C++ -*-===//
#ifndef DECAY_COMPILER_AUTODIFF_RULES_ADJOINTS_H
#define DECAY_COMPILER_AUTODIFF_RULES_ADJOINTS_H

#include "compiler/autodiff/rules/Expressions.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace decay {

/// Sums up, in reverse order of the operations, what each value contributes to
/// the loss. A gradient always has the type of its value.
class Adjoints {
public:
  explicit Adjoints(mlir::OpBuilder &builder) : builder(builder) {}

  /// Marks an argument, or a result of an operation with an active operand:
  /// only active values have gradients.
  void activate(mlir::Value value) { active.insert(value); }
  bool isActive(mlir::Value value) const { return active.contains(value); }

  /// Adds `gradient` to that of `value`; axes that `value` lacks are summed
  /// away. No-op for inactive values.
  void add(mlir::Location place, mlir::Value value, mlir::Value gradient);

  /// The sum so far, null if there is none.
  mlir::Value find(mlir::Value value) const { return sums.lookup(value); }
  /// The sum so far, zero if there is none.
  mlir::Value get(mlir::Location place, mlir::Value value);

  mlir::OpBuilder &builder;

private:
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseMap<mlir::Value, mlir::Value> sums;
};

} // namespace decay

#endif // DECAY_COMPILER_AUTODIFF_RULES_ADJOINTS_H
