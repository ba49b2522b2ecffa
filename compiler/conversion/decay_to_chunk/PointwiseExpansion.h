//===- PointwiseExpansion.h - Operators as arith and math ------*- C++ -*-===//
#ifndef DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_POINTWISEEXPANSION_H
#define DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_POINTWISEEXPANSION_H

#include "mlir/IR/Builders.h"

namespace decay {

/// Builds the operator `name` (dsl/operators/PointwiseOperators.def) on f32
/// numbers or vectors of them from arith and math operations, in a form that
/// neither overflows nor cancels where the operator itself does not.
mlir::Value expandPointwise(mlir::OpBuilder &builder, mlir::Location place,
                            llvm::StringRef name, mlir::ValueRange operands);

} // namespace decay

#endif // DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_POINTWISEEXPANSION_H
