//===- GroupMatrices.cpp - wgmma: products of four warps ------------------===//
//
// Both factors are in shared memory, where a descriptor says how; the manual's
// canonical layouts without a swizzle and with that of 128 bytes. Sums are
// made when they are asked for, which is as early as any machine could.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

constexpr unsigned groupWarps = 4, rows = 64, depth = 16;
constexpr unsigned unitBytes = 16, unitElements = 8, lineBytes = 128;

/// What a product is, besides its registers.
struct Shape {
  unsigned columns;
  bool isLeftAcross, isRightAcross; ///< not along the sum: along M or N
  bool adds;

  int64_t encode() const {
    return columns | int64_t(isLeftAcross) << 16 |
           int64_t(isRightAcross) << 17 | int64_t(adds) << 18;
  }
  static Shape decode(int64_t bits) {
    return {static_cast<unsigned>(bits & 0xffff), (bits >> 16 & 1) != 0,
            (bits >> 17 & 1) != 0, (bits >> 18 & 1) != 0};
  }
};

/// A descriptor's fields, in bytes.
struct Layout {
  uint32_t start, leading, stride;
  unsigned swizzle; ///< 0: none, 1: 128 bytes

  explicit Layout(uint64_t descriptor)
      : start((descriptor & 0x3fff) << 4),
        leading((descriptor >> 16 & 0x3fff) << 4),
        stride((descriptor >> 32 & 0x3fff) << 4),
        swizzle(static_cast<unsigned>(descriptor >> 62)) {}

  /// Where eight neighbours are: of row `i` of M or N, from number 8 `unit` of
  /// the sum on; or across, of number `i` of the sum, rows from 8 `unit` on.
  uint32_t place(bool isAcross, unsigned i, unsigned unit) const {
    const unsigned block = i / 8, within = i % 8;
    uint32_t at = start;
    if (swizzle == 0)
      return at + within * unitBytes +
             (isAcross ? block * leading + unit * stride
                       : block * stride + unit * leading);
    at += within * lineBytes + block * stride + unit % 8 * unitBytes;
    if (isAcross)
      at += unit / 8 * leading;
    return at ^ (at / lineBytes % 8 * unitBytes);
  }
};

class Group {
public:
  Group(Machine &machine, const Instruction &instruction, unsigned firstWarp)
      : machine(machine), instruction(instruction), firstWarp(firstWarp) {}

  /// One factor: `count` rows of M or N, 16 numbers of the sum each.
  void read(uint64_t descriptor, bool isAcross, unsigned count,
            llvm::SmallVectorImpl<float> &into) {
    const Layout layout(descriptor);
    if (layout.swizzle > 1)
      return machine.fault(instruction, firstWarp * 32, layout.start,
                           "unsupported", "a swizzle of 32 or 64 bytes");
    into.assign(static_cast<size_t>(count) * depth, 0);
    const unsigned lines = isAcross ? depth : count;
    const unsigned units = (isAcross ? count : depth) / unitElements;
    for (unsigned line = 0; line < lines; ++line)
      for (unsigned unit = 0; unit < units; ++unit)
        if (const char *eight = bytesAt(layout.place(isAcross, line, unit)))
          for (unsigned each = 0; each < unitElements; ++each) {
            uint16_t bits;
            std::memcpy(&bits, eight + 2 * each, sizeof bits);
            const unsigned other = unit * unitElements + each;
            into[isAcross ? other * depth + line : line * depth + other] =
                Brain::get(bits);
          }
  }

private:
  /// Checked as a read of all four warps.
  const char *bytesAt(uint32_t offset) {
    for (unsigned warp = firstWarp; warp < firstWarp + groupWarps; ++warp)
      if (Complaint complaint =
              machine.shared().readByAsyncProxy(warp * 32, offset, unitBytes)) {
        machine.complain(instruction, warp * 32, offset, complaint);
        if (complaint.hazard == Hazard::outOfBounds)
          return nullptr;
      }
    return machine.shared().data() + offset;
  }

  Machine &machine;
  const Instruction &instruction;
  unsigned firstWarp;
};

