//===- Lanes.cpp - What one thread does, in few words ---------------------===//
#include "compiler/target/cuda/lowering/Lanes.h"

#include <numbers>

namespace decay::cuda {

namespace arith = mlir::arith;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;
namespace scf = mlir::scf;

namespace {
constexpr unsigned sharedSpace = 3;
}

mlir::Type Lanes::pointer(unsigned space) {
  return LLVM::LLVMPointerType::get(builder.getContext(), space);
}

mlir::VectorType Lanes::vector(int64_t count, mlir::Type element) {
  return mlir::VectorType::get({count}, element);
}

Value Lanes::integer(int64_t value) {
  return arith::ConstantOp::create(
      builder, place, builder.getI32IntegerAttr(static_cast<int32_t>(value)));
}
Value Lanes::wide(int64_t value) {
  return arith::ConstantOp::create(builder, place,
                                   builder.getI64IntegerAttr(value));
}
Value Lanes::number(float value) {
  return arith::ConstantOp::create(builder, place,
                                   builder.getF32FloatAttr(value));
}
Value Lanes::add(Value x, Value y) {
  return builder.createOrFold<arith::AddIOp>(place, x, y);
}
Value Lanes::sub(Value x, Value y) {
  return builder.createOrFold<arith::SubIOp>(place, x, y);
}
Value Lanes::mul(Value x, Value y) {
  return builder.createOrFold<arith::MulIOp>(place, x, y);
}
Value Lanes::divide(Value x, Value y) {
  return builder.createOrFold<arith::DivUIOp>(place, x, y);
}
Value Lanes::add(Value x, int64_t y) { return y ? add(x, integer(y)) : x; }
Value Lanes::mul(Value x, int64_t y) { return mul(x, integer(y)); }
Value Lanes::bitAnd(Value x, int64_t y) {
  return builder.createOrFold<arith::AndIOp>(place, x, integer(y));
}
Value Lanes::bitOr(Value x, Value y) {
  return builder.createOrFold<arith::OrIOp>(place, x, y);
}
Value Lanes::bitXor(Value x, Value y) {
  return builder.createOrFold<arith::XOrIOp>(place, x, y);
}
Value Lanes::bitXor(Value x, int64_t y) {
  return y ? bitXor(x, integer(y)) : x;
}
Value Lanes::shiftLeft(Value x, int64_t bits) {
  return builder.createOrFold<arith::ShLIOp>(place, x, integer(bits));
}
Value Lanes::shiftRight(Value x, int64_t bits) {
  return shiftRight(x, integer(bits));
}
Value Lanes::shiftRight(Value x, Value bits) {
  return builder.createOrFold<arith::ShRUIOp>(place, x, bits);
}
Value Lanes::smaller(Value x, Value y) {
  return builder.createOrFold<arith::MinUIOp>(place, x, y);
}
Value Lanes::extend(Value x) {
  return arith::ExtUIOp::create(builder, place, i64(), x);
}
Value Lanes::truncate(Value x) {
  return arith::TruncIOp::create(builder, place, i32(), x);
}
Value Lanes::truncate16(Value x) {
  return builder.createOrFold<arith::TruncIOp>(place, i16(), x);
}
Value Lanes::compare(arith::CmpIPredicate predicate, Value x, Value y) {
  return builder.createOrFold<arith::CmpIOp>(place, predicate, x, y);
}
Value Lanes::equal(Value x, Value y) {
  return compare(arith::CmpIPredicate::eq, x, y);
}
Value Lanes::equal(Value x, int64_t y) { return equal(x, integer(y)); }
Value Lanes::differ(Value x, Value y) {
  return compare(arith::CmpIPredicate::ne, x, y);
}
Value Lanes::less(Value x, Value y) {
  return compare(arith::CmpIPredicate::slt, x, y);
}
Value Lanes::less(Value x, int64_t y) { return less(x, integer(y)); }
Value Lanes::atLeast(Value x, int64_t y) {
  return compare(arith::CmpIPredicate::sge, x, integer(y));
}
Value Lanes::both(Value x, Value y) {
  return builder.createOrFold<arith::AndIOp>(place, x, y);
}
Value Lanes::either(Value x, Value y) { return bitOr(x, y); }
Value Lanes::choose(Value condition, Value then, Value otherwise) {
  return builder.createOrFold<arith::SelectOp>(place, condition, then,
                                               otherwise);
}
Value Lanes::fadd(Value x, Value y) {
  return arith::AddFOp::create(builder, place, x, y);
}
Value Lanes::fsub(Value x, Value y) {
  return arith::SubFOp::create(builder, place, x, y);
}
Value Lanes::fmul(Value x, Value y) {
  return arith::MulFOp::create(builder, place, x, y);
}
Value Lanes::fma(Value x, Value y, Value z) {
  return mlir::math::FmaOp::create(builder, place, x, y, z);
}

Value Lanes::fneg(Value x) { return arith::NegFOp::create(builder, place, x); }
Value Lanes::absolute(Value x) {
  return mlir::math::AbsFOp::create(builder, place, x);
}
Value Lanes::fgreater(Value x, Value y) {
  return arith::CmpFOp::create(builder, place, arith::CmpFPredicate::OGT, x, y);
}
Value Lanes::isNegative(Value x) {
  return less(arith::BitcastOp::create(builder, place, i32(), x), 0);
}

Value Lanes::shortExp(Value x) {
  return shortExp2(fmul(x, number(std::numbers::log2e_v<float>)));
}
Value Lanes::shortExp2(Value x) {
  return mlir::math::Exp2Op::create(builder, place, x,
                                    arith::FastMathFlags::afn);
}
Value Lanes::shortLog2(Value x) {
  return mlir::math::Log2Op::create(builder, place, x,
                                    arith::FastMathFlags::afn);
}
Value Lanes::inverse(Value x) {
  return arith::DivFOp::create(builder, place, number(1), x,
                               arith::FastMathFlags::afn);
}
Value Lanes::shortSigmoid(Value x) {
  return inverse(fadd(number(1), shortExp(fneg(x))));
}

static Value callOf(Lanes &code, const char *intrinsic, Value x) {
  return LLVM::CallIntrinsicOp::create(code.builder, code.place, code.f32(),
                                       code.builder.getStringAttr(intrinsic),
                                       mlir::ValueRange{x})
      .getResult(0);
}
Value Lanes::shortSine(Value x) {
  return callOf(*this, "llvm.nvvm.sin.approx.f", x);
}
Value Lanes::shortCosine(Value x) {
  return callOf(*this, "llvm.nvvm.cos.approx.f", x);
}

Value Lanes::pack(Value low, Value high) {
  mlir::Type pair = vector(2, builder.getBF16Type());
  Value both = NVVM::ConvertF32x2ToBF16x2Op::create(
      builder, place, pair, high, low, Value(), NVVM::FPRoundingMode::RN);
  return LLVM::BitcastOp::create(builder, place, i32(), both);
}
Value Lanes::unpackLow(Value pair) {
  return arith::BitcastOp::create(builder, place, f32(), shiftLeft(pair, 16));
}
Value Lanes::unpackLow(Value pair, Value zero) {
  Value word = LLVM::FshlOp::create(builder, place, pair, zero, integer(16));
  return arith::BitcastOp::create(builder, place, f32(), word);
}
Value Lanes::unpackHigh(Value pair) {
  return arith::BitcastOp::create(builder, place, f32(),
                                  bitAnd(pair, 0xffff0000));
}
Value Lanes::permute(Value low, Value high, Value choice) {
  return NVVM::PermuteOp::create(builder, place, i32(), low, high, choice,
                                 NVVM::PermuteMode::DEFAULT);
}
Value Lanes::lowHalves(Value low, Value high) {
  return permute(low, high, integer(0x5410));
}
Value Lanes::highHalves(Value low, Value high) {
  return permute(low, high, integer(0x7632));
}
Value Lanes::halfOf(Value isHigh) {
  return choose(isHigh, integer(0x3244), integer(0x1044));
}
Value Lanes::unpack(Value pair, Value half, Value zero) {
  return arith::BitcastOp::create(builder, place, f32(),
                                  permute(pair, zero, half));
}
Value Lanes::join(llvm::ArrayRef<Value> numbers) {
  Value joined = LLVM::PoisonOp::create(
      builder, place, vector(numbers.size(), numbers.front().getType()));
  for (auto [index, number] : llvm::enumerate(numbers))
    joined = LLVM::InsertElementOp::create(builder, place, joined, number,
                                           integer(index));
  return joined;
}
llvm::SmallVector<Value> Lanes::split(Value vector) {
  llvm::SmallVector<Value> numbers;
  auto type = mlir::cast<mlir::VectorType>(vector.getType());
  for (int64_t index = 0; index < type.getNumElements(); ++index)
    numbers.push_back(
        LLVM::ExtractElementOp::create(builder, place, vector, integer(index)));
  return numbers;
}

Value Lanes::widen(Value half) {
  Value word = arith::ExtUIOp::create(builder, place, i32(), half);
  return unpackLow(word);
}
Value Lanes::narrow(Value value) {
  Value half =
      arith::TruncFOp::create(builder, place, builder.getBF16Type(), value);
  return arith::BitcastOp::create(builder, place, i16(), half);
}

Value Lanes::shared(Value offset, int64_t constant) {
  Value base =
      LLVM::AddressOfOp::create(builder, place, pointer(sharedSpace), "dyn");
  if (offset)
    base = at(base, offset);
  return at(base, constant);
}
Value Lanes::at(Value pointer, Value byteOffset) {
  return LLVM::GEPOp::create(builder, place, pointer.getType(),
                             builder.getI8Type(), pointer,
                             llvm::ArrayRef<LLVM::GEPArg>{byteOffset});
}
Value Lanes::at(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  return LLVM::GEPOp::create(
      builder, place, pointer.getType(), builder.getI8Type(), pointer,
      llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

static unsigned bytesOf(mlir::Type type) {
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
    return vector.getNumElements() * bytesOf(vector.getElementType());
  return type.isIntOrFloat() ? type.getIntOrFloatBitWidth() / 8 : 8;
}

Value Lanes::load(mlir::Type type, Value from) {
  return LLVM::LoadOp::create(builder, place, type, from, bytesOf(type));
}
void Lanes::store(Value value, Value to) {
  LLVM::StoreOp::create(builder, place, value, to, bytesOf(value.getType()));
}
void Lanes::storeWhere(Value condition, Value value, Value to) {
  if (!condition)
    return store(value, to);
  bool isVector = mlir::isa<mlir::VectorType>(value.getType());
  Values operands = {to}, parts = isVector ? split(value) : Values{value};
  mlir::Type type = parts.front().getType();
  const char *kind = type.isF32() ? ",f" : type.isInteger(16) ? ",h" : ",r";
  std::string names, constraints = "l";
  for (Value part : parts) {
    names += (names.empty() ? "$" : ", $") + std::to_string(operands.size());
    constraints += kind;
    operands.push_back(part);
  }
  std::string count = std::to_string(parts.size());
  std::string text = "@$" + std::to_string(operands.size()) + " st.global" +
                     (isVector ? ".v" + count : "") + ".b" +
                     std::to_string(8 * bytesOf(type)) + " [$0], " +
                     (isVector ? "{" + names + "}" : names) + ";";
  operands.push_back(condition);
  LLVM::InlineAsmOp::create(
      builder, place, mlir::TypeRange(), operands, text, constraints + ",b",
      /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(builder.getContext(), LLVM::AsmDialect::AD_ATT),
      mlir::ArrayAttr());
}
Value Lanes::loadShared(mlir::Type type, Value offset, int64_t constant) {
  return load(type, shared(offset, constant));
}
void Lanes::storeShared(Value value, Value offset, int64_t constant) {
  store(value, shared(offset, constant));
}
Value Lanes::isNull(Value pointer) {
  Value bits = LLVM::PtrToIntOp::create(builder, place, i64(), pointer);
  return compare(arith::CmpIPredicate::eq, bits, wide(0));
}
Value Lanes::notNull(Value pointer) {
  Value bits = LLVM::PtrToIntOp::create(builder, place, i64(), pointer);
  return compare(arith::CmpIPredicate::ne, bits, wide(0));
}

void Lanes::copyAsync(Value to, Value from, Value bytes) {
  NVVM::CpAsyncOp::create(builder, place, to, from, 16,
                          NVVM::LoadCacheModifierKind::CG, bytes);
}
void Lanes::commitCopies() {
  NVVM::CpAsyncCommitGroupOp::create(builder, place);
}
void Lanes::waitCopies(int64_t groupsLeft) {
  NVVM::CpAsyncWaitGroupOp::create(builder, place, groupsLeft);
}

void Lanes::copyOut(Value to, Value offset, int64_t constant, int64_t bytes) {
  NVVM::CpAsyncBulkSharedCTAToGlobalOp::create(
      builder, place, to, shared(offset, constant), integer(bytes), Value(),
      Value());
  NVVM::CpAsyncBulkCommitGroupOp::create(builder, place);
}
void Lanes::waitCopiesOut(bool isWhole) {
  NVVM::CpAsyncBulkWaitGroupOp::create(
      builder, place, 0, isWhole ? mlir::UnitAttr() : builder.getUnitAttr());
}

void Lanes::barrier() { NVVM::Barrier0Op::create(builder, place); }
void Lanes::warpBarrier() {
  NVVM::SyncWarpOp::create(builder, place, integer(-1));
}
Value Lanes::exchange(Value value, int64_t laneMask) {
  return NVVM::ShflOp::create(builder, place, value.getType(), integer(-1),
                              value, integer(laneMask), integer(0x1f),
                              NVVM::ShflKind::bfly, mlir::UnitAttr());
}

Value Lanes::fromFirstLane(Value value) {
  return NVVM::ShflOp::create(builder, place, value.getType(), integer(-1),
                              value, integer(0), integer(0x1f),
                              NVVM::ShflKind::idx, mlir::UnitAttr());
}

static NVVM::LdStMatrixShapeAttr eightByEight(mlir::MLIRContext *context) {
  return NVVM::LdStMatrixShapeAttr::get(context, 8, 8);
}

Fragment Lanes::loadMatrix(Value offset, int64_t constant, bool transposed) {
  llvm::SmallVector<mlir::Type> words(4, i32());
  auto four = LLVM::LLVMStructType::getLiteral(builder.getContext(), words);
  Value loaded = NVVM::LdMatrixOp::create(
      builder, place, four, shared(offset, constant), 4,
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      eightByEight(builder.getContext()), NVVM::LdStMatrixEltType::B16);
  Fragment fragment;
  for (int64_t index = 0; index < 4; ++index)
    fragment[index] =
        LLVM::ExtractValueOp::create(builder, place, loaded, index);
  return fragment;
}

void Lanes::storeMatrix(const Fragment &fragment, Value offset,
                        int64_t constant, bool transposed) {
  NVVM::StMatrixOp::create(
      builder, place, shared(offset, constant), mlir::ValueRange(fragment),
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      eightByEight(builder.getContext()), NVVM::LdStMatrixEltType::B16);
}

void Lanes::multiply(const Fragment &a, Value b0, Value b1,
                     llvm::MutableArrayRef<Value> sum) {
  llvm::SmallVector<mlir::Type> numbers(4, f32());
  auto four = LLVM::LLVMStructType::getLiteral(builder.getContext(), numbers);
  Value made = NVVM::MmaOp::create(
      builder, place, four, mlir::ValueRange(a), mlir::ValueRange{b0, b1},
      mlir::ValueRange(sum), llvm::ArrayRef<int64_t>{16, 8, 16}, std::nullopt,
      std::nullopt,
      std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  for (int64_t index = 0; index < 4; ++index)
    sum[index] = LLVM::ExtractValueOp::create(builder, place, made, index);
}

void Lanes::fenceShared() {
  NVVM::FenceProxyOp::create(
      builder, place, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(builder.getContext(),
                                 NVVM::SharedSpace::shared_cta));
}

void Lanes::beginProducts() {
  NVVM::WgmmaFenceAlignedOp::create(builder, place);
}
void Lanes::commitProducts() {
  NVVM::WgmmaGroupSyncAlignedOp::create(builder, place);
}

static LLVM::LLVMStructType sumsOf(mlir::OpBuilder &builder, size_t count) {
  return LLVM::LLVMStructType::getLiteral(
      builder.getContext(),
      llvm::SmallVector<mlir::Type>(count, builder.getF32Type()));
}

static Values unpackSums(mlir::OpBuilder &builder, mlir::Location place,
                         Value all, int64_t count) {
  Values sums;
  for (int64_t index = 0; index < count; ++index)
    sums.push_back(LLVM::ExtractValueOp::create(builder, place, all, index));
  return sums;
}

Values Lanes::multiplyGroup(int64_t columns, const GroupFactor &a,
                            const GroupFactor &b, int64_t steps,
                            const Values &sums) {
  const int64_t count = columns / 2;
  Value all = LLVM::PoisonOp::create(builder, place, sumsOf(builder, count));
  for (auto [index, sum] : llvm::enumerate(sums))
    all = LLVM::InsertValueOp::create(builder, place, all, sum,
                                      static_cast<int64_t>(index));
  auto at = [&](const GroupFactor &factor, int64_t step) -> Value {
    Value lower = extend(add(factor.lower, factor.offset(step) >> 4));
    return arith::OrIOp::create(builder, place, lower,
                                wide(factor.upper << 32));
  };
  auto layout = [](bool isRow) {
    return isRow ? NVVM::MMALayout::row : NVVM::MMALayout::col;
  };
  mlir::MLIRContext *context = builder.getContext();
  for (int64_t step = 0; step < steps; ++step)
    all = NVVM::WgmmaMmaAsyncOp::create(
        builder, place, all.getType(), all, at(a, step), at(b, step),
        NVVM::MMAShapeAttr::get(context, 64, columns, 16),
        NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::bf16),
        NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::bf16),
        NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32),
        NVVM::WGMMAScaleOutAttr::get(context, step == 0 && sums.empty()
                                                  ? NVVM::WGMMAScaleOut::zero
                                                  : NVVM::WGMMAScaleOut::one),
        NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one),
        NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one),
        NVVM::MMALayoutAttr::get(context, layout(!a.isAcross)),
        NVVM::MMALayoutAttr::get(context, layout(b.isAcross)),
        NVVM::MMAIntOverflowAttr());
  return unpackSums(builder, place, all, count);
}

