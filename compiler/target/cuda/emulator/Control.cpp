//===- Control.cpp - Loops and branches, by masks -------------------------===//
#include "compiler/target/cuda/emulator/Decoder.h"
#include "compiler/target/cuda/emulator/Machine.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace decay::cuda::emulator {

//===----------------------------------------------------------------------===//
// scf.if
//===----------------------------------------------------------------------===//

static void branch(Machine &machine, const Instruction &instruction) {
  const Mask outer = machine.mask;
  const Mask taken = machine.where(machine.lanes<uint32_t>(instruction, 0));
  Mask rest;
  for (unsigned w = 0; w < machine.warps(); ++w)
    rest.warps[w] = outer.warps[w] & ~taken.warps[w];
  rest.recount(machine.warps());
  if (taken.any()) {
    machine.mask = taken;
    machine.execute(machine.indexOf(instruction) + 1, instruction.otherwise);
  }
  if (rest.any()) {
    machine.mask = rest;
    machine.execute(instruction.otherwise, instruction.next);
  }
  machine.mask = outer;
}

static llvm::Error decodeIf(Decoder &decoder, scf::IfOp op) {
  Slots results;
  for (Value result : op.getResults())
    results.append(decoder.define(result));
  const uint32_t at = decoder.position();
  decoder.emit(op, branch, decoder.slotOf(op.getCondition()));
  if (llvm::Error error = decoder.decodeBlock(*op.thenBlock(), results))
    return error;
  decoder.at(at).otherwise = decoder.position();
  if (op.elseBlock())
    if (llvm::Error error = decoder.decodeBlock(*op.elseBlock(), results))
      return error;
  decoder.at(at).next = decoder.position();
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// scf.for
//===----------------------------------------------------------------------===//

namespace {

/// Slots of a loop's instruction.
enum LoopSlot : unsigned { counter, from, to, by, inside };

} // namespace

template <typename Lane, typename Compared>
static Mask stillInside(Machine &machine, const Instruction &instruction) {
  const Lane *i = machine.lanes<Lane>(instruction, counter);
  const Lane *end = machine.lanes<Lane>(instruction, to);
  uint32_t *flags = machine.lanes<uint32_t>(instruction, inside);
  for (unsigned t = 0; t < machine.threads(); ++t)
    flags[t] = static_cast<Compared>(i[t]) < static_cast<Compared>(end[t]);
  return machine.where(flags);
}

template <typename Lane>
static bool advances(Machine &machine, const Instruction &instruction) {
  const Lane *step = machine.lanes<Lane>(instruction, by);
  bool advances = true;
  machine.forWarps([&](unsigned warp, uint32_t active) {
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned t = warp * 32 + llvm::countr_zero(left);
      if (static_cast<std::make_signed_t<Lane>>(step[t]) > 0)
        continue;
      machine.fault(instruction, t, 0, "endless loop",
                    "its step is not positive");
      advances = false;
    }
  });
  return advances;
}

template <typename Lane, typename Compared>
static void loop(Machine &machine, const Instruction &instruction) {
  if (!advances<Lane>(machine, instruction))
    return;
  const Mask outer = machine.mask;
  Lane *i = machine.lanes<Lane>(instruction, counter);
  std::copy_n(machine.lanes<Lane>(instruction, from), machine.threads(), i);
  const Lane *step = machine.lanes<Lane>(instruction, by);
  const uint32_t body = machine.indexOf(instruction) + 1;
  machine.mask = stillInside<Lane, Compared>(machine, instruction);
  while (machine.mask.any() && !machine.stopped()) {
    machine.execute(body, instruction.next);
    for (unsigned t = 0; t < machine.threads(); ++t)
      i[t] += step[t];
    machine.mask = stillInside<Lane, Compared>(machine, instruction);
  }
  machine.mask = outer;
}

static Handler loopHandler(bool wide, bool isUnsigned) {
  static constexpr Handler handlers[2][2] = {
      {loop<uint32_t, int32_t>, loop<uint32_t, uint32_t>},
      {loop<uint64_t, int64_t>, loop<uint64_t, uint64_t>}};
  return handlers[wide][isUnsigned];
}

