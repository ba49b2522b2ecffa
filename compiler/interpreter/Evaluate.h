//===- Evaluate.h - One function per operation, for Interpreter -*- C++ -*-===//
#ifndef DECAY_COMPILER_INTERPRETER_EVALUATE_H
#define DECAY_COMPILER_INTERPRETER_EVALUATE_H

#include "compiler/interpreter/Interpreter.h"

namespace decay::interpreter {

/// What every evaluation needs beside its operands.
struct Call {
  const Sizes &sizes;
  bool bounds;
  Interpretation &outcome;

  Field make(mlir::Type type) const {
    return makeField(mlir::cast<ir::FieldType>(type).getAxes(), sizes, bounds);
  }
};

using Operands = llvm::ArrayRef<const Field *>;
using Results = llvm::SmallVector<Field>;

/// One number and the bound of its error in units of 2^-24.
struct Bounded {
  double value = 0, bound = 0;
};

/// Half of float32's least normal number, in units of u: below it float32 has
/// absolute, not relative, precision.
inline constexpr double underflowBound = 0x1p-126 / 0x1p-24;

/// The bound of a result that float32 rounds: its inherited error and its own.
/// Infinite where float32 overflows.
inline double roundedBound(double value, double inherited) {
  double bound = inherited + std::fabs(value) + underflowBound;
  bool fits = std::fabs(value) <= std::numeric_limits<float>::max();
  return fits && !std::isnan(bound) ? bound
                                    : std::numeric_limits<double>::infinity();
}

/// What the sum of `count` rounded terms is off by, as a multiple of the sum of
/// their absolute values: √n in any order but for the least of odds (Higham and
/// Mary, "A new approach to probabilistic rounding error analysis", 2019).
inline double sumRounding(int64_t count) {
  return std::sqrt(static_cast<double>(count));
}

// Pointwise.cpp
Results evaluate(ir::ConstantOp op, Operands operands, Call &call);
Results evaluate(ir::IndexOp op, Operands operands, Call &call);
Results evaluate(ir::MapOp op, Operands operands, Call &call);
Results evaluate(ir::BroadcastOp op, Operands operands, Call &call);
Results evaluate(ir::SumOp op, Operands operands, Call &call);
Results evaluate(ir::CheckRangeOp op, Operands operands, Call &call);
// Layers.cpp
Results evaluate(ir::AcrossLayersOp op, Operands operands, Call &call);
Results evaluate(ir::AcrossLayersGradientOp op, Operands operands, Call &call);
Results evaluate(ir::AtLayerOp op, Operands operands, Call &call);
Results evaluate(ir::FromLayerOp op, Operands operands, Call &call);
// Rotation.cpp
Results evaluate(ir::RotateOp op, Operands operands, Call &call);
// Scans.cpp
Results evaluate(ir::ScanOp op, Operands operands, Call &call);
Results evaluate(ir::ScanGradientOp op, Operands operands, Call &call);
// Recurrence.cpp
Results evaluate(ir::RecurrenceOp op, Operands operands, Call &call);
// RecurrenceGradient.cpp
Results evaluate(ir::RecurrenceGradientOp op, Operands operands, Call &call);
// Random.cpp
Results evaluate(ir::RandomOp op, Operands operands, Call &call);

} // namespace decay::interpreter

#endif // DECAY_COMPILER_INTERPRETER_EVALUATE_H
