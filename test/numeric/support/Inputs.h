//===- Inputs.h - Numbers to run a design with -----------------*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_SUPPORT_INPUTS_H
#define DECAY_TEST_NUMERIC_SUPPORT_INPUTS_H

#include "compiler/interpreter/Interpreter.h"

#include "mlir/IR/BuiltinOps.h"

#include <random>

namespace decay::test {

using Random = std::mt19937_64;

/// Even draws; the same on every platform.
double uniform(Random &random, double low, double high);
/// Mean 0, deviation 1.
double normal(Random &random);
int64_t integer(Random &random, int64_t low, int64_t high);

/// What a call of a design is given: projections and gradients are normal,
/// parameters their initial values and normal noise of this size, states and
/// carries uniform in [0, 1). All are float32 numbers, so that a kernel sees
/// the same.
NamedFields drawInputs(mlir::ModuleOp module, mlir::func::FuncOp function,
                       const Sizes &sizes, Random &random,
                       double parameterNoise = 0.1);

mlir::func::FuncOp functionOf(mlir::ModuleOp module, llvm::StringRef name);

/// "B2 T7 H2 K4 V3" and "packed 0,3,7" where there are sequences.
std::string describe(const Sizes &sizes);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_SUPPORT_INPUTS_H
