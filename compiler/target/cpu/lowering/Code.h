//===- Code.h - Integer, pointer and vector code in few words --*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_LOWERING_CODE_H
#define DECAY_COMPILER_TARGET_CPU_LOWERING_CODE_H

#include "compiler/target/cpu/Variants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace decay::cpu {

using mlir::Value;

/// A builder at a place, with the operations that the lowering is made of.
/// Sizes and offsets are i64 and count floats unless a name says bytes.
class Code {
public:
  Code(mlir::OpBuilder &builder, mlir::Location place, const Variant &variant)
      : builder(builder), place(place), variant(variant) {}

  mlir::OpBuilder &builder;
  mlir::Location place;
  const Variant &variant;

  Value integer(int64_t value);
  Value number(float value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value divide(Value x, Value y); ///< unsigned
  Value smaller(Value x, Value y);
  Value less(Value x, Value y);
  Value equal(Value x, Value y);
  Value choose(Value condition, Value then, Value otherwise);
  Value isNull(Value pointer);
  /// `x` rounded up to a multiple of `unit`.
  Value roundUp(Value x, int64_t unit);

  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type pointerType();
  mlir::VectorType vectorType();

  /// The address of element `offset`.
  Value at(Value pointer, Value offset);
  Value bytesAt(Value pointer, int64_t bytes);
  Value load(mlir::Type type, Value pointer);
  void store(Value value, Value pointer);
  /// Loads or stores the first `count` lanes of a vector; absent lanes read 0.
  Value loadPart(Value pointer, Value count);
  void storePart(Value value, Value pointer, Value count);
  /// Asks for a cache line that will be read, or written, soon. Any address
  /// will do.
  void prefetch(Value pointer, bool write);
  Value splat(Value number);
  Value zero(mlir::Type type);
  /// The number, or a vector of it.
  Value constant(mlir::Type type, float value);

  /// for (i = from; i < to; i += step) body(i)
  void loop(Value from, Value to, Value step,
            llvm::function_ref<void(Value)> body);
  void loop(Value to, llvm::function_ref<void(Value)> body) {
    loop(integer(0), to, integer(1), body);
  }
  /// The same with one value carried along; returns the last.
  Value reduce(Value to, Value step, Value initial,
               llvm::function_ref<Value(Value, Value)> body);
  void when(Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise = nullptr);

private:
  Value lanesBelow(Value count);
};

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_LOWERING_CODE_H
