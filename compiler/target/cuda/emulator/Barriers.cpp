//===- Barriers.cpp - Threads that wait for one another -------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

/// Slots of a barrier.
enum BarrierSlot : unsigned { name, count };

constexpr uint32_t namedBarriers = 16;

/// Whether all active threads have the value of the first, `value`.
bool isUniform(Machine &machine, const uint32_t *lanes, uint32_t value) {
  bool same = true;
  machine.forWarps([&](unsigned warp, uint32_t active) {
    for (uint32_t left = active; left; left &= left - 1)
      same &= lanes[warp * 32 + llvm::countr_zero(left)] == value;
  });
  return same;
}

void barrier(Machine &machine, const Instruction &instruction) {
  const uint32_t *names = machine.lanes<uint32_t>(instruction, name);
  const uint32_t *counts = machine.lanes<uint32_t>(instruction, count);
  uint32_t arrived = 0;
  machine.forWholeWarps(instruction,
                        [&](unsigned warp) { arrived |= uint32_t(1) << warp; });
  const unsigned first = machine.firstActive();
  if (!isUniform(machine, names, names[first]) ||
      !isUniform(machine, counts, counts[first]))
    machine.fault(instruction, first, 0, "divergent barrier",
                  "threads disagree about its number or its count");
  if (names[first] >= namedBarriers)
    machine.fault(instruction, first, 0, "no such barrier",
                  llvm::Twine(names[first]));
  if (counts[first] != machine.mask.threads)
    machine.fault(instruction, first, 0, "divergent barrier",
                  llvm::formatv("{0} threads must arrive, {1} do",
                                counts[first], machine.mask.threads)
                      .str());
  machine.ordering().syncWarps(arrived);
}

void syncWarp(Machine &machine, const Instruction &instruction) {
  const uint32_t *lanes = machine.lanes<uint32_t>(instruction, 0);
  machine.forWarps([&](unsigned warp, uint32_t active) {
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned t = warp * 32 + llvm::countr_zero(left);
      if (lanes[t] != active)
        machine.fault(instruction, t, 0, "divergent warp",
                      llvm::formatv("waits for lanes {0:x8}, {1:x8} arrive",
                                    lanes[t], active)
                          .str());
    }
    // Of a part of a warp the ordering knows nothing.
    if (active == ~uint32_t(0))
      machine.ordering().syncWarp(warp);
  });
}

llvm::Error decodeBarrier0(Decoder &decoder, NVVM::Barrier0Op op) {
  decoder.emit(
      op, barrier,
      {decoder.constant(ScalarKind::i32, 0), decoder.launch().threads});
  return llvm::Error::success();
}

llvm::Error decodeBarrier(Decoder &decoder, NVVM::BarrierOp op) {
  if (op.getReductionOp() || op.getNumResults())
    return unsupported(op, "with a reduction");
  const Slot name = op.getBarrierId() ? decoder.slotOf(op.getBarrierId())
                                      : decoder.constant(ScalarKind::i32, 0);
  const Slot count = op.getNumberOfThreads()
                         ? decoder.slotOf(op.getNumberOfThreads())
                         : decoder.launch().threads;
  decoder.emit(op, barrier, {name, count});
  return llvm::Error::success();
}

llvm::Error decodeSyncWarp(Decoder &decoder, NVVM::SyncWarpOp op) {
  decoder.emit(op, syncWarp, decoder.slotOf(op.getMask()));
  return llvm::Error::success();
}

} // namespace

llvm::Error decodeNothing(Decoder &, Operation *) {
  return llvm::Error::success();
}

llvm::ArrayRef<Construct> barrierConstructs() {
  static const Construct table[] = {
      construct<NVVM::Barrier0Op, decodeBarrier0>(),
      construct<NVVM::BarrierOp, decodeBarrier>(),
      construct<NVVM::SyncWarpOp, decodeSyncWarp>(),
      {NVVM::GriddepcontrolOp::getOperationName(), decodeNothing},
      {LLVM::FenceOp::getOperationName(), decodeNothing},
      {NVVM::MembarOp::getOperationName(), decodeNothing}};
  return table;
}

} // namespace decay::cuda::emulator