/// The sums go through it, lest anyone looks at them before.
Values Lanes::waitProducts(const Values &sums, int64_t left) {
  std::string constraints, ties;
  for (size_t index = 0; index < sums.size(); ++index) {
    constraints += "=f,";
    ties += std::to_string(index) + ",";
  }
  auto waited = LLVM::InlineAsmOp::create(
      builder, place, sumsOf(builder, sums.size()), mlir::ValueRange(sums),
      "wgmma.wait_group.sync.aligned " + std::to_string(left) + ";",
      constraints + ties + "~{memory}", /*has_side_effects=*/true,
      /*is_align_stack=*/false, LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(builder.getContext(), LLVM::AsmDialect::AD_ATT),
      mlir::ArrayAttr());
  return unpackSums(builder, place, waited.getRes(),
                    static_cast<int64_t>(sums.size()));
}

Values Lanes::loop(Value count, mlir::ValueRange carried,
                   llvm::function_ref<Values(Value, mlir::ValueRange)> body) {
  auto made = scf::ForOp::create(
      builder, place, integer(0), count, integer(1), carried,
      [&](mlir::OpBuilder &, mlir::Location, Value index,
          mlir::ValueRange values) {
        scf::YieldOp::create(builder, place, body(index, values));
      });
  return Values(made.getResults());
}

void Lanes::when(Value condition, llvm::function_ref<void()> then) {
  scf::IfOp::create(builder, place, condition,
                    [&](mlir::OpBuilder &, mlir::Location) {
                      then();
                      scf::YieldOp::create(builder, place);
                    });
}

Values Lanes::choose(Value condition, llvm::function_ref<Values()> then,
                     llvm::function_ref<Values()> otherwise) {
  auto made = scf::IfOp::create(
      builder, place, condition,
      [&](mlir::OpBuilder &, mlir::Location) {
        scf::YieldOp::create(builder, place, then());
      },
      [&](mlir::OpBuilder &, mlir::Location) {
        scf::YieldOp::create(builder, place, otherwise());
      });
  return Values(made.getResults());
}

} // namespace decay::cuda
