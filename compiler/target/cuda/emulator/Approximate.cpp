//===- Approximate.cpp - The machine's approximate functions --------------===//
//
// Computed as exactly as the CPU's library does; results that the machine
// flushes to zero are zero.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include <limits>

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

float flush(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min()
             ? std::copysign(0.f, value)
             : value;
}

template <auto f>
constexpr auto flushed = [](float a) { return flush(f(flush(a))); };

constexpr auto exp2 = [](float a) { return std::exp2(a); };
constexpr auto log2 = [](float a) { return std::log2(a); };
constexpr auto reciprocal = [](float a) { return 1 / a; };
constexpr auto squareRoot = [](float a) { return std::sqrt(a); };
constexpr auto inverseRoot = [](float a) { return 1 / std::sqrt(a); };
constexpr auto sine = [](float a) { return std::sin(a); };
constexpr auto cosine = [](float a) { return std::cos(a); };
constexpr auto tangent = [](float a) { return std::tanh(a); };

template <auto f>
constexpr Handler handler = apply<f, Real<float>, Real<float>>;

struct Function {
  llvm::StringRef name; ///< in PTX, without its type
  Handler run;
};
const Function functions[] = {
    {"ex2.approx", handler<exp2>},
    {"ex2.approx.ftz", handler<flushed<exp2>>},
    {"lg2.approx", handler<log2>},
    {"lg2.approx.ftz", handler<flushed<log2>>},
    {"rcp.approx", handler<reciprocal>},
    {"rcp.approx.ftz", handler<flushed<reciprocal>>},
    {"sqrt.approx", handler<squareRoot>},
    {"sqrt.approx.ftz", handler<flushed<squareRoot>>},
    {"rsqrt.approx", handler<inverseRoot>},
    {"rsqrt.approx.ftz", handler<flushed<inverseRoot>>},
    {"sin.approx", handler<sine>},
    {"sin.approx.ftz", handler<flushed<sine>>},
    {"cos.approx", handler<cosine>},
    {"cos.approx.ftz", handler<flushed<cosine>>},
    {"tanh.approx", handler<tangent>}};

llvm::Error decodeNamed(Decoder &decoder, Operation *op, llvm::StringRef name) {
  const bool isUnary = op->getNumOperands() == 1 && op->getNumResults() == 1 &&
                       op->getOperand(0).getType().isF32() &&
                       op->getResult(0).getType().isF32();
  // The type is f32 in PTX, and f or f32 in the intrinsics' names.
  if (!name.consume_back(".f32"))
    name.consume_back(".f");
  for (const Function &function : functions)
    if (isUnary && function.name == name) {
      const Slot argument = decoder.slotOf(op->getOperand(0));
      decoder.emit(op, function.run,
                   {decoder.define(op->getResult(0))[0], argument});
      return llvm::Error::success();
    }
  return unsupported(op, "no function " + name + " of a float");
}

/// The wait for sums of products, which are here already: each is what it was.
llvm::Error decodeWaitForProducts(Decoder &decoder, LLVM::InlineAsmOp op) {
  Slots slots;
  for (Value operand : op.getOperands())
    llvm::append_range(slots, decoder.slotsOf(operand));
  decoder.alias(op.getRes(), slots);
  return llvm::Error::success();
}

/// "@$n st.global.b32 [$0], $1" or "@$n st.global.v4.b32 [$0], {$1, $2, ...}".
llvm::Error decodeConditionalStore(Decoder &decoder, LLVM::InlineAsmOp op,
                                   llvm::StringRef statement) {
  OperandRange operands = op.getOperands();
  const size_t count = operands.size() < 3 ? 0 : operands.size() - 2;
  std::string names;
  for (size_t i = 1; i <= count; ++i)
    names += (i > 1 ? ", $" : "$") + std::to_string(i);
  if (count > 1)
    names = "{" + names + "}";
  auto [head, data] = statement.split(" [$0], ");
  if (count == 0 || data != names ||
      !head.starts_with("@$" + std::to_string(count + 1) + " ") ||
      head.contains(".v") != (count > 1))
    return unsupported(op, "not a store of its operands under the last one");
  return decodeStoreWhere(decoder, op, operands.drop_front().drop_back(),
                          operands.front(), operands.back());
}

/// A template of one statement, known by its mnemonic.
llvm::Error decodeAssembly(Decoder &decoder, LLVM::InlineAsmOp op) {
  llvm::StringRef text = op.getAsmString().trim();
  auto [statement, rest] = text.split(';');
  if (!rest.trim().empty())
    return unsupported(op, "more than one statement");
  if (statement.starts_with("wgmma.wait_group"))
    return decodeWaitForProducts(decoder, op);
  if (statement.contains(" st.global."))
    return decodeConditionalStore(decoder, op, statement);
  return decodeNamed(decoder, op, statement.take_until(llvm::isSpace));
}

llvm::Error decodeIntrinsic(Decoder &decoder, LLVM::CallIntrinsicOp op) {
  llvm::StringRef name = op.getIntrin();
  name.consume_front("llvm.nvvm.");
  return decodeNamed(decoder, op, name);
}

llvm::Error decodeReciprocal(Decoder &decoder, NVVM::RcpApproxFtzF32Op op) {
  return decodeNamed(decoder, op, "rcp.approx.ftz.f32");
}

} // namespace

llvm::ArrayRef<Construct> approximateConstructs() {
  static const Construct table[] = {
      construct<LLVM::InlineAsmOp, decodeAssembly>(),
      construct<LLVM::CallIntrinsicOp, decodeIntrinsic>(),
      construct<NVVM::RcpApproxFtzF32Op, decodeReciprocal>()};
  return table;
}

} // namespace decay::cuda::emulator
