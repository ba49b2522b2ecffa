//===- Interpreter.h - The meaning of decay IR, in float64 -----*- C++ -*-===//
#ifndef DECAY_COMPILER_INTERPRETER_INTERPRETER_H
#define DECAY_COMPILER_INTERPRETER_INTERPRETER_H

#include "compiler/interpreter/Field.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <optional>
#include <string>

namespace decay {

using NamedFields = std::map<std::string, Field>;

/// The first element, in index order, that `decay.check_range` found outside of
/// [0, 1]. `token` counts within its sequence.
struct RangeFault {
  int64_t sequence = 0, token = 0, head = 0, channel = 0;
  double value = 0;
};

struct Interpretation {
  NamedFields results;
  std::optional<RangeFault> fault;
  /// The least and the largest number that `decay.check_range` saw.
  double leastChecked = 1, largestChecked = 0;
};

/// Runs `function`, whose arguments and results carry `decay.name`. Arguments
/// of role initial or gradient that `inputs` lacks are zero; all others must be
/// there, with the argument's axes. `trackBounds` fills the results' bounds.
Interpretation interpret(mlir::func::FuncOp function, const Sizes &sizes,
                         const NamedFields &inputs, bool trackBounds = false);

} // namespace decay

#endif // DECAY_COMPILER_INTERPRETER_INTERPRETER_H