/// Slots: the sums, the two descriptors, the sums as they were.
void multiplyGroup(Machine &machine, const Instruction &instruction,
                   unsigned firstWarp) {
  const Shape shape = Shape::decode(instruction.immediate);
  const unsigned count = shape.columns / 2;
  llvm::SmallVector<float, 0> left, right;
  auto descriptor = [&](unsigned index) {
    const uint64_t *lanes =
        machine.lanes<uint64_t>(instruction, count + index) + firstWarp * 32;
    for (unsigned t = 1; t < groupWarps * 32; ++t)
      if (lanes[t] != lanes[0])
        machine.fault(instruction, firstWarp * 32 + t, 0, "divergent group",
                      "threads disagree about a descriptor");
    return lanes[0];
  };
  Group group(machine, instruction, firstWarp);
  group.read(descriptor(0), shape.isLeftAcross, rows, left);
  group.read(descriptor(1), shape.isRightAcross, shape.columns, right);
  if (left.empty() || right.empty())
    return;
  for (unsigned t = 0; t < groupWarps * 32; ++t)
    for (unsigned index = 0; index < count; ++index) {
      const unsigned lane = t % 32, each = index % 4;
      const float *a = &left[(t / 32 * 16 + lane / 4 + each / 2 * 8) * depth];
      const float *b =
          &right[(index / 4 * 8 + lane % 4 * 2 + each % 2) * depth];
      float sum = 0;
      if (shape.adds)
        sum = machine.lanes<float>(instruction,
                                   count + 2 + index)[firstWarp * 32 + t];
      for (unsigned k = 0; k < depth; ++k)
        sum += a[k] * b[k];
      machine.lanes<float>(instruction, index)[firstWarp * 32 + t] = sum;
    }
}

void multiplyGroups(Machine &machine, const Instruction &instruction) {
  for (unsigned first = 0; first < machine.warps(); first += groupWarps) {
    unsigned whole = 0;
    for (unsigned warp = first; warp < first + groupWarps; ++warp)
      whole += machine.mask.warps[warp] == ~uint32_t(0);
    if (whole == groupWarps)
      multiplyGroup(machine, instruction, first);
    else if (whole > 0)
      machine.fault(instruction, first * 32, 0, "divergent group",
                    llvm::Twine(whole) + " of four warps take part");
  }
}

llvm::Error decodeMultiplyGroup(Decoder &decoder, NVVM::WgmmaMmaAsyncOp op) {
  const auto columns = static_cast<unsigned>(op.getShape().getN());
  const bool isServed = op.getShape().getM() == rows &&
                        op.getShape().getK() == depth &&
                        op.getTypeA() == NVVM::WGMMATypes::bf16 &&
                        op.getTypeB() == NVVM::WGMMATypes::bf16 &&
                        op.getTypeD() == NVVM::WGMMATypes::f32 &&
                        op.getScaleA() == NVVM::WGMMAScaleIn::one &&
                        op.getScaleB() == NVVM::WGMMAScaleIn::one &&
                        *scalarsOf(op.getResults().getType()) ==
                            Kinds(columns / 2, ScalarKind::f32);
  if (!isServed)
    return unsupported(op, "of this shape and these types");
  Slots slots = decoder.define(op.getResults());
  slots.push_back(decoder.slotOf(op.getDescriptorA()));
  slots.push_back(decoder.slotOf(op.getDescriptorB()));
  llvm::append_range(slots, decoder.slotsOf(op.getInouts()));
  decoder.emit(op, multiplyGroups, slots).immediate =
      Shape{columns, op.getLayoutA() == NVVM::MMALayout::col,
            op.getLayoutB() == NVVM::MMALayout::row,
            op.getScaleD() == NVVM::WGMMAScaleOut::one}
          .encode();
  return llvm::Error::success();
}

/// What a thread has written is seen by products from here on.
void fence(Machine &machine, const Instruction &) {
  machine.forWarps([&](unsigned warp, uint32_t active) {
    for (uint32_t left = active; left; left &= left - 1)
      machine.shared().fence(warp * 32 + llvm::countr_zero(left));
  });
  machine.ordering().tick();
}

llvm::Error decodeFence(Decoder &decoder, NVVM::FenceProxyOp op) {
  if (op.getKind() != NVVM::ProxyKind::async_shared)
    return unsupported(op, "of another kind");
  decoder.emit(op, fence, {});
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> groupMatrixConstructs() {
  static const Construct table[] = {
      construct<NVVM::WgmmaMmaAsyncOp, decodeMultiplyGroup>(),
      construct<NVVM::FenceProxyOp, decodeFence>(),
      {NVVM::WgmmaFenceAlignedOp::getOperationName(), decodeNothing},
      {NVVM::WgmmaGroupSyncAlignedOp::getOperationName(), decodeNothing}};
  return table;
}

} // namespace decay::cuda::emulator