static llvm::Error decodeFor(Decoder &decoder, scf::ForOp op) {
  const Kinds kinds = *scalarsOf(op.getInductionVar().getType());
  if (sizeOf(kinds[0]) < 4)
    return unsupported(op, "a counter of less than 32 bits");
  // The results' registers carry the loop's values.
  Slots carried;
  for (auto [result, initial] : llvm::zip(op.getResults(), op.getInitArgs())) {
    Slots slots = decoder.define(result);
    for (auto [slot, value] : llvm::zip(slots, decoder.slotsOf(initial)))
      decoder.emitCopy(slot, value);
    carried.append(slots);
  }
  Slots slots = decoder.allocate(kinds);
  for (Value bound : {op.getLowerBound(), op.getUpperBound(), op.getStep()})
    slots.push_back(decoder.slotOf(bound));
  Slots flags = decoder.allocate({ScalarKind::i1});
  slots.append(flags);
  const uint32_t at = decoder.position();
  decoder.emit(op, loopHandler(isWide(kinds[0]), op.getUnsignedCmp()), slots);
  decoder.hold({slots[counter], flags[0]});
  decoder.alias(op.getInductionVar(), slots[counter]);
  for (auto [argument, result] :
       llvm::zip(op.getRegionIterArgs(), op.getResults()))
    decoder.alias(argument, decoder.slotsOf(result));
  if (llvm::Error error = decoder.decodeBlock(*op.getBody(), carried))
    return error;
  decoder.drop({slots[counter], flags[0]});
  decoder.at(at).next = decoder.position();
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// scf.while
//===----------------------------------------------------------------------===//

/// Rounds after which nobody waits any longer for what a block that runs later
/// would do.
static constexpr int64_t mostRounds = 1 << 20;

/// Its slot: the flag that the first region sets.
static void repeat(Machine &machine, const Instruction &instruction) {
  const Mask outer = machine.mask;
  const uint32_t *flags = machine.lanes<uint32_t>(instruction, 0);
  for (int64_t round = 0; !machine.stopped(); ++round) {
    machine.execute(machine.indexOf(instruction) + 1, instruction.otherwise);
    machine.mask = machine.where(flags);
    if (!machine.mask.any())
      break;
    if (round == mostRounds) {
      machine.fault(instruction, machine.firstActive(), 0, "endless loop",
                    "still there after 2^20 rounds");
      break;
    }
    machine.execute(instruction.otherwise, instruction.next);
  }
  machine.mask = outer;
}

static llvm::Error decodeWhile(Decoder &decoder, scf::WhileOp op) {
  // The results' registers are the second region's arguments as well: threads
  // that leave keep what they had.
  Slots handed = decoder.allocate({ScalarKind::i1}), carried;
  for (Value result : op.getResults())
    handed.append(decoder.define(result));
  for (auto [argument, initial] :
       llvm::zip(op.getBeforeArguments(), op.getInits())) {
    Slots slots = decoder.allocate(*scalarsOf(argument.getType()));
    for (auto [slot, value] : llvm::zip(slots, decoder.slotsOf(initial)))
      decoder.emitCopy(slot, value);
    decoder.hold(slots);
    decoder.alias(argument, slots);
    carried.append(slots);
  }
  decoder.hold(handed[0]);
  for (auto [argument, result] :
       llvm::zip(op.getAfterArguments(), op.getResults()))
    decoder.alias(argument, decoder.slotsOf(result));
  const uint32_t at = decoder.position();
  decoder.emit(op, repeat, handed[0]);
  if (llvm::Error error = decoder.decodeBlock(*op.getBeforeBody(), handed))
    return error;
  decoder.at(at).otherwise = decoder.position();
  if (llvm::Error error = decoder.decodeBlock(*op.getAfterBody(), carried))
    return error;
  decoder.at(at).next = decoder.position();
  decoder.drop(handed[0]);
  decoder.drop(carried);
  return llvm::Error::success();
}

llvm::ArrayRef<Construct> controlConstructs() {
  static const Construct table[] = {construct<scf::IfOp, decodeIf>(),
                                    construct<scf::WhileOp, decodeWhile>(),
                                    construct<scf::ForOp, decodeFor>()};
  return table;
}

} // namespace decay::cuda::emulator
