//===- PointwiseOperators.h - The cards of the pointwise operators -*- C++
//-*-===//
//
// One card per row of PointwiseOperators.def: what the lexer, checker,
// interpreter and documents know about an operator. The float64 functions here
// are the meaning of the language; every kernel is compared with them.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_OPERATORS_POINTWISEOPERATORS_H
#define DECAY_DSL_OPERATORS_POINTWISEOPERATORS_H

#include "dsl/operators/Interval.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace decay::dsl {

/// What an operand must be for the value to be a finite number.
struct OperandDomain {
  int operand = -1;     ///< -1: any operands will do
  Interval allowed;     ///< where the operand must lie
  bool nonZero = false; ///< and not zero
  llvm::StringRef text; ///< "positive", for messages
};

struct PointwiseOperator {
  llvm::StringRef name;
  unsigned arity = 0;
  bool visible =
      false; ///< part of the language; else in derived gradients only
  llvm::StringRef meaning;
  /// What a design with it takes to compile, beside an addition.
  unsigned weight = 1;
  /// The value in float64, exact to a few ulp wherever the domain allows.
  double (*value)(const double *operands) = nullptr;
  /// ∂value/∂operand for each operand, in float64. At a kink: the side that
  /// `value` takes. Used by the oracle's error bounds.
  void (*partials)(const double *operands, double *result) = nullptr;
  /// An interval around all values for operands in the intervals given.
  Interval (*range)(const Interval *operands) = nullptr;
  OperandDomain domain;
};

/// The largest arity of any operator.
inline constexpr unsigned maximumArity = 3;

/// All cards in the order of the .def.
llvm::ArrayRef<PointwiseOperator> pointwiseOperators();

/// Null when there is no operator of that name.
const PointwiseOperator *findPointwiseOperator(llvm::StringRef name);

} // namespace decay::dsl

#endif // DECAY_DSL_OPERATORS_POINTWISEOPERATORS_H
