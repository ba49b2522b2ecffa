//===- Memory.cpp - Loads, stores and the arithmetic of addresses ---------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

/// The scalars, then the address. What a fault keeps from being read is ones.
template <typename Part, typename Lane, typename Address>
void load(Machine &machine, const Instruction &instruction) {
  const unsigned parts = instruction.access.parts;
  const Address *address = machine.lanes<Address>(instruction, parts);
  machine.forWarps([&](unsigned warp, uint32_t active) {
    WarpAccess touched;
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned t = warp * 32 + llvm::countr_zero(left);
      const char *source = machine.access(instruction, t, address[t],
                                          Machine::Direction::read, touched);
      for (unsigned p = 0; p < parts; ++p) {
        Part value = static_cast<Part>(~Part(0));
        if (source)
          std::memcpy(&value, source + p * sizeof(Part), sizeof(Part));
        machine.lanes<Lane>(instruction, p)[t] = value;
      }
    }
    machine.account(instruction, touched);
  });
}

/// The scalars, the address, and where `hasCondition` whether a lane stores.
template <typename Part, typename Lane, typename Address,
          bool hasCondition = false>
void store(Machine &machine, const Instruction &instruction) {
  const unsigned parts = instruction.access.parts;
  const Address *address = machine.lanes<Address>(instruction, parts);
  const uint32_t *condition =
      hasCondition ? machine.lanes<uint32_t>(instruction, parts + 1) : nullptr;
  machine.forWarps([&](unsigned warp, uint32_t active) {
    WarpAccess touched;
    for (uint32_t left = active; left; left &= left - 1) {
      const unsigned t = warp * 32 + llvm::countr_zero(left);
      if (hasCondition && !(condition[t] & 1))
        continue;
      char *target = machine.access(instruction, t, address[t],
                                    Machine::Direction::write, touched);
      for (unsigned p = 0; target && p < parts; ++p) {
        const auto value =
            static_cast<Part>(machine.lanes<Lane>(instruction, p)[t]);
        std::memcpy(target + p * sizeof(Part), &value, sizeof(Part));
      }
    }
    machine.account(instruction, touched);
  });
}

struct AccessRow {
  unsigned bytes;            ///< of a part
  Handler load[2], store[2]; ///< by an address of 8 and of 4 bytes
  Handler storeWhere;        ///< by one of 8
};
template <typename Part, typename Lane> constexpr AccessRow accessRow() {
  return {sizeof(Part),
          {load<Part, Lane, uint64_t>, load<Part, Lane, uint32_t>},
          {store<Part, Lane, uint64_t>, store<Part, Lane, uint32_t>},
          store<Part, Lane, uint64_t, true>};
}
const AccessRow accessRows[] = {
    accessRow<uint8_t, uint32_t>(), accessRow<uint16_t, uint32_t>(),
    accessRow<uint32_t, uint32_t>(), accessRow<uint64_t, uint64_t>()};

Space spaceOf(Type pointer) {
  switch (cast<LLVM::LLVMPointerType>(pointer).getAddressSpace()) {
  case 1:
    return Space::global;
  case 3:
    return Space::shared;
  default:
    return Space::generic;
  }
}

llvm::Error decodeAccess(Decoder &decoder, Operation *op, Value data,
                         Value address, std::optional<uint64_t> promised,
                         bool isLoad) {
  std::optional<Kinds> kinds = scalarsOf(data.getType());
  if (!kinds || kinds->empty() ||
      llvm::is_contained(*kinds, ScalarKind::sharedPointer) ||
      llvm::is_contained(*kinds, ScalarKind::i1))
    return unsupported(op, "its type");
  const unsigned size = sizeOf(kinds->front());
  const bool isUniform = llvm::all_of(
      *kinds, [&](ScalarKind kind) { return sizeOf(kind) == size; });
  const uint64_t bytes = size * kinds->size();
  if (!isUniform || bytes > 16 || !llvm::isPowerOf2_64(bytes))
    return unsupported(op, "not 1, 2, 4, 8 or 16 bytes of one size");
  const uint64_t alignment = promised.value_or(
      decoder.dataLayout().getTypeABIAlignment(data.getType()));

  Slots slots = isLoad ? decoder.define(data) : Slots(decoder.slotsOf(data));
  slots.push_back(decoder.slotOf(address));
  const auto *row = llvm::find_if(
      accessRows, [&](const AccessRow &row) { return row.bytes == size; });
  const Space space = spaceOf(address.getType());
  const bool isShort = space == Space::shared;
  Instruction &instruction =
      decoder.emit(op, (isLoad ? row->load : row->store)[isShort], slots);
  const auto unit = static_cast<uint8_t>(std::min(bytes, alignment));
  instruction.access = {space, static_cast<uint8_t>(kinds->size()), unit,
                        static_cast<uint8_t>(bytes),
                        static_cast<uint16_t>(alignment)};
  if (space != Space::global)
    decoder.noteSharedAccess(unit);
  return llvm::Error::success();
}

llvm::Error decodeLoad(Decoder &decoder, LLVM::LoadOp op) {
  return decodeAccess(decoder, op, op.getResult(), op.getAddr(),
                      op.getAlignment(), true);
}
llvm::Error decodeStore(Decoder &decoder, LLVM::StoreOp op) {
  return decodeAccess(decoder, op, op.getValue(), op.getAddr(),
                      op.getAlignment(), false);
}

} // namespace

