//===- Values.cpp - Constants, parts of values, addresses -----------------===//
//
// Most of these only say which registers a value is, and cost no instruction.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

std::optional<uint64_t> bitsOf(Attribute attribute) {
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getValue().sextOrTrunc(64).getZExtValue();
  if (auto real = dyn_cast<FloatAttr>(attribute))
    return real.getValue().bitcastToAPInt().getZExtValue();
  return std::nullopt;
}

llvm::Error decodeConstant(Decoder &decoder, Operation *op) {
  Attribute value = op->getAttr("value");
  Value result = op->getResult(0);
  Slots slots;
  const Kinds kinds = *scalarsOf(result.getType());
  auto elements = dyn_cast<DenseElementsAttr>(value);
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    Attribute part =
        elements ? *(elements.getValues<Attribute>().begin() + i) : value;
    std::optional<uint64_t> bits = bitsOf(part);
    if (!bits)
      return unsupported(op, "this kind of constant");
    slots.push_back(decoder.constant(kind, *bits));
  }
  decoder.alias(result, slots);
  return llvm::Error::success();
}

template <uint64_t bits>
llvm::Error decodeFilled(Decoder &decoder, Operation *op) {
  Slots slots;
  const Kinds kinds = *scalarsOf(op->getResult(0).getType());
  for (ScalarKind kind : kinds)
    slots.push_back(decoder.constant(kind, bits));
  decoder.alias(op->getResult(0), slots);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Parts of structures and vectors
//===----------------------------------------------------------------------===//

/// The scalars before the part that `position` names, and its own.
std::pair<size_t, size_t> partOf(Type type, ArrayRef<int64_t> position) {
  size_t first = 0;
  for (int64_t index : position) {
    auto structure = dyn_cast<LLVM::LLVMStructType>(type);
    if (structure) {
      for (Type member : structure.getBody().take_front(index))
        first += scalarsOf(member)->size();
      type = structure.getBody()[index];
    } else {
      type = cast<LLVM::LLVMArrayType>(type).getElementType();
      first += scalarsOf(type)->size() * static_cast<size_t>(index);
    }
  }
  return {first, scalarsOf(type)->size()};
}

llvm::Error decodeExtractValue(Decoder &decoder, LLVM::ExtractValueOp op) {
  auto [first, count] = partOf(op.getContainer().getType(), op.getPosition());
  Slots slots(decoder.slotsOf(op.getContainer()).slice(first, count));
  decoder.alias(op, slots);
  return llvm::Error::success();
}

llvm::Error decodeInsertValue(Decoder &decoder, LLVM::InsertValueOp op) {
  const size_t first =
      partOf(op.getContainer().getType(), op.getPosition()).first;
  Slots slots(decoder.slotsOf(op.getContainer()));
  llvm::copy(decoder.slotsOf(op.getValue()), slots.begin() + first);
  decoder.alias(op, slots);
  return llvm::Error::success();
}

std::optional<size_t> constantIndex(Value index, size_t count) {
  APInt value;
  if (!matchPattern(index, m_ConstantInt(&value)) || value.uge(count))
    return std::nullopt;
  return value.getZExtValue();
}

llvm::Error decodeExtractElement(Decoder &decoder, LLVM::ExtractElementOp op) {
  llvm::ArrayRef<Slot> vector = decoder.slotsOf(op.getVector());
  auto index = constantIndex(op.getPosition(), vector.size());
  if (!index)
    return unsupported(op, "its index is no constant within the vector");
  decoder.alias(op, Slots{vector[*index]});
  return llvm::Error::success();
}

llvm::Error decodeInsertElement(Decoder &decoder, LLVM::InsertElementOp op) {
  Slots slots(decoder.slotsOf(op.getVector()));
  auto index = constantIndex(op.getPosition(), slots.size());
  if (!index)
    return unsupported(op, "its index is no constant within the vector");
  slots[*index] = decoder.slotOf(op.getValue());
  decoder.alias(op, slots);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Bit casts
//===----------------------------------------------------------------------===//

/// One register of several: the first is the lowest. The immediate is the
/// number of parts.
template <typename Whole, unsigned bits>
void pack(Machine &machine, const Instruction &instruction) {
  Whole *whole = machine.lanes<Whole>(instruction, 0);
  for (unsigned t = 0; t < machine.threads(); ++t)
    whole[t] = 0;
  for (unsigned p = 0; p < instruction.immediate; ++p) {
    const uint32_t *part = machine.lanes<uint32_t>(instruction, p + 1);
    for (unsigned t = 0; t < machine.threads(); ++t)
      whole[t] |= static_cast<Whole>(part[t]) << (p * bits);
  }
}

/// Several registers of one, which is the last slot.
template <typename Whole, unsigned bits>
void unpack(Machine &machine, const Instruction &instruction) {
  const auto count = static_cast<unsigned>(instruction.immediate);
  const Whole *whole = machine.lanes<Whole>(instruction, count);
  for (unsigned p = 0; p < count; ++p) {
    uint32_t *part = machine.lanes<uint32_t>(instruction, p);
    for (unsigned t = 0; t < machine.threads(); ++t)
      part[t] =
          static_cast<uint32_t>(whole[t] >> (p * bits)) & Unsigned<bits>::mask;
  }
}

struct Packing {
  unsigned whole, part; ///< bytes
  Handler pack, unpack;
};
const Packing packings[] = {{8, 4, pack<uint64_t, 32>, unpack<uint64_t, 32>},
                            {8, 2, pack<uint64_t, 16>, unpack<uint64_t, 16>},
                            {8, 1, pack<uint64_t, 8>, unpack<uint64_t, 8>},
                            {4, 2, pack<uint32_t, 16>, unpack<uint32_t, 16>},
                            {4, 1, pack<uint32_t, 8>, unpack<uint32_t, 8>},
                            {2, 1, pack<uint32_t, 8>, unpack<uint32_t, 8>}};

llvm::Error decodeBitcast(Decoder &decoder, Operation *op) {
  Value from = op->getOperand(0), to = op->getResult(0);
  const unsigned toSize = sizeOf(scalarsOf(to.getType())->front());
  const unsigned fromSize = sizeOf(scalarsOf(from.getType())->front());
  if (toSize == fromSize) {
    decoder.alias(to, Slots(decoder.slotsOf(from)));
    return llvm::Error::success();
  }
  const bool packs = toSize > fromSize;
  const unsigned whole = std::max(toSize, fromSize);
  const unsigned part = std::min(toSize, fromSize);
  const auto *row = llvm::find_if(packings, [&](const Packing &row) {
    return row.whole == whole && row.part == part;
  });
  const Slots sources(decoder.slotsOf(from));
  const Slots targets = decoder.define(to);
  const size_t count = whole / part;
  for (size_t i = 0, e = std::min(sources.size(), targets.size()); i < e; ++i) {
    Slots slots;
    auto append = [&](const Slots &all, bool isWhole) {
      llvm::append_range(slots, isWhole
                                    ? ArrayRef(all).slice(i, 1)
                                    : ArrayRef(all).slice(i * count, count));
    };
    append(targets, packs);
    append(sources, !packs);
    // Two halves of a register are one already on the machine: not counted.
    decoder.emit(nullptr, packs ? row->pack : row->unpack, slots).immediate =
        static_cast<int64_t>(count);
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

/// Dynamic shared memory starts at offset 0.
llvm::Error decodeAddressOf(Decoder &decoder, LLVM::AddressOfOp op) {
  auto global = SymbolTable::lookupNearestSymbolFrom<LLVM::GlobalOp>(
      op, op.getGlobalNameAttr());
  if (!global || global.getAddrSpace() != 3)
    return unsupported(op, "not of a global in shared memory");
  auto array = dyn_cast<LLVM::LLVMArrayType>(global.getGlobalType());
  if (!array || array.getNumElements() != 0)
    return unsupported(op, "shared memory that is not dynamic");
  decoder.alias(op, decoder.constant(ScalarKind::sharedPointer, 0));
  return llvm::Error::success();
}

void toGeneric(Machine &machine, const Instruction &instruction) {
  uint64_t *generic = machine.lanes<uint64_t>(instruction, 0);
  const uint32_t *offset = machine.lanes<uint32_t>(instruction, 1);
  const auto base = reinterpret_cast<uintptr_t>(machine.shared().data());
  for (unsigned t = 0; t < machine.threads(); ++t)
    generic[t] = base + offset[t];
}

void toShared(Machine &machine, const Instruction &instruction) {
  uint32_t *offset = machine.lanes<uint32_t>(instruction, 0);
  const uint64_t *generic = machine.lanes<uint64_t>(instruction, 1);
  const auto base = reinterpret_cast<uintptr_t>(machine.shared().data());
  for (unsigned t = 0; t < machine.threads(); ++t)
    offset[t] = static_cast<uint32_t>(generic[t] - base);
}

llvm::Error decodeAddressSpace(Decoder &decoder, LLVM::AddrSpaceCastOp op) {
  const unsigned to =
      cast<LLVM::LLVMPointerType>(op.getType()).getAddressSpace();
  const unsigned from =
      cast<LLVM::LLVMPointerType>(op.getArg().getType()).getAddressSpace();
  const Slot source = decoder.slotOf(op.getArg());
  if ((to == 3) == (from == 3))
    decoder.alias(op, source);
  else
    decoder.emit(op, to == 3 ? toShared : toGeneric,
                 {decoder.define(op)[0], source});
  return llvm::Error::success();
}

} // namespace

llvm::ArrayRef<Construct> valueConstructs() {
  static const Construct table[] = {
      {"arith.constant", decodeConstant},
      {"llvm.mlir.constant", decodeConstant},
      {"llvm.mlir.undef", decodeFilled<~uint64_t(0)>},
      {"llvm.mlir.poison", decodeFilled<~uint64_t(0)>},
      {"ub.poison", decodeFilled<~uint64_t(0)>},
      {"llvm.mlir.zero", decodeFilled<0>},
      {"arith.bitcast", decodeBitcast},
      {"llvm.bitcast", decodeBitcast},
      construct<LLVM::ExtractValueOp, decodeExtractValue>(),
      construct<LLVM::InsertValueOp, decodeInsertValue>(),
      construct<LLVM::ExtractElementOp, decodeExtractElement>(),
      construct<LLVM::InsertElementOp, decodeInsertElement>(),
      construct<LLVM::AddressOfOp, decodeAddressOf>(),
      construct<LLVM::AddrSpaceCastOp, decodeAddressSpace>()};
  return table;
}

} // namespace decay::cuda::emulator
