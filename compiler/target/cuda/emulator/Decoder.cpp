//===- Decoder.cpp - Registers for values, handlers for operations --------===//
#include "compiler/target/cuda/emulator/Decoder.h"
#include "compiler/target/cuda/emulator/Machine.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace decay::cuda::emulator {

llvm::Error unsupported(Operation *operation, const llvm::Twine &why) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "the emulator does not know " << operation->getName() << " (" << why
         << ") at " << operation->getLoc();
  return llvm::createStringError(text);
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static std::optional<ScalarKind> integerKind(unsigned width) {
  static constexpr std::pair<unsigned, ScalarKind> widths[] = {
      {1, ScalarKind::i1},
      {8, ScalarKind::i8},
      {16, ScalarKind::i16},
      {32, ScalarKind::i32},
      {64, ScalarKind::i64}};
  for (auto [bits, kind] : widths)
    if (bits == width)
      return kind;
  return std::nullopt;
}

static std::optional<ScalarKind> scalarKind(Type type) {
  using Result = std::optional<ScalarKind>;
  return llvm::TypeSwitch<Type, Result>(type)
      .Case([](IntegerType integer) { return integerKind(integer.getWidth()); })
      .Case([](IndexType) { return ScalarKind::i64; })
      .Case([](BFloat16Type) { return ScalarKind::bf16; })
      .Case([](Float32Type) { return ScalarKind::f32; })
      .Case([](Float64Type) { return ScalarKind::f64; })
      .Case([](LLVM::LLVMPointerType pointer) {
        return pointer.getAddressSpace() == 3 ? ScalarKind::sharedPointer
                                              : ScalarKind::pointer;
      })
      .Default([](Type) { return std::nullopt; });
}

static bool flatten(Type type, Kinds &kinds) {
  auto repeated = [&](Type element, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      if (!flatten(element, kinds))
        return false;
    return true;
  };
  if (auto vector = dyn_cast<VectorType>(type))
    return repeated(vector.getElementType(), vector.getNumElements());
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type))
    return repeated(array.getElementType(), array.getNumElements());
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type))
    return llvm::all_of(structure.getBody(),
                        [&](Type member) { return flatten(member, kinds); });
  std::optional<ScalarKind> kind = scalarKind(type);
  if (kind)
    kinds.push_back(*kind);
  return kind.has_value();
}

