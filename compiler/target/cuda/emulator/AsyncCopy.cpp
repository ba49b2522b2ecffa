//===- AsyncCopy.cpp - cp.async, cp.async.bulk and their groups -----------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

/// Slots of a copy.
enum CopySlot : unsigned { target, source, sourceBytes };

void copyLane(Machine &machine, const Instruction &instruction, unsigned t) {
  const uint32_t to = machine.lanes<uint32_t>(instruction, target)[t];
  const uint64_t from = machine.lanes<uint64_t>(instruction, source)[t];
  const unsigned size = instruction.access.bytes;
  const uint32_t count = machine.lanes<uint32_t>(instruction, sourceBytes)[t];
  if (count > size) {
    machine.fault(instruction, t, from, "too many bytes",
                  llvm::Twine(count) + " for a copy of " + llvm::Twine(size));
    return;
  }
  if (!machine.isAligned(instruction, t, to, size) ||
      !machine.isAligned(instruction, t, from, size))
    return;
  const char *bytes = count ? machine.accessGlobal(instruction, t, from, count,
                                                   Machine::Direction::read)
                            : nullptr;
  Complaint complaint = machine.shared().beginCopy(t, to, size);
  if (complaint)
    machine.complain(instruction, t, to, complaint);
  if (complaint.hazard == Hazard::outOfBounds)
    return;
  char *there = machine.shared().data() + to;
  std::memset(there, 0, size);
  if (bytes)
    std::memcpy(there, bytes, count);
}

void copy(Machine &machine, const Instruction &instruction) {
  const uint32_t *to = machine.lanes<uint32_t>(instruction, target);
  const uint64_t *from = machine.lanes<uint64_t>(instruction, source);
  const uint32_t *count = machine.lanes<uint32_t>(instruction, sourceBytes);
  machine.forWarps([&](unsigned warp, uint32_t active) {
    WarpAccess touched;
    touched.shared = active;
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned lane = llvm::countr_zero(left), t = warp * 32 + lane;
      copyLane(machine, instruction, t);
      touched.offsets[lane] = to[t];
      touched.addresses[lane] = from[t];
      touched.global |= static_cast<uint32_t>(count[t] != 0) << lane;
    }
    machine.account(instruction, touched);
  });
}

template <typename F> void forThreads(Machine &machine, F &&f) {
  machine.forWarps([&](unsigned warp, uint32_t active) {
    for (uint32_t left = active; left; left &= left - 1)
      f(warp * 32 + llvm::countr_zero(left));
  });
}

void commit(Machine &machine, const Instruction &) {
  forThreads(machine, [&](unsigned t) { machine.shared().commitGroup(t); });
}

void wait(Machine &machine, const Instruction &instruction) {
  forThreads(machine, [&](unsigned t) {
    machine.shared().waitGroups(t, instruction.immediate);
  });
}

llvm::Error decodeCopy(Decoder &decoder, NVVM::CpAsyncOp op) {
  const uint32_t size = op.getSize();
  const Slot count = op.getCpSize() ? decoder.slotOf(op.getCpSize())
                                    : decoder.constant(ScalarKind::i32, size);
  Instruction &instruction = decoder.emit(
      op, copy,
      {decoder.slotOf(op.getDst()), decoder.slotOf(op.getSrc()), count});
  instruction.access = {Space::shared, 1, static_cast<uint8_t>(size),
                        static_cast<uint8_t>(size),
                        static_cast<uint16_t>(size)};
  return llvm::Error::success();
}

llvm::Error decodeCommit(Decoder &decoder, NVVM::CpAsyncCommitGroupOp op) {
  decoder.emit(op, commit, {});
  return llvm::Error::success();
}

llvm::Error decodeWait(Decoder &decoder, NVVM::CpAsyncWaitGroupOp op) {
  decoder.emit(op, wait, {}).immediate = op.getN();
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// cp.async.bulk out of shared memory
//===----------------------------------------------------------------------===//

void copyOut(Machine &machine, const Instruction &instruction) {
  const uint64_t *to = machine.lanes<uint64_t>(instruction, target);
  const uint32_t *from = machine.lanes<uint32_t>(instruction, source);
  const uint32_t *count = machine.lanes<uint32_t>(instruction, sourceBytes);
  forThreads(machine, [&](unsigned t) {
    if (!machine.isAligned(instruction, t, from[t], 16) ||
        !machine.isAligned(instruction, t, to[t], 16) ||
        !machine.isAligned(instruction, t, count[t], 16))
      return;
    Complaint complaint =
        machine.shared().readByAsyncProxy(t, from[t], count[t]);
    if (complaint)
      machine.complain(instruction, t, from[t], complaint);
    if (complaint.hazard == Hazard::outOfBounds)
      return;
    if (char *there = machine.accessGlobal(instruction, t, to[t], count[t],
                                           Machine::Direction::write))
      machine.shared().beginCopyOut(t, from[t], there, count[t]);
  });
}

void commitOut(Machine &machine, const Instruction &) {
  forThreads(machine, [&](unsigned t) { machine.shared().commitCopiesOut(t); });
}

void waitOut(Machine &machine, const Instruction &instruction) {
  forThreads(machine, [&](unsigned t) {
    machine.shared().waitCopiesOut(t, instruction.immediate);
  });
}

llvm::Error decodeCopyOut(Decoder &decoder,
                          NVVM::CpAsyncBulkSharedCTAToGlobalOp op) {
  if (op.getByteMask())
    return unsupported(op, "with a mask of bytes");
  decoder.emit(op, copyOut,
               {decoder.slotOf(op.getDstMem()), decoder.slotOf(op.getSrcMem()),
                decoder.slotOf(op.getSize())});
  return llvm::Error::success();
}

llvm::Error decodeCommitOut(Decoder &decoder,
                            NVVM::CpAsyncBulkCommitGroupOp op) {
  decoder.emit(op, commitOut, {});
  return llvm::Error::success();
}

llvm::Error decodeWaitOut(Decoder &decoder, NVVM::CpAsyncBulkWaitGroupOp op) {
  decoder.emit(op, waitOut, {}).immediate = op.getGroup();
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> asyncCopyConstructs() {
  static const Construct table[] = {
      construct<NVVM::CpAsyncOp, decodeCopy>(),
      construct<NVVM::CpAsyncCommitGroupOp, decodeCommit>(),
      construct<NVVM::CpAsyncWaitGroupOp, decodeWait>(),
      construct<NVVM::CpAsyncBulkSharedCTAToGlobalOp, decodeCopyOut>(),
      construct<NVVM::CpAsyncBulkCommitGroupOp, decodeCommitOut>(),
      construct<NVVM::CpAsyncBulkWaitGroupOp, decodeWaitOut>()};
  return table;
}

} // namespace decay::cuda::emulator
