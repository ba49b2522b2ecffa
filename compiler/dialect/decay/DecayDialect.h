//===- DecayDialect.h - WHAT a design computes -----------------*- C++ -*-===//
#ifndef DECAY_COMPILER_DIALECT_DECAY_DECAYDIALECT_H
#define DECAY_COMPILER_DIALECT_DECAY_DECAYDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace decay::ir {

/// What a field can vary over; the order in which types list them.
enum class Axis : unsigned {
  Sequence,
  Layer,
  Token,
  Head,
  Pair,
  Channel,
  Value
};
inline constexpr unsigned axisCount = 7;

constexpr unsigned axisBit(Axis axis) {
  return 1u << static_cast<unsigned>(axis);
}

/// "token", "head", ...
llvm::StringRef axisName(Axis axis);

} // namespace decay::ir

#include "compiler/dialect/decay/DecayDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialect/decay/DecayTypes.h.inc"
#define GET_OP_CLASSES
#include "compiler/dialect/decay/DecayOps.h.inc"

#endif // DECAY_COMPILER_DIALECT_DECAY_DECAYDIALECT_H
