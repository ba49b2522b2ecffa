//===- PtxNumbers.h - The words that formulas are written in ---*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_PTXNUMBERS_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_PTXNUMBERS_H

#include "compiler/target/cuda/codegen/Passes.h"

namespace decay::cuda {

using mlir::Value;
using Predicate = mlir::arith::CmpFPredicate;

/// Builds arithmetic on scalars of the type `real` (f32 or f64) and integers of
/// its width, without fast-math flags: the formulas depend on each rounding.
struct PtxNumbers {
  mlir::OpBuilder &builder;
  mlir::Location place;
  mlir::FloatType real;
  /// Whether functions shall have fp32's digits before they are fast.
  bool isExact = false;

  template <typename Op> Value make(mlir::ValueRange operands) {
    return Op::create(builder, place, operands);
  }
  mlir::IntegerType integerType() {
    return builder.getIntegerType(real.getWidth());
  }
  Value constant(double value) {
    return mlir::arith::ConstantOp::create(builder, place,
                                           builder.getFloatAttr(real, value));
  }
  Value integer(int64_t value) {
    return mlir::arith::ConstantOp::create(
        builder, place, builder.getIntegerAttr(integerType(), value));
  }
  Value add(Value x, Value y) { return make<mlir::arith::AddFOp>({x, y}); }
  Value sub(Value x, Value y) { return make<mlir::arith::SubFOp>({x, y}); }
  Value mul(Value x, Value y) { return make<mlir::arith::MulFOp>({x, y}); }
  Value mul(Value x, double y) { return mul(x, constant(y)); }
  Value neg(Value x) { return make<mlir::arith::NegFOp>({x}); }
  Value absolute(Value x) { return make<mlir::math::AbsFOp>({x}); }
  Value fma(Value x, Value y, Value z) {
    return make<mlir::math::FmaOp>({x, y, z});
  }
  Value fma(Value x, double y, Value z) { return fma(x, constant(y), z); }
  Value withSign(Value magnitude, Value sign) {
    return make<mlir::math::CopySignOp>({magnitude, sign});
  }
  /// NaN stays NaN.
  Value clamp(Value x, double least, double most) {
    Value above = make<mlir::arith::MaximumFOp>({x, constant(least)});
    return make<mlir::arith::MinimumFOp>({above, constant(most)});
  }
  Value compare(Predicate predicate, Value x, double y) {
    return mlir::arith::CmpFOp::create(builder, place, predicate, x,
                                       constant(y));
  }
  Value select(Value condition, Value then, Value otherwise) {
    return make<mlir::arith::SelectOp>({condition, then, otherwise});
  }
  Value bits(Value x) {
    return mlir::arith::BitcastOp::create(builder, place, integerType(), x);
  }
  Value fromBits(Value x) {
    return mlir::arith::BitcastOp::create(builder, place, real, x);
  }
  Value addInteger(Value x, Value y) {
    return make<mlir::arith::AddIOp>({x, y});
  }
  Value subInteger(Value x, Value y) {
    return make<mlir::arith::SubIOp>({x, y});
  }
  Value andInteger(Value x, int64_t mask) {
    return make<mlir::arith::AndIOp>({x, integer(mask)});
  }
  Value shiftLeft(Value x, int64_t places) {
    return make<mlir::arith::ShLIOp>({x, integer(places)});
  }
  Value shiftRight(Value x, int64_t places) { ///< signed
    return make<mlir::arith::ShRSIOp>({x, integer(places)});
  }
  Value toReal(Value x) {
    return mlir::arith::SIToFPOp::create(builder, place, real, x);
  }
  /// c[0] + c[1] x + c[2] x² ...
  Value polynomial(Value x, llvm::ArrayRef<double> c) {
    Value sum = constant(c.back());
    for (double coefficient : llvm::reverse(c.drop_back()))
      sum = fma(sum, x, constant(coefficient));
    return sum;
  }
  /// One instruction of the processor on f32.
  Value instruction(llvm::StringRef intrinsic, Value x) {
    return mlir::LLVM::CallIntrinsicOp::create(builder, place, real,
                                               builder.getStringAttr(intrinsic),
                                               mlir::ValueRange{x})
        .getResult(0);
  }
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_PTXNUMBERS_H
