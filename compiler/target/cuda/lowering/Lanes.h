//===- Lanes.h - What one thread does, in few words ------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_LANES_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_LANES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"

#include <array>

namespace decay::cuda {

using mlir::Value;
using Values = llvm::SmallVector<Value>;

/// One warp's share of a 16 x 16 bf16 matrix, as ldmatrix.x4 gives it.
using Fragment = std::array<Value, 4>;

/// A factor of products of four warps: where it is in shared memory, as the
/// descriptor of wgmma, and how its next 16 numbers of the sum follow.
struct GroupFactor {
  Value lower;   ///< half of the descriptor, i32, with the address
  int64_t upper; ///< half of it
  bool isAcross; ///< rows of M or N follow each other, not numbers of a sum
  int64_t stepBytes;
  int64_t stepsInPanel = 0; ///< 0: one panel
  int64_t panelBytes = 0;

  int64_t offset(int64_t step) const {
    return stepsInPanel == 0 ? step * stepBytes
                             : step / stepsInPanel * panelBytes +
                                   step % stepsInPanel * stepBytes;
  }
};

/// A builder at a place, with the operations that kernels are made of. Integers
/// are i32 unless a name says otherwise; shared-memory offsets count bytes.
class Lanes {
public:
  Lanes(mlir::OpBuilder &builder, mlir::Location place)
      : builder(builder), place(place) {}

  mlir::OpBuilder &builder;
  mlir::Location place;

  mlir::Type i1() { return builder.getI1Type(); }
  mlir::Type i16() { return builder.getI16Type(); }
  mlir::Type i32() { return builder.getI32Type(); }
  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type pointer(unsigned space = 0);
  mlir::VectorType vector(int64_t count, mlir::Type element);

  // Numbers.
  Value integer(int64_t value);
  Value wide(int64_t value);
  Value number(float value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value divide(Value x, Value y); ///< unsigned
  Value add(Value x, int64_t y);
  Value mul(Value x, int64_t y);
  Value bitAnd(Value x, int64_t y);
  Value bitOr(Value x, Value y);
  Value bitXor(Value x, Value y);
  Value bitXor(Value x, int64_t y);
  Value shiftLeft(Value x, int64_t bits);
  Value shiftRight(Value x, int64_t bits); ///< unsigned
  Value shiftRight(Value x, Value bits);
  Value smaller(Value x, Value y); ///< unsigned
  Value extend(Value x);           ///< i32 -> i64, unsigned
  Value truncate(Value x);         ///< i64 -> i32
  Value truncate16(Value x);       ///< i32 -> i16
  Value equal(Value x, Value y);
  Value equal(Value x, int64_t y);
  Value differ(Value x, Value y);
  Value less(Value x, Value y); ///< signed
  Value less(Value x, int64_t y);
  Value atLeast(Value x, int64_t y); ///< signed
  Value both(Value x, Value y);
  Value either(Value x, Value y);
  Value choose(Value condition, Value then, Value otherwise);
  Value fadd(Value x, Value y);
  Value fsub(Value x, Value y);
  Value fmul(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  Value fneg(Value x);
  Value absolute(Value x);
  Value fgreater(Value x, Value y);
  Value isNegative(Value x); ///< its sign, which zeros have as well

  // In few instructions; PtxMath.cpp has the bounds.
  Value shortExp(Value x);  ///< relative error of |x| + 4 units
  Value shortExp2(Value x); ///< relative error of 4 units
  Value shortLog2(Value x); ///< absolute error of 4 units near 1, else relative
  Value shortSigmoid(Value x);
  Value inverse(Value x); ///< relative error of a unit
  /// Absolute error of 2^-20 for angles of at most half a turn (PTX ISA,
  /// sin.approx).
  Value shortSine(Value x);
  Value shortCosine(Value x);

  // bf16 in i32 registers: the element of the lower address is the low half.
  Value pack(Value low, Value high);
  Value unpackLow(Value pair);
  Value unpackLow(Value pair, Value zero); ///< a zero fills what is below
  Value unpackHigh(Value pair);
  /// Which half `unpack` takes.
  Value halfOf(Value isHigh);
  Value unpack(Value pair, Value half, Value zero);
  /// Two words' low halves in one word, or their high halves.
  Value lowHalves(Value low, Value high);
  Value highHalves(Value low, Value high);
  // Vectors of numbers of one type, as memory has several at once.
  Value join(llvm::ArrayRef<Value> numbers);
  llvm::SmallVector<Value> split(Value vector);

  Value widen(Value half);   ///< the i16 of a bf16 -> f32
  Value narrow(Value value); ///< f32 -> the i16 of a bf16

  // Memory. `offset` may be null; `constant` counts bytes.
  Value shared(Value offset, int64_t constant = 0);
  Value loadShared(mlir::Type type, Value offset, int64_t constant = 0);
  void storeShared(Value value, Value offset, int64_t constant = 0);
  Value at(Value pointer, Value byteOffset); ///< byteOffset: i64 or i32
  Value at(Value pointer, int64_t bytes);
  Value load(mlir::Type type, Value pointer);
  void store(Value value, Value pointer);
  /// To global memory, one instruction and no branch: compilers would move what
  /// the value is made of behind a branch, where nothing is made meanwhile.
  /// Nobody reads it in this kernel. No condition: always.
  void storeWhere(Value condition, Value value, Value pointer);
  Value isNull(Value pointer);
  Value notNull(Value pointer);
  /// 16 bytes from global to shared memory; `bytes` of them, the rest zeros.
  void copyAsync(Value to, Value from, Value bytes);
  void commitCopies();
  void waitCopies(int64_t groupsLeft);
  /// A copy out of shared memory, by one thread and at once; `bytes` by 16.
  void copyOut(Value to, Value offset, int64_t constant, int64_t bytes);
  /// Until its bytes are read; or, whole, until they are there.
  void waitCopiesOut(bool isWhole);

  // Threads.
  void barrier();
  void warpBarrier();
  Value exchange(Value value, int64_t laneMask); ///< with lane ^ laneMask
  /// The first lane's, which the compilers know to be the same in all.
  Value fromFirstLane(Value value);

  // Matrices of one warp.
  Fragment loadMatrix(Value offset, int64_t constant, bool transposed);
  void storeMatrix(const Fragment &fragment, Value offset, int64_t constant,
                   bool transposed);
  /// sum + A (16 x 16) B (16 x 8): sum is 4 f32, B is two registers.
  void multiply(const Fragment &a, Value b0, Value b1,
                llvm::MutableArrayRef<Value> sum);

  // Matrices of four warps. Sums are 64 rows, 16 of each warp, in columns by
  // eight; none: they begin with zeros.
  /// What this thread wrote is there for products behind the next barrier.
  void fenceShared();
  void beginProducts();
  /// sums + the product of `steps` times 16 numbers.
  Values multiplyGroup(int64_t columns, const GroupFactor &a,
                       const GroupFactor &b, int64_t steps,
                       const Values &sums = {});
  void commitProducts();
  /// The sums, when all but the last `left` commits are done.
  Values waitProducts(const Values &sums, int64_t left);

  // Control.
  Values loop(Value count, mlir::ValueRange carried,
              llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then);
  Values choose(Value condition, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

private:
  /// Bytes of two words, each chosen by four bits of a number (PTX: prmt).
  Value permute(Value low, Value high, Value choice);
  Value compare(mlir::arith::CmpIPredicate predicate, Value x, Value y);
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_LANES_H