std::optional<Kinds> scalarsOf(Type type) {
  Kinds kinds;
  if (!flatten(type, kinds))
    return std::nullopt;
  return kinds;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Slot Decoder::allocate(bool wide) {
  if (!free[wide].empty())
    return free[wide].pop_back_val();
  const auto slot = static_cast<Slot>(program.registerBytes);
  program.registerBytes += program.threads * (wide ? 8 : 4);
  assert(program.registerBytes <= UINT32_MAX && "register file too large");
  references[slot] = {0, wide};
  return slot;
}

void Decoder::retain(Slot slot) {
  Reference &reference = references[slot];
  if (reference.count >= 0)
    ++reference.count;
}

void Decoder::release(Slot slot) {
  Reference &reference = references[slot];
  if (reference.count > 0 && --reference.count == 0)
    free[reference.wide].push_back(slot);
}

Slot Decoder::temporary(bool wide) {
  const Slot slot = allocate(wide);
  retain(slot);
  temporaries.push_back(slot);
  return slot;
}

Slots Decoder::allocate(llvm::ArrayRef<ScalarKind> kinds) {
  Slots slots;
  for (ScalarKind kind : kinds)
    slots.push_back(allocate(isWide(kind)));
  return slots;
}

Slot Decoder::constant(ScalarKind kind, uint64_t bits) {
  bits &= onesOf(kind);
  auto [entry, isNew] = constants.try_emplace({bits, isWide(kind)}, 0);
  if (isNew) {
    entry->second = static_cast<Slot>(program.registerBytes);
    program.registerBytes += program.threads * (isWide(kind) ? 8 : 4);
    references[entry->second] = {-1, isWide(kind)};
    program.constants.push_back({entry->second, kind, bits});
  }
  return entry->second;
}

void Decoder::noteLastUse(Value value) {
  Block *block = value.getParentBlock();
  Operation *last = value.getDefiningOp();
  if (!last)
    last = &block->front();
  for (Operation *user : value.getUsers()) {
    Operation *here = block->findAncestorOpInBlock(*user);
    if (last->isBeforeInBlock(here))
      last = here;
  }
  dying[last].push_back(value);
}

void Decoder::alias(Value value, llvm::ArrayRef<Slot> slots) {
  Slots kept(slots); // may lie in `values`, which grows
  hold(kept);
  values[value] = std::move(kept);
  noteLastUse(value);
}

Slots Decoder::define(Value value) {
  Slots slots = allocate(*scalarsOf(value.getType()));
  alias(value, slots);
  return slots;
}

void Decoder::releaseAfter(Operation *operation) {
  for (Slot slot : temporaries)
    release(slot);
  temporaries.clear();
  auto entry = dying.find(operation);
  if (entry == dying.end())
    return;
  for (Value value : entry->second)
    for (Slot slot : values[value])
      release(slot);
  dying.erase(entry);
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

Instruction &Decoder::emit(Operation *origin, Handler handler,
                           llvm::ArrayRef<Slot> slots) {
  Instruction instruction;
  instruction.run = handler;
  instruction.slots = static_cast<uint32_t>(program.slots.size());
  instruction.next = position() + 1;
  program.slots.insert(program.slots.end(), slots.begin(), slots.end());
  program.code.push_back(instruction);
  program.origins.push_back(origin);
  return program.code.back();
}

template <typename Lane>
static void copyActive(Machine &machine, const Instruction &instruction) {
  Lane *to = machine.lanes<Lane>(instruction, 0);
  const Lane *from = machine.lanes<Lane>(instruction, 1);
  machine.forWarps([&](unsigned warp, uint32_t active) {
    Lane *target = to + warp * 32;
    const Lane *source = from + warp * 32;
    if (active == ~uint32_t(0))
      std::memcpy(target, source, 32 * sizeof(Lane));
    else
      for (uint32_t left = active; left; left &= left - 1)
        target[llvm::countr_zero(left)] = source[llvm::countr_zero(left)];
  });
}

void Decoder::emitCopy(Slot to, Slot from) {
  if (to != from)
    emit(nullptr, wideAt(to) ? copyActive<uint64_t> : copyActive<uint32_t>,
         {to, from});
}

void identity(Machine &, const Instruction &) {}

llvm::Error
Decoder::decodeElementwise(Operation *operation,
                           Handler (*select)(llvm::ArrayRef<ScalarKind>)) {
  if (operation->getAttr("roundingmode"))
    return unsupported(operation, "with a rounding mode");
  Value result = operation->getResult(0);
  const Kinds kinds = *scalarsOf(result.getType());
  llvm::SmallVector<Handler, 4> handlers;
  llvm::SmallVector<Slots, 4> operands(kinds.size());
  for (size_t part = 0; part < kinds.size(); ++part) {
    Kinds partKinds{kinds[part]};
    for (Value operand : operation->getOperands()) {
      Kinds operandKinds = *scalarsOf(operand.getType());
      const size_t from = operandKinds.size() == 1 ? 0 : part;
      partKinds.push_back(operandKinds[from]);
      operands[part].push_back(slotsOf(operand)[from]);
    }
    handlers.push_back(select(partKinds));
    if (!handlers.back())
      return unsupported(operation, "of these types");
  }
  if (llvm::all_equal(handlers) && handlers.front() == identity) {
    alias(result, Slots(slotsOf(operation->getOperand(0))));
    return llvm::Error::success();
  }
  Slots results = define(result);
  for (auto [slot, handler, inputs] : llvm::zip(results, handlers, operands)) {
    inputs.insert(inputs.begin(), slot);
    emit(operation, handler, inputs);
  }
  return llvm::Error::success();
}

static const llvm::StringMap<llvm::Error (*)(Decoder &, Operation *)> &
constructs() {
  static const auto map = [] {
    llvm::StringMap<llvm::Error (*)(Decoder &, Operation *)> map;
    for (llvm::ArrayRef<Construct> table :
         {controlConstructs(), valueConstructs(), compareConstructs(),
          memoryConstructs(), atomicConstructs(), asyncCopyConstructs(),
          warpConstructs(), barrierConstructs(), matrixConstructs(),
          groupMatrixConstructs(), approximateConstructs()})
      for (const Construct &row : table)
        map[row.name] = row.decode;
    return map;
  }();
  return map;
}

static const llvm::StringMap<Handler (*)(llvm::ArrayRef<ScalarKind>)> &
elementwise() {
  static const auto map = [] {
    llvm::StringMap<Handler (*)(llvm::ArrayRef<ScalarKind>)> map;
    for (llvm::ArrayRef<Elementwise> table :
         {integerOperations(), floatOperations(), mathOperations(),
          castOperations()})
      for (const Elementwise &row : table)
        map[row.name] = row.select;
    return map;
  }();
  return map;
}

llvm::Error Decoder::decodeOperation(Operation *operation) {
  llvm::StringRef name = operation->getName().getStringRef();
  for (Type type : operation->getResultTypes())
    if (!scalarsOf(type))
      return unsupported(operation, "its result's type");
  if (auto select = elementwise().lookup(name))
    return decodeElementwise(operation, select);
  if (auto decode = constructs().lookup(name))
    return decode(*this, operation);
  return unsupported(operation, "no such operation here");
}

llvm::Error Decoder::decodeBlock(Block &block, llvm::ArrayRef<Slot> targets) {
  for (Operation &operation : block.without_terminator()) {
    if (llvm::Error error = decodeOperation(&operation))
      return error;
    releaseAfter(&operation);
  }
  Operation *terminator = block.getTerminator();
  Slots sources;
  if (!targets.empty())
    for (Value operand : terminator->getOperands())
      sources.append(slotsOf(operand).begin(), slotsOf(operand).end());
  // What another copy overwrites is saved first.
  Slots saved = sources;
  for (auto [i, source] : llvm::enumerate(sources))
    if (source != targets[i] && llvm::is_contained(targets, source)) {
      saved[i] = temporary(wideAt(source));
      emitCopy(saved[i], source);
    }
  for (auto [target, source] : llvm::zip(targets, saved))
    emitCopy(target, source);
  releaseAfter(terminator);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

void Decoder::fillLaunchSlots() {
  auto fresh = [&](Slot &slot) {
    slot = allocate(false);
    references[slot].count = -1;
  };
  LaunchSlots &launch = program.launch;
  for (Slot *slot :
       {&launch.thread, &launch.lane, &launch.warp, &launch.threads,
        &launch.one, &launch.zero, &launch.warpSize})
    fresh(*slot);
  for (unsigned i = 0; i < 3; ++i) {
    fresh(launch.block[i]);
    fresh(launch.grid[i]);
  }
}

llvm::Error Decoder::decodeFunction(Operation *operation) {
  auto function = cast<LLVM::LLVMFuncOp>(operation);
  program.function = operation;
  fillLaunchSlots();
  for (BlockArgument argument : function.getArguments()) {
    std::optional<Kinds> kinds = scalarsOf(argument.getType());
    if (!kinds)
      return unsupported(operation, "a parameter's type");
    Slots slots = allocate(*kinds);
    for (Slot slot : slots)
      references[slot].count = -1;
    values[argument] = slots;
    ParameterSlots parameter;
    parameter.slots.assign(slots.begin(), slots.end());
    parameter.kinds.assign(kinds->begin(), kinds->end());
    program.arguments.push_back(std::move(parameter));
  }
  return decodeBlock(function.getBody().front(), {});
}

} // namespace decay::cuda::emulator
