//===- Faults.cpp - What only a kernel can see of a wrong call ------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include <cstddef>

namespace decay::cuda {

namespace arith = mlir::arith;
namespace LLVM = mlir::LLVM;
namespace scf = mlir::scf;
using ir::Axis;

namespace {

/// DECAY_LAMBDA_OUT_OF_RANGE and DECAY_BAD_SEQUENCES of the package ABI.
constexpr int64_t lambdaOutOfRange = 1, badSequences = 9;
constexpr llvm::StringLiteral deviceScope = "device";

/// What the critical section of a slot's lock does with memory. Volatile, as
/// other multiprocessors write what this one may have cached.
class Slot {
public:
  Slot(Lanes &code, Value start) : code(code), start(start) {}

  Value load(mlir::Type type, size_t offset) {
    return LLVM::LoadOp::create(code.builder, code.place, type, at(offset),
                                /*alignment=*/0, /*isVolatile=*/true);
  }
  void store(Value value, size_t offset) {
    LLVM::StoreOp::create(code.builder, code.place, value, at(offset),
                          /*alignment=*/0, /*isVolatile=*/true);
  }
  Value at(size_t offset) {
    return code.at(start, static_cast<int64_t>(offset));
  }
  void fence() {
    LLVM::FenceOp::create(code.builder, code.place,
                          LLVM::AtomicOrdering::acq_rel, deviceScope);
  }

private:
  Lanes &code;
  Value start;
};

} // namespace

/// Names this element in the fault slot unless an earlier one is there.
void KernelEmitter::writeFault(const Fault &fault) {
  Slot slot(code, field(LaunchField::Workspace));
  const std::pair<size_t, Value> order[] = {
      {offsetof(FaultSlot, sequence), code.extend(fault.sequence)},
      {offsetof(FaultSlot, token), code.extend(fault.token)},
      {offsetof(FaultSlot, head), code.extend(head)},
      {offsetof(FaultSlot, channel), code.extend(fault.channel)}};
  slot.fence();
  Value code32 = slot.load(code.i32(), offsetof(FaultSlot, code));
  // From the last key to the first: earlier, or as early and earlier further.
  Value isFirst = code.less(code.integer(0), code.integer(0));
  for (auto [offset, own] : llvm::reverse(order)) {
    Value there = slot.load(code.i64(), offset);
    isFirst = code.either(code.less(own, there),
                          code.both(code.equal(own, there), isFirst));
  }
  code.when(code.either(code.equal(code32, 0), isFirst), [&] {
    for (auto [offset, own] : order)
      slot.store(own, offset);
    slot.store(arith::ExtFOp::create(builder, code.place, builder.getF64Type(),
                                     fault.number),
               offsetof(FaultSlot, value));
    slot.store(field(LaunchField::Layer), offsetof(FaultSlot, layer));
    slot.store(code.integer(fault.status), offsetof(FaultSlot, code));
  });
  slot.fence();
}

/// The lock is taken and given back within one round of the loop: threads of
/// one warp that wait for each other cannot block each other.
void KernelEmitter::reportFault(const Fault &fault) {
  Slot slot(code, field(LaunchField::Workspace));
  Value lock = slot.at(offsetof(FaultSlot, lock));
  Value waits = code.equal(code.integer(0), 0);
  auto loop = scf::WhileOp::create(builder, code.place, code.i1(), waits);
  mlir::OpBuilder::InsertionGuard guard(builder);
  mlir::Block *before =
      builder.createBlock(&loop.getBefore(), {}, code.i1(), code.place);
  scf::ConditionOp::create(builder, code.place, before->getArgument(0),
                           mlir::ValueRange(before->getArgument(0)));
  builder.createBlock(&loop.getAfter(), {}, code.i1(), code.place);
  Value found = LLVM::AtomicRMWOp::create(
      builder, code.place, LLVM::AtomicBinOp::xchg, lock, code.integer(1),
      LLVM::AtomicOrdering::acquire, deviceScope);
  Value isMine = code.equal(found, 0);
  code.when(isMine, [&] {
    writeFault(fault);
    LLVM::AtomicRMWOp::create(builder, code.place, LLVM::AtomicBinOp::xchg,
                              lock, code.integer(0),
                              LLVM::AtomicOrdering::release, deviceScope);
  });
  Value still =
      code.choose(isMine, code.less(code.integer(0), code.integer(0)), waits);
  scf::YieldOp::create(builder, code.place, still);
}

void KernelEmitter::emitCheckRange(chunk::CheckRangeOp op) {
  auto type = mlir::cast<chunk::TileType>(op.getOperand().getType());
  auto check = [&] { checkColumn(ownNumbers(tile(op.getOperand())), type); };
  type.has(Axis::Channel) ? forColumns(check) : check();
  tiles[op.getResult()] = Tile(tile(op.getOperand()));
}

void KernelEmitter::checkColumn(const Values &numbers, chunk::TileType type) {
  bool overTokens = type.has(Axis::Token), perChannel = type.has(Axis::Channel);
  Value none = code.integer(-1), first = none;
  Value number = numbers.front();
  auto compare = [&](arith::CmpFPredicate predicate, Value x, float bound) {
    return arith::CmpFOp::create(builder, code.place, predicate, x,
                                 code.number(bound));
  };
  for (int64_t token = static_cast<int64_t>(numbers.size()) - 1; token >= 0;
       --token) {
    Value x = numbers[token];
    // NaN is outside as well.
    Value outside = code.either(compare(arith::CmpFPredicate::ULT, x, 0),
                                compare(arith::CmpFPredicate::UGT, x, 1));
    if (overTokens)
      outside = code.both(outside, isValid(token));
    first = code.choose(outside, code.integer(token), first);
    number = code.choose(outside, x, number);
  }
  // One of those that have the same number speaks for all.
  Value speaks = code.atLeast(first, 0);
  if (!perChannel)
    speaks = code.both(speaks, code.equal(column, 0));
  if (!overTokens)
    speaks = code.both(speaks, code.equal(group, 0));
  code.when(speaks, [&] {
    Value token = code.integer(0);
    if (overTokens)
      token = inSequence(code.add(code.add(firstToken, ownStart()), first));
    reportFault({lambdaOutOfRange, sequence, token,
                 perChannel ? channel : code.integer(0), number});
  });
}

/// The rows of a packed sequence: where they begin, and how many. Ends that do
/// not rise from 0 to T are reported, and the sequence then has no rows, so
/// that nothing beyond the tensors is touched.
Values KernelEmitter::packedRows(Value ends) {
  Value place = code.at(ends, code.mul(sequence, 8));
  Value from = code.load(code.i64(), place);
  Value to = code.load(code.i64(), code.at(place, int64_t(8)));
  Value T = field(LaunchField::T), zero = code.wide(0);
  Value isFirst = code.equal(sequence, 0);
  Value next = code.extend(code.add(sequence, 1));
  Value isLast = code.equal(next, field(LaunchField::N));
  Value startsWrong =
      code.choose(isFirst, code.differ(from, zero), code.less(from, zero));
  Value endsWrong =
      code.either(code.either(code.less(to, from), code.less(T, to)),
                  code.both(isLast, code.less(to, T)));
  Value wrong = code.either(startsWrong, endsWrong);
  code.when(code.both(wrong, code.equal(thread, 0)), [&] {
    Value at = code.choose(startsWrong, sequence, code.add(sequence, 1));
    reportFault(
        {badSequences, at, code.integer(0), code.integer(0), code.number(0)});
  });
  return {code.choose(wrong, zero, from),
          code.choose(wrong, zero, code.sub(to, from))};
}

} // namespace decay::cuda