llvm::Error decodeStoreWhere(Decoder &decoder, Operation *op, ValueRange values,
                             Value address, Value condition) {
  std::optional<Kinds> kinds = scalarsOf(values.front().getType());
  if (!kinds || kinds->size() != 1 || !llvm::all_equal(values.getTypes()) ||
      spaceOf(address.getType()) != Space::global)
    return unsupported(op, "other than numbers of one type, to global memory");
  const unsigned size = sizeOf(kinds->front());
  Slots slots;
  for (Value value : values)
    llvm::append_range(slots, decoder.slotsOf(value));
  slots.push_back(decoder.slotOf(address));
  slots.push_back(decoder.slotOf(condition));
  const auto *row = llvm::find_if(
      accessRows, [&](const AccessRow &row) { return row.bytes == size; });
  Instruction &instruction = decoder.emit(op, row->storeWhere, slots);
  const auto bytes = static_cast<uint8_t>(size * values.size());
  instruction.access = {Space::global, static_cast<uint8_t>(values.size()),
                        bytes, bytes, bytes};
  return llvm::Error::success();
}

namespace {

//===----------------------------------------------------------------------===//
// getelementptr
//===----------------------------------------------------------------------===//

/// address = base + index * scale; the scale is the immediate.
template <typename Address, typename Index>
void stride(Machine &machine, const Instruction &instruction) {
  Address *__restrict address = machine.lanes<Address>(instruction, 0);
  const Address *base = machine.lanes<Address>(instruction, 1);
  const auto *index =
      machine.lanes<std::make_unsigned_t<Index>>(instruction, 2);
  const auto scale = static_cast<Address>(instruction.immediate);
  for (unsigned t = 0; t < machine.threads(); ++t)
    address[t] =
        base[t] + static_cast<Address>(static_cast<Index>(index[t])) * scale;
}

template <typename Address>
void displace(Machine &machine, const Instruction &instruction) {
  Address *__restrict address = machine.lanes<Address>(instruction, 0);
  const Address *base = machine.lanes<Address>(instruction, 1);
  const auto offset = static_cast<Address>(instruction.immediate);
  for (unsigned t = 0; t < machine.threads(); ++t)
    address[t] = base[t] + offset;
}

struct Term {
  Value index;
  int64_t scale;
};

/// What an address is beside its base: bytes, and indices by bytes.
struct Displacement {
  int64_t bytes = 0;
  llvm::SmallVector<Term, 2> terms;
};

int64_t sizeInArray(const DataLayout &layout, Type type) {
  return static_cast<int64_t>(
      llvm::alignTo(layout.getTypeSize(type).getFixedValue(),
                    layout.getTypeABIAlignment(type)));
}

int64_t memberOffset(const DataLayout &layout, LLVM::LLVMStructType structure,
                     int64_t index) {
  uint64_t offset = 0;
  for (auto [i, member] : llvm::enumerate(structure.getBody())) {
    if (!structure.isPacked())
      offset = llvm::alignTo(offset, layout.getTypeABIAlignment(member));
    if (static_cast<int64_t>(i) == index)
      break;
    offset += layout.getTypeSize(member).getFixedValue();
  }
  return static_cast<int64_t>(offset);
}

/// The type of the elements of an array or vector; null for others.
Type elementOf(Type type) {
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type))
    return array.getElementType();
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getElementType();
  return {};
}

std::optional<Displacement> displacementOf(const DataLayout &layout,
                                           LLVM::GEPOp op) {
  Displacement sum;
  Type type = op.getElemType();
  bool isFirst = true;
  for (llvm::PointerUnion<IntegerAttr, Value> index : op.getIndices()) {
    auto known = dyn_cast<IntegerAttr>(index);
    auto structure = dyn_cast<LLVM::LLVMStructType>(type);
    if (!isFirst && structure) {
      if (!known)
        return std::nullopt;
      sum.bytes += memberOffset(layout, structure, known.getInt());
      type = structure.getBody()[known.getInt()];
      continue;
    }
    if (!isFirst)
      type = elementOf(type);
    isFirst = false;
    if (!type)
      return std::nullopt;
    const int64_t scale = sizeInArray(layout, type);
    if (known)
      sum.bytes += known.getInt() * scale;
    else
      sum.terms.push_back({cast<Value>(index), scale});
  }
  return sum;
}

llvm::Error decodeGep(Decoder &decoder, LLVM::GEPOp op) {
  std::optional<Displacement> sum = displacementOf(decoder.dataLayout(), op);
  if (!sum)
    return unsupported(op, "its indices");
  const bool isShort = spaceOf(op.getType()) == Space::shared;
  static constexpr Handler strides[2][2] = {
      {stride<uint64_t, int32_t>, stride<uint64_t, int64_t>},
      {stride<uint32_t, int32_t>, stride<uint32_t, int64_t>}};
  Slot at = decoder.slotOf(op.getBase());
  size_t left = sum->terms.size() + (sum->bytes != 0);
  if (left == 0)
    decoder.alias(op, at);
  // The last step fills the result.
  auto target = [&] {
    return --left == 0 ? decoder.define(op)[0] : decoder.temporary(!isShort);
  };
  for (Term term : sum->terms) {
    const ScalarKind kind = scalarsOf(term.index.getType())->front();
    if (sizeOf(kind) < 4)
      return unsupported(op, "an index of less than 32 bits");
    const Slot to = target();
    decoder
        .emit(op, strides[isShort][isWide(kind)],
              {to, at, decoder.slotOf(term.index)})
        .immediate = term.scale;
    at = to;
  }
  if (sum->bytes)
    decoder
        .emit(op, isShort ? displace<uint32_t> : displace<uint64_t>,
              {target(), at})
        .immediate = sum->bytes;
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> memoryConstructs() {
  static const Construct table[] = {construct<LLVM::LoadOp, decodeLoad>(),
                                    construct<LLVM::StoreOp, decodeStore>(),
                                    construct<LLVM::GEPOp, decodeGep>()};
  return table;
}

} // namespace decay::cuda::emulator
