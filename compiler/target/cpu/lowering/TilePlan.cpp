//===- TilePlan.cpp - Where each tile of a kernel lives -------------------===//
#include "compiler/target/cpu/lowering/TilePlan.h"

#include "compiler/target/cpu/cores/Cores.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace decay::cpu {

using ir::Axis;

Sizes loadSizes(Code &code, Value dims, int64_t pairs, int64_t chunkLength,
                Value length) {
  Sizes sizes;
  Value *fields[] = {&sizes.B,      &sizes.T,         &sizes.H,   &sizes.K,
                     &sizes.V,      &sizes.sequences, nullptr,    &sizes.layer,
                     &sizes.layers, &sizes.position,  &sizes.seed};
  for (auto [index, field] : llvm::enumerate(fields))
    if (field)
      *field = code.load(code.i64(), code.bytesAt(dims, 8 * index));
  sizes.cuSeqlens = code.load(code.pointerType(), code.bytesAt(dims, 8 * 6));
  sizes.W = code.mul(sizes.K, code.integer(pairs));
  sizes.Kp = code.roundUp(sizes.K, rowPadding);
  sizes.Vp = code.roundUp(sizes.V, rowPadding);
  sizes.Wp = code.roundUp(sizes.W, rowPadding);
  sizes.C = chunkLength;
  sizes.chunks = code.divide(code.add(length, code.integer(chunkLength - 1)),
                             code.integer(chunkLength));
  return sizes;
}

Layout layoutOf(Code &code, const Sizes &sizes, chunk::TileType type) {
  Layout layout;
  bool state = type.has(Axis::Channel) && type.has(Axis::Value);
  if (type.has(Axis::Value)) {
    layout.columns = sizes.V;
    layout.stride = sizes.Vp;
  } else if (type.has(Axis::Channel)) {
    layout.columns = type.has(Axis::Pair) ? sizes.W : sizes.K;
    layout.stride = type.has(Axis::Pair) ? sizes.Wp : sizes.Kp;
  }
  layout.hasColumns = bool(layout.columns);
  if (!layout.hasColumns)
    layout.columns = layout.stride = code.integer(1);
  layout.hasRows = state || type.has(Axis::Token) || type.has(Axis::Layer);
  if (state)
    layout.rows = sizes.Wp;
  else if (type.has(Axis::Token))
    layout.rows = code.integer(sizes.C);
  else if (type.has(Axis::Layer))
    layout.rows = sizes.layers;
  else
    layout.rows = code.integer(1);
  return layout;
}

Value sizeOf(Code &code, const Sizes &sizes, chunk::TileType type) {
  Layout layout = layoutOf(code, sizes, type);
  return code.roundUp(code.mul(layout.rows, layout.stride), rowPadding);
}

/// The operand whose buffer an operation's result takes over.
static Value takenOver(mlir::OpResult result) {
  mlir::Operation *op = result.getOwner();
  if (auto made = mlir::dyn_cast<chunk::RecurrenceOp>(op))
    return result == made.getNext() ? made.getState() : Value();
  if (auto made = mlir::dyn_cast<chunk::StateOp>(op))
    return made.getState();
  if (auto made = mlir::dyn_cast<chunk::RecurrenceGradientOp>(op))
    return result == made.getDNext() ? made.getDState() : Value();
  if (auto made = mlir::dyn_cast<chunk::ScanOp>(op))
    return result == made.getNext() ? made.getCarry() : Value();
  if (auto made = mlir::dyn_cast<chunk::ScanGradientOp>(op))
    return result == made.getNext() ? made.getCarry() : Value();
  if (auto made = mlir::dyn_cast<chunk::AccumulateOp>(op))
    return made.getAccumulator();
  if (auto made = mlir::dyn_cast<chunk::CheckRangeOp>(op))
    return made.getOperand();
  return {};
}

static chunk::TileType typeOf(Value tile) {
  return mlir::cast<chunk::TileType>(tile.getType());
}

