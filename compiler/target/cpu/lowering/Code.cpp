//===- Code.cpp - Integer, pointer and vector code in few words -----------===//
#include "compiler/target/cpu/lowering/Code.h"

namespace decay::cpu {

namespace arith = mlir::arith;
namespace LLVM = mlir::LLVM;
namespace scf = mlir::scf;

// Rows start anywhere in the caller's tensors: vectors are loaded as floats
// are.
static constexpr unsigned floatAlignment = 4;

Value Code::integer(int64_t value) {
  return arith::ConstantOp::create(builder, place,
                                   builder.getI64IntegerAttr(value));
}

Value Code::number(float value) {
  return arith::ConstantOp::create(builder, place,
                                   builder.getF32FloatAttr(value));
}

Value Code::add(Value x, Value y) {
  return arith::AddIOp::create(builder, place, x, y);
}

Value Code::sub(Value x, Value y) {
  return arith::SubIOp::create(builder, place, x, y);
}

Value Code::mul(Value x, Value y) {
  return arith::MulIOp::create(builder, place, x, y);
}

Value Code::divide(Value x, Value y) {
  return arith::DivUIOp::create(builder, place, x, y);
}

Value Code::smaller(Value x, Value y) {
  return arith::MinSIOp::create(builder, place, x, y);
}

Value Code::less(Value x, Value y) {
  return arith::CmpIOp::create(builder, place, arith::CmpIPredicate::slt, x, y);
}

Value Code::equal(Value x, Value y) {
  return arith::CmpIOp::create(builder, place, arith::CmpIPredicate::eq, x, y);
}

Value Code::choose(Value condition, Value then, Value otherwise) {
  return arith::SelectOp::create(builder, place, condition, then, otherwise);
}

Value Code::isNull(Value pointer) {
  Value null = LLVM::ZeroOp::create(builder, place, pointerType());
  return LLVM::ICmpOp::create(builder, place, LLVM::ICmpPredicate::eq, pointer,
                              null);
}

Value Code::roundUp(Value x, int64_t unit) {
  Value whole = divide(add(x, integer(unit - 1)), integer(unit));
  return mul(whole, integer(unit));
}

mlir::Type Code::pointerType() {
  return LLVM::LLVMPointerType::get(builder.getContext());
}

mlir::VectorType Code::vectorType() {
  return mlir::VectorType::get({variant.lanes}, f32());
}

Value Code::at(Value pointer, Value offset) {
  return LLVM::GEPOp::create(builder, place, pointerType(), f32(), pointer,
                             mlir::ValueRange{offset});
}

Value Code::bytesAt(Value pointer, int64_t bytes) {
  return LLVM::GEPOp::create(
      builder, place, pointerType(), builder.getI8Type(), pointer,
      llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value Code::load(mlir::Type type, Value pointer) {
  bool isVector = mlir::isa<mlir::VectorType>(type);
  return LLVM::LoadOp::create(builder, place, type, pointer,
                              isVector ? floatAlignment : 0);
}

void Code::store(Value value, Value pointer) {
  bool isVector = mlir::isa<mlir::VectorType>(value.getType());
  LLVM::StoreOp::create(builder, place, value, pointer,
                        isVector ? floatAlignment : 0);
}

Value Code::lanesBelow(Value count) {
  auto type = mlir::VectorType::get({variant.lanes}, builder.getI1Type());
  Value index =
      arith::IndexCastOp::create(builder, place, builder.getIndexType(), count);
  return mlir::vector::CreateMaskOp::create(builder, place, type,
                                            mlir::ValueRange{index});
}

Value Code::loadPart(Value pointer, Value count) {
  return LLVM::MaskedLoadOp::create(builder, place, vectorType(), pointer,
                                    lanesBelow(count), zero(vectorType()),
                                    floatAlignment);
}

void Code::storePart(Value value, Value pointer, Value count) {
  LLVM::MaskedStoreOp::create(builder, place, value, pointer, lanesBelow(count),
                              floatAlignment);
}

void Code::prefetch(Value pointer, bool write) {
  constexpr int32_t data = 1;
  mlir::LLVM::Prefetch::create(builder, place, pointer, write,
                               variant.waitingLevel, data);
}

Value Code::splat(Value number) {
  return mlir::vector::BroadcastOp::create(builder, place, vectorType(),
                                           number);
}

Value Code::zero(mlir::Type type) {
  return arith::ConstantOp::create(builder, place, builder.getZeroAttr(type));
}

Value Code::constant(mlir::Type type, float value) {
  Value one = number(value);
  return mlir::isa<mlir::VectorType>(type) ? splat(one) : one;
}

void Code::loop(Value from, Value to, Value step,
                llvm::function_ref<void(Value)> body) {
  auto made = scf::ForOp::create(builder, place, from, to, step);
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(made.getBody());
  body(made.getInductionVar());
}

Value Code::reduce(Value to, Value step, Value initial,
                   llvm::function_ref<Value(Value, Value)> body) {
  auto made = scf::ForOp::create(builder, place, integer(0), to, step,
                                 mlir::ValueRange{initial});
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(made.getBody());
  Value next = body(made.getInductionVar(), made.getRegionIterArg(0));
  scf::YieldOp::create(builder, place, next);
  return made.getResult(0);
}

void Code::when(Value condition, llvm::function_ref<void()> then,
                llvm::function_ref<void()> otherwise) {
  auto made = scf::IfOp::create(builder, place, condition, bool(otherwise));
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(made.thenBlock());
  then();
  if (otherwise) {
    builder.setInsertionPointToStart(made.elseBlock());
    otherwise();
  }
}

} // namespace decay::cpu
