//===- Emitter.cpp - Short words for the operations of a core -------------===//
#include "compiler/target/cpu/cores/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace decay::cpu {

static MLIRContext *withDialects(MLIRContext *context) {
  context
      ->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                    scf::SCFDialect, vector::VectorDialect>();
  return context;
}

Emitter::Emitter(ModuleOp module, const Variant &variant)
    : module(module), variant(variant),
      builder(module.getLoc(), withDialects(module.getContext())),
      vectorType(VectorType::get({variant.lanes}, builder.getF32Type())),
      pointerType(LLVM::LLVMPointerType::get(module.getContext())) {}

std::string Emitter::symbol(StringRef base) const {
  return (base + "_" + variant.name).str();
}

func::FuncOp Emitter::function(StringRef base, StringRef types,
                               function_ref<void(ArrayRef<Value>)> body) {
  std::string name = symbol(base);
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  SmallVector<Type> inputs;
  for (char type : types)
    inputs.push_back(type == 'p' ? pointerType : Type(builder.getI64Type()));
  auto function =
      func::FuncOp::create(builder, name, builder.getFunctionType(inputs, {}));
  function.setPrivate();
  for (auto [i, type] : llvm::enumerate(types))
    if (type == 'p')
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                          builder.getUnitAttr());
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToEnd(entry);
  body(Values(entry->args_begin(), entry->args_end()));
  func::ReturnOp::create(builder);
  return function;
}

void Emitter::call(func::FuncOp callee, ValueRange arguments) {
  func::CallOp::create(builder, callee, arguments);
}

Value Emitter::integer(int64_t value) {
  return arith::ConstantIntOp::create(builder, builder.getI64Type(), value);
}
Value Emitter::add(Value a, Value b) {
  return arith::AddIOp::create(builder, a, b);
}
Value Emitter::add(Value a, int64_t b) { return b ? add(a, integer(b)) : a; }
Value Emitter::subtract(Value a, Value b) {
  return arith::SubIOp::create(builder, a, b);
}
Value Emitter::multiply(Value a, Value b) {
  return arith::MulIOp::create(builder, a, b);
}
Value Emitter::multiply(Value a, int64_t b) { return multiply(a, integer(b)); }
Value Emitter::divide(Value a, int64_t b) {
  return arith::ShRSIOp::create(builder, a, integer(llvm::Log2_64(b)));
}
Value Emitter::roundDown(Value a, int64_t step) {
  return arith::AndIOp::create(builder, a, integer(-step));
}

Value Emitter::at(Value base, Value floats) {
  return LLVM::GEPOp::create(builder, pointerType, builder.getF32Type(), base,
                             ArrayRef<LLVM::GEPArg>{floats});
}
Value Emitter::at(Value base, int64_t floats) {
  if (!floats)
    return base;
  return LLVM::GEPOp::create(
      builder, pointerType, builder.getF32Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(floats)});
}
Value Emitter::load(Value pointer, int64_t floats) {
  return LLVM::LoadOp::create(builder, vectorType, at(pointer, floats),
                              lanes() * 4);
}
void Emitter::store(Value vector, Value pointer, int64_t floats) {
  LLVM::StoreOp::create(builder, vector, at(pointer, floats), lanes() * 4);
}
Value Emitter::loadFloat(Value pointer, int64_t floats) {
  return LLVM::LoadOp::create(builder, builder.getF32Type(),
                              at(pointer, floats), 4);
}
void Emitter::storeFloat(Value scalar, Value pointer, int64_t floats) {
  LLVM::StoreOp::create(builder, scalar, at(pointer, floats), 4);
}
Value Emitter::splat(Value pointer, int64_t floats) {
  return vector::BroadcastOp::create(builder, vectorType,
                                     loadFloat(pointer, floats));
}

Value Emitter::zeros() {
  return arith::ConstantOp::create(builder, builder.getZeroAttr(vectorType));
}
Value Emitter::ones() {
  return arith::ConstantOp::create(builder, vectorType,
                                   DenseElementsAttr::get(vectorType, 1.0f));
}
Value Emitter::times(Value a, Value b) {
  return arith::MulFOp::create(builder, a, b);
}
Value Emitter::plus(Value a, Value b) {
  return arith::AddFOp::create(builder, a, b);
}
Value Emitter::fma(Value a, Value b, Value c) {
  return vector::FMAOp::create(builder, a, b, c);
}
Value Emitter::shuffle(Value a, Value b, ArrayRef<int64_t> lanes) {
  return vector::ShuffleOp::create(builder, a, b, lanes);
}
Value Emitter::lane(Value vector, int64_t index) {
  return vector::ExtractOp::create(builder, vector, index);
}