TilePlan::TilePlan(chunk::KernelOp kernel) {
  kernel.walk([&](mlir::Operation *op) {
    hasRecurrence |= mlir::isa<chunk::RecurrenceOp, chunk::StateOp,
                               chunk::RecurrenceGradientOp>(op);
    hasRotation |= mlir::isa<chunk::RotateOp>(op);
    for (mlir::Type type : op->getResultTypes())
      if (auto tile = mlir::dyn_cast<chunk::TileType>(type))
        hasPair |= tile.has(Axis::Pair);
    if (auto save = mlir::dyn_cast<chunk::SaveOp>(op)) {
      slots.resize(std::max<size_t>(slots.size(), save.getSlot() + 1));
      slots[save.getSlot()] = typeOf(save.getTile());
    }
  });
  planBlock(kernel.getBody().front());
}

void TilePlan::assign(Value tile, bool reusable) {
  std::vector<unsigned> &candidates = free[tile.getType()];
  if (reusable && !candidates.empty()) {
    buffers[tile] = candidates.back();
    candidates.pop_back();
    return;
  }
  buffers[tile] = list.size();
  list.push_back({typeOf(tile), reusable});
}

void TilePlan::planBlock(mlir::Block &block) {
  bool inSweep = mlir::isa<chunk::SweepOp>(block.getParentOp());
  for (mlir::Operation &op : block) {
    if (auto sweep = mlir::dyn_cast<chunk::SweepOp>(op)) {
      for (auto [argument, result] :
           llvm::zip(sweep.getBody().getArguments(), sweep.getResults())) {
        assign(argument, false);
        buffers[result] = buffers[argument];
      }
      planBlock(sweep.getBody().front());
      continue;
    }
    for (mlir::OpResult result : op.getResults()) {
      if (Value source = takenOver(result))
        buffers[result] = buffers[source];
      else
        assign(result, inSweep && !mlir::isa<chunk::RestoreOp>(op));
    }
    if (!inSweep || mlir::isa<chunk::PointwiseOp>(op.getParentOp()))
      continue;
    // A buffer is free behind the last operation that names it.
    llvm::SmallVector<Value> named(op.getOperands());
    llvm::append_range(named, op.getResults());
    for (Value tile : named) {
      unsigned buffer = buffers.lookup(tile);
      if (tile.getParentBlock() != &block || !list[buffer].reusable)
        continue;
      bool usedLater =
          llvm::any_of(tile.getUsers(), [&](mlir::Operation *user) {
            return user != &op && op.isBeforeInBlock(user);
          });
      bool alias = llvm::any_of(buffers, [&](auto &entry) {
        return entry.second == buffer && entry.first != tile &&
               llvm::any_of(entry.first.getUsers(), [&](mlir::Operation *user) {
                 return user->getBlock() == &block && user != &op &&
                        op.isBeforeInBlock(user);
               });
      });
      std::vector<unsigned> &candidates = free[list[buffer].type];
      if (!usedLater && !alias && !llvm::is_contained(candidates, buffer))
        candidates.push_back(buffer);
    }
  }
}

Value TilePlan::emitOffsets(Code &code, const Sizes &sizes, Value heads) {
  llvm::DenseMap<mlir::Type, Value> known;
  auto size = [&](chunk::TileType type) {
    Value &entry = known[type];
    if (!entry)
      entry = sizeOf(code, sizes, type);
    return entry;
  };
  Value end = code.integer(0);
  auto place = [&](Value floats) {
    Value start = end;
    end = code.add(end, floats);
    return start;
  };
  offsets.clear();
  slotOffsets.clear();
  offsets.resize(list.size());
  for (auto [buffer, offset] : llvm::zip(list, offsets))
    if (!buffer.reusable)
      offset = place(size(buffer.type));
  for (chunk::TileType slot : slots)
    slotOffsets.push_back(place(code.mul(size(slot), sizes.chunks)));
  floatsOfHead = end;
  end = code.mul(end, heads);
  for (auto [buffer, offset] : llvm::zip(list, offsets))
    if (buffer.reusable)
      offset = place(size(buffer.type));
  workStart = end;
  if (hasRecurrence) {
    mlir::ImplicitLocOpBuilder builder(code.place, code.builder);
    workStart = place(emitCoreWorkFloats(builder, sizes.Wp, sizes.Vp));
  }
  rotationStart = end;
  if (hasRotation)
    rotationStart = place(code.mul(code.integer(2 * (sizes.C + 1)), sizes.Kp));
  return end;
}

} // namespace decay::cpu
