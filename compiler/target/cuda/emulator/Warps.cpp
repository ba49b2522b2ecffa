//===- Warps.cpp - Special registers, shuffles, votes, conversions --------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

//===----------------------------------------------------------------------===//
// Special registers
//===----------------------------------------------------------------------===//

template <auto member>
llvm::Error decodeRegister(Decoder &decoder, Operation *op) {
  decoder.alias(op->getResult(0), decoder.launch().*member);
  return llvm::Error::success();
}
template <auto member, unsigned axis>
llvm::Error decodeAxis(Decoder &decoder, Operation *op) {
  decoder.alias(op->getResult(0), (decoder.launch().*member)[axis]);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Shuffles and votes
//===----------------------------------------------------------------------===//

/// All lanes of the warp must be named by all.
void checkMembers(Machine &machine, const Instruction &instruction,
                  unsigned warp, const uint32_t *members) {
  for (unsigned t = warp * 32; t < warp * 32 + 32; ++t)
    if (members[t] != ~uint32_t(0))
      machine.fault(
          instruction, t, 0, "divergent warp",
          llvm::formatv("names lanes {0:x8}, all take part", members[t]).str());
}

struct Source {
  unsigned lane;
  bool isValid;
};

/// As the PTX manual defines shfl.sync.
template <NVVM::ShflKind kind>
Source sourceOf(unsigned lane, uint32_t offset, uint32_t maskAndClamp) {
  const uint32_t b = offset & 31, clamp = maskAndClamp & 31;
  const uint32_t segment = maskAndClamp >> 8 & 31;
  const uint32_t least = lane & segment;
  const uint32_t last = least | (clamp & ~segment);
  uint32_t from = 0;
  if constexpr (kind == NVVM::ShflKind::up)
    from = lane - b;
  else if constexpr (kind == NVVM::ShflKind::down)
    from = lane + b;
  else if constexpr (kind == NVVM::ShflKind::bfly)
    from = lane ^ b;
  else
    from = least | (b & ~segment);
  const bool isValid =
      kind == NVVM::ShflKind::up
          ? static_cast<int32_t>(from) >= static_cast<int32_t>(last)
          : from <= last;
  return {isValid ? from : lane, isValid};
}

/// Slots: result and whether it is valid, members, value, offset, clamp.
template <NVVM::ShflKind kind>
void shuffle(Machine &machine, const Instruction &instruction) {
  uint32_t *result = machine.lanes<uint32_t>(instruction, 0);
  uint32_t *valid = machine.lanes<uint32_t>(instruction, 1);
  const uint32_t *members = machine.lanes<uint32_t>(instruction, 2);
  const uint32_t *value = machine.lanes<uint32_t>(instruction, 3);
  const uint32_t *offset = machine.lanes<uint32_t>(instruction, 4);
  const uint32_t *clamp = machine.lanes<uint32_t>(instruction, 5);
  machine.forWholeWarps(instruction, [&](unsigned warp) {
    checkMembers(machine, instruction, warp, members);
    for (unsigned lane = 0, t = warp * 32; lane < 32; ++lane, ++t) {
      Source source = sourceOf<kind>(lane, offset[t], clamp[t]);
      result[t] = value[warp * 32 + source.lane];
      valid[t] = source.isValid;
    }
    machine.ordering().syncWarp(warp);
  });
}

llvm::Error decodeShuffle(Decoder &decoder, NVVM::ShflOp op) {
  static constexpr Handler handlers[] = {
      shuffle<NVVM::ShflKind::bfly>, shuffle<NVVM::ShflKind::up>,
      shuffle<NVVM::ShflKind::down>, shuffle<NVVM::ShflKind::idx>};
  Slots slots = decoder.define(op.getRes());
  if (slots.size() == 1)
    slots.push_back(decoder.temporary(false));
  for (Value operand : op->getOperands())
    slots.push_back(decoder.slotOf(operand));
  decoder.emit(op, handlers[static_cast<unsigned>(op.getKind())], slots);
  return llvm::Error::success();
}

uint32_t ballotOf(const uint32_t *predicate) {
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    bits |= (predicate[lane] & 1) << lane;
  return bits;
}

/// Slots: result, members, predicate.
template <auto f> void vote(Machine &machine, const Instruction &instruction) {
  uint32_t *result = machine.lanes<uint32_t>(instruction, 0);
  const uint32_t *members = machine.lanes<uint32_t>(instruction, 1);
  const uint32_t *predicate = machine.lanes<uint32_t>(instruction, 2);
  machine.forWholeWarps(instruction, [&](unsigned warp) {
    checkMembers(machine, instruction, warp, members);
    std::fill_n(result + warp * 32, 32, f(ballotOf(predicate + warp * 32)));
    machine.ordering().syncWarp(warp);
  });
}

llvm::Error decodeVote(Decoder &decoder, NVVM::VoteSyncOp op) {
  static constexpr Handler handlers[] = {
      vote<[](uint32_t bits) -> uint32_t { return bits != 0; }>,
      vote<[](uint32_t bits) -> uint32_t { return bits == ~uint32_t(0); }>,
      vote<[](uint32_t bits) -> uint32_t { return bits; }>,
      vote<[](uint32_t bits) -> uint32_t {
        return bits == 0 || bits == ~uint32_t(0);
      }>};
  decoder.emit(op, handlers[static_cast<unsigned>(op.getKind())],
               {decoder.define(op.getRes())[0], decoder.slotOf(op.getMask()),
                decoder.slotOf(op.getPred())});
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Two floats to bfloat16
//===----------------------------------------------------------------------===//

/// Slots: low and high result, high and low operand.
void convertPair(Machine &machine, const Instruction &instruction) {
  for (unsigned half = 0; half < 2; ++half) {
    uint32_t *__restrict result = machine.lanes<uint32_t>(instruction, half);
    const uint32_t *source = machine.lanes<uint32_t>(instruction, 3 - half);
    for (unsigned t = 0; t < machine.threads(); ++t)
      result[t] = Brain::put(llvm::bit_cast<float>(source[t]));
  }
}

llvm::Error decodeConvertPair(Decoder &decoder,
                              NVVM::ConvertF32x2ToBF16x2Op op) {
  if (op.getRnd() != NVVM::FPRoundingMode::RN || op.getRelu() ||
      op.getSat() != NVVM::SaturationMode::NONE)
    return unsupported(op, "other than to nearest even");
  Slots slots = decoder.define(op);
  slots.push_back(decoder.slotOf(op.getSrcHi()));
  slots.push_back(decoder.slotOf(op.getSrcLo()));
  decoder.emit(op, convertPair, slots);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Bytes of two words
//===----------------------------------------------------------------------===//

/// As the PTX manual defines prmt: four bits a byte, the uppermost of which
/// asks for the sign alone.
constexpr auto permute = [](uint32_t low, uint32_t high, uint32_t choice) {
  uint64_t both = uint64_t(high) << 32 | low;
  uint32_t made = 0;
  for (unsigned byte = 0; byte < 4; ++byte) {
    unsigned which = choice >> 4 * byte & 15;
    uint32_t found = both >> 8 * (which & 7) & 255;
    if (which & 8)
      found = found & 128 ? 255 : 0;
    made |= found << 8 * byte;
  }
  return made;
};

llvm::Error decodePermute(Decoder &decoder, NVVM::PermuteOp op) {
  if (op.getMode() != NVVM::PermuteMode::DEFAULT || !op.getHi())
    return unsupported(op, "other than of bytes by their number");
  using Word = Unsigned<32>;
  decoder.emit(op, apply<permute, Word, Word, Word, Word>,
               {decoder.define(op.getRes())[0], decoder.slotOf(op.getLo()),
                decoder.slotOf(op.getHi()), decoder.slotOf(op.getSelector())});
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> warpConstructs() {
  using L = LaunchSlots;
  static const Construct table[] = {
      {"nvvm.read.ptx.sreg.tid.x", decodeRegister<&L::thread>},
      {"nvvm.read.ptx.sreg.tid.y", decodeRegister<&L::zero>},
      {"nvvm.read.ptx.sreg.tid.z", decodeRegister<&L::zero>},
      {"nvvm.read.ptx.sreg.ntid.x", decodeRegister<&L::threads>},
      {"nvvm.read.ptx.sreg.ntid.y", decodeRegister<&L::one>},
      {"nvvm.read.ptx.sreg.ntid.z", decodeRegister<&L::one>},
      {"nvvm.read.ptx.sreg.ctaid.x", decodeAxis<&L::block, 0>},
      {"nvvm.read.ptx.sreg.ctaid.y", decodeAxis<&L::block, 1>},
      {"nvvm.read.ptx.sreg.ctaid.z", decodeAxis<&L::block, 2>},
      {"nvvm.read.ptx.sreg.nctaid.x", decodeAxis<&L::grid, 0>},
      {"nvvm.read.ptx.sreg.nctaid.y", decodeAxis<&L::grid, 1>},
      {"nvvm.read.ptx.sreg.nctaid.z", decodeAxis<&L::grid, 2>},
      {"nvvm.read.ptx.sreg.laneid", decodeRegister<&L::lane>},
      {"nvvm.read.ptx.sreg.warpid", decodeRegister<&L::warp>},
      {"nvvm.read.ptx.sreg.warpsize", decodeRegister<&L::warpSize>},
      construct<NVVM::ShflOp, decodeShuffle>(),
      construct<NVVM::VoteSyncOp, decodeVote>(),
      construct<NVVM::PermuteOp, decodePermute>(),
      construct<NVVM::ConvertF32x2ToBF16x2Op, decodeConvertPair>()};
  return table;
}

} // namespace decay::cuda::emulator