Values Emitter::loop(Value lower, Value upper, int64_t step, ValueRange initial,
                     function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(builder, lower, upper, integer(step), initial);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!initial.empty())
    scf::YieldOp::create(builder, next);
  return Values(loop.result_begin(), loop.result_end());
}

void Emitter::loop(Value lower, Value upper, int64_t step,
                   function_ref<void(Value)> body) {
  loop(lower, upper, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

void Emitter::loop(Value upper, int64_t step, function_ref<void(Value)> body) {
  loop(integer(0), upper, step, body);
}

void Emitter::loopDown(Value count, function_ref<void(Value)> body) {
  loop(count, 1, [&](Value i) { body(subtract(add(count, -1), i)); });
}

Value Emitter::isPositive(Value count) {
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::sgt, count,
                               integer(0));
}

Value Emitter::chooseIfPositive(Value count, Value a, Value b) {
  return arith::SelectOp::create(builder, isPositive(count), a, b);
}

void Emitter::ifPositive(Value count, function_ref<void()> body) {
  auto branch =
      scf::IfOp::create(builder, isPositive(count), /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  body();
}

void Emitter::slices(Value columns, function_ref<void(Value, int64_t)> body) {
  int64_t wide = tileVectors() * lanes();
  Value whole = wide > rowPadding ? roundDown(columns, wide) : columns;
  loop(whole, wide, [&](Value column) { body(column, tileVectors()); });
  if (wide > rowPadding)
    loop(whole, columns, lanes(), [&](Value column) { body(column, 1); });
}

Value Emitter::groups(Value a, Value b, ArrayRef<int64_t> picks) {
  SmallVector<int64_t> indices;
  for (int64_t group : picks)
    for (int64_t i = 0; i < 4; ++i)
      indices.push_back(4 * group + i);
  return shuffle(a, b, indices);
}

/// Lane orders that are single instructions: interleaved halves of each group
/// of four lanes for spans 1 and 2, whole groups above.
std::pair<Value, Value> Emitter::exchange(Value a, Value b, int64_t span) {
  if (span == 4)
    return lanes() == 8 ? std::pair(groups(a, b, {0, 2}), groups(a, b, {1, 3}))
                        : std::pair(groups(a, b, {0, 2, 4, 6}),
                                    groups(a, b, {1, 3, 5, 7}));
  if (span == 8)
    return {groups(a, b, {0, 2, 4, 6}), groups(a, b, {1, 3, 5, 7})};
  SmallVector<int64_t> low, high;
  for (int64_t group = 0; group < lanes(); group += 4)
    for (int64_t i = 0; i < 4; ++i) {
      int64_t source = span == 1 ? (i & 1) * lanes() + (i >> 1)
                                 : (i >> 1) * lanes() + (i & 1);
      low.push_back(group + source);
      high.push_back(group + source + 2);
    }
  return {shuffle(a, b, low), shuffle(a, b, high)};
}

Values Emitter::transposed(ArrayRef<Value> rows) {
  Values result(rows);
  for (int64_t span = 1; span < lanes(); span *= 2) {
    Values next(lanes());
    for (int64_t i = 0; i < lanes(); ++i)
      if (!(i & span)) {
        auto [low, high] = exchange(result[i], result[i + span], span);
        next[i] = low, next[i + span] = high;
      }
    result = next;
  }
  // Spans 1 and 2 leave columns 1 and 2 of each group exchanged.
  for (int64_t i = 0; i < lanes(); i += 4)
    std::swap(result[i + 1], result[i + 2]);
  return result;
}

/// Halving: each round adds the two results of an exchange, so that one vector
/// carries the partial sums of both.
Value Emitter::laneSums(ArrayRef<Value> vectors) {
  Values sums(vectors);
  while (static_cast<int64_t>(sums.size()) < lanes())
    sums.push_back(zeros());
  for (int64_t span = 1; span < lanes(); span *= 2) {
    Values half;
    for (size_t i = 0; i < sums.size(); i += 2) {
      auto [low, high] = exchange(sums[i], sums[i + 1], span);
      half.push_back(plus(low, high));
    }
    sums = half;
  }
  return sums[0];
}

} // namespace decay::cpu
