//===- Atomics.cpp - Atomic operations on global memory -------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

/// Slots: what was there, the address, the operand. Threads go in order.
template <auto f, typename T>
void exchange(Machine &machine, const Instruction &instruction) {
  using Lane = typename T::Lane;
  Lane *result = machine.lanes<Lane>(instruction, 0);
  const uint64_t *address = machine.lanes<uint64_t>(instruction, 1);
  const Lane *operand = machine.lanes<Lane>(instruction, 2);
  machine.forWarps([&](unsigned warp, uint32_t active) {
    WarpAccess touched;
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned t = warp * 32 + llvm::countr_zero(left);
      char *place = machine.access(instruction, t, address[t],
                                   Machine::Direction::write, touched);
      Lane there = ~Lane(0);
      if (place) {
        std::memcpy(&there, place, sizeof there);
        const Lane then = T::put(static_cast<typename T::Value>(
            f(T::get(there), T::get(operand[t]))));
        std::memcpy(place, &then, sizeof then);
      }
      result[t] = there;
    }
    machine.account(instruction, touched);
  });
}

template <template <unsigned> typename Tag, auto f>
Handler onIntegers(ScalarKind kind) {
  return sizeOf(kind) < 4
             ? nullptr
             : overIntegers<Tag>(
                   kind,
                   []<typename T>(T) -> Handler { return exchange<f, T>; });
}
template <auto f> Handler onReals(ScalarKind kind) {
  return overReals(kind,
                   []<typename T>(T) -> Handler { return exchange<f, T>; });
}

constexpr auto second = [](auto, auto b) { return b; };
constexpr auto least = [](auto a, auto b) { return b < a ? b : a; };
constexpr auto most = [](auto a, auto b) { return a < b ? b : a; };
constexpr auto add = [](auto a, auto b) { return a + b; };

struct Row {
  LLVM::AtomicBinOp operation;
  Handler (*select)(ScalarKind kind);
};
const Row rows[] = {
    {LLVM::AtomicBinOp::xchg, onIntegers<Unsigned, second>},
    {LLVM::AtomicBinOp::add, onIntegers<Unsigned, add>},
    {LLVM::AtomicBinOp::_and,
     onIntegers<Unsigned, [](auto a, auto b) { return a & b; }>},
    {LLVM::AtomicBinOp::_or,
     onIntegers<Unsigned, [](auto a, auto b) { return a | b; }>},
    {LLVM::AtomicBinOp::umin, onIntegers<Unsigned, least>},
    {LLVM::AtomicBinOp::umax, onIntegers<Unsigned, most>},
    {LLVM::AtomicBinOp::min, onIntegers<Signed, least>},
    {LLVM::AtomicBinOp::max, onIntegers<Signed, most>},
    {LLVM::AtomicBinOp::fadd, onReals<add>}};

// Shared memory would need an ordering of its own.
llvm::Error decodeAtomic(Decoder &decoder, LLVM::AtomicRMWOp op) {
  const unsigned space =
      cast<LLVM::LLVMPointerType>(op.getPtr().getType()).getAddressSpace();
  const Kinds kinds = *scalarsOf(op.getType());
  const auto *row = llvm::find_if(
      rows, [&](const Row &row) { return row.operation == op.getBinOp(); });
  if (space == 3 || kinds.size() != 1 || row == std::end(rows))
    return unsupported(op, "other than of one number in global memory");
  Handler handler = row->select(kinds[0]);
  if (!handler)
    return unsupported(op, "of this type");
  const Slot address = decoder.slotOf(op.getPtr());
  const Slot operand = decoder.slotOf(op.getVal());
  const auto size = static_cast<uint8_t>(sizeOf(kinds[0]));
  decoder.emit(op, handler, {decoder.define(op.getRes())[0], address, operand})
      .access = {Space::global, 1, size, size, size};
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> atomicConstructs() {
  static const Construct table[] = {
      construct<LLVM::AtomicRMWOp, decodeAtomic>()};
  return table;
}

} // namespace decay::cuda::emulator
