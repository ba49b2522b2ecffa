//===- Emitter.h - Short words for the operations of a core -----*- C++ -*-===//
//
// A core is straight loops over fp32 tiles in scratch memory. This is the
// vocabulary that they are written in: scf loops over i64, llvm pointers
// counted in floats, vectors of the variant's lanes.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_EMITTER_H
#define DECAY_COMPILER_TARGET_CPU_CORES_EMITTER_H

#include "compiler/target/cpu/Variants.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <string>

namespace decay::cpu {

using Values = llvm::SmallVector<mlir::Value>;

class Emitter {
public:
  Emitter(mlir::ModuleOp module, const Variant &variant);

  int64_t lanes() const { return variant.lanes; }
  int64_t registers() const { return variant.registers; }
  /// Vectors side by side in a register tile; the widest slice of a row.
  int64_t tileVectors() const { return 2; }
  /// Tokens of a register tile: with `tileVectors` they leave registers for
  /// the operands.
  int64_t tileTokens() const { return variant.registers / 4; }
  std::string symbol(llvm::StringRef base) const;

  /// The private function `symbol(base)`, whose arguments `types` spells: 'p' a
  /// noalias pointer, 'i' an i64. Emitted once a module.
  mlir::func::FuncOp
  function(llvm::StringRef base, llvm::StringRef types,
           llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)> body);
  void call(mlir::func::FuncOp callee, mlir::ValueRange arguments);

  mlir::Value integer(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value add(mlir::Value a, int64_t b);
  mlir::Value subtract(mlir::Value a, mlir::Value b);
  mlir::Value multiply(mlir::Value a, mlir::Value b);
  mlir::Value multiply(mlir::Value a, int64_t b);
  /// a / b, rounded down, for a power of two b.
  mlir::Value divide(mlir::Value a, int64_t b);
  /// The largest multiple of `step` that is not above `a` (a >= 0).
  mlir::Value roundDown(mlir::Value a, int64_t step);

  /// `base` moved by `floats`.
  mlir::Value at(mlir::Value base, mlir::Value floats);
  mlir::Value at(mlir::Value base, int64_t floats);
  mlir::Value load(mlir::Value pointer, int64_t floats = 0);
  void store(mlir::Value vector, mlir::Value pointer, int64_t floats = 0);
  /// One float of memory in all lanes.
  mlir::Value splat(mlir::Value pointer, int64_t floats = 0);
  mlir::Value loadFloat(mlir::Value pointer, int64_t floats = 0);
  void storeFloat(mlir::Value scalar, mlir::Value pointer, int64_t floats = 0);

  mlir::Value zeros();
  mlir::Value ones();
  mlir::Value times(mlir::Value a, mlir::Value b);
  mlir::Value plus(mlir::Value a, mlir::Value b);
  /// a * b + c, rounded once.
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  mlir::Value shuffle(mlir::Value a, mlir::Value b,
                      llvm::ArrayRef<int64_t> lanes);
  mlir::Value lane(mlir::Value vector, int64_t index);
  /// Lane i is the sum of the lanes of vectors[i]; at most `lanes` vectors.
  mlir::Value laneSums(llvm::ArrayRef<mlir::Value> vectors);
  /// Rows become columns: `lanes` vectors of `lanes` lanes.
  Values transposed(llvm::ArrayRef<mlir::Value> rows);

  /// for (i = lower; i < upper; i += step), values carried from turn to turn.
  Values loop(mlir::Value lower, mlir::Value upper, int64_t step,
              mlir::ValueRange initial,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  void loop(mlir::Value lower, mlir::Value upper, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  void loop(mlir::Value upper, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  /// From count - 1 down to 0.
  void loopDown(mlir::Value count, llvm::function_ref<void(mlir::Value)> body);
  void ifPositive(mlir::Value count, llvm::function_ref<void()> body);
  mlir::Value chooseIfPositive(mlir::Value count, mlir::Value a, mlir::Value b);
  /// Cuts a row of `columns` (a multiple of rowPadding) into slices of
  /// `tileVectors` vectors, then of one where that leaves a rest.
  void slices(mlir::Value columns,
              llvm::function_ref<void(mlir::Value, int64_t)> body);

private:
  mlir::Value isPositive(mlir::Value count);
  /// Picks groups of four lanes from the groups of `a` followed by those of
  /// `b`.
  mlir::Value groups(mlir::Value a, mlir::Value b,
                     llvm::ArrayRef<int64_t> picks);
  /// One round of a transposition on a pair of vectors.
  std::pair<mlir::Value, mlir::Value> exchange(mlir::Value a, mlir::Value b,
                                               int64_t span);

  mlir::ModuleOp module;
  const Variant &variant;
  mlir::ImplicitLocOpBuilder builder;
  mlir::VectorType vectorType;
  mlir::Type pointerType;
};

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_EMITTER_H
