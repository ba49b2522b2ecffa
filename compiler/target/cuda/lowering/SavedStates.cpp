//===- SavedStates.cpp - What a sweep saves for a later one ---------------===//
//
// It lies in the workspace, or in an operand of the caller, where forward puts
// it and backward finds it. A state is kept as the bf16 rows that products read
// (GroupProducts.cpp), in the order of their places: it leaves and comes as it
// lies. Numbers carried along the tokens are kept as they are.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Schemes.h"

namespace decay::cuda {

using ir::Axis;

namespace {

bool isState(chunk::TileType type) {
  return type.has(Axis::Channel) && type.has(Axis::Value);
}

std::string savedPart(uint64_t slot) { return "saved" + std::to_string(slot); }

} // namespace

/// Of a chunk and head.
int64_t KernelEmitter::savedBytes(chunk::TileType type) const {
  if (isState(type))
    return shape.columns() * shape.V * shape.elementBytes();
  assert(!type.has(Axis::Pair) && "what is carried is the same for a pair");
  return type.has(Axis::Channel) ? shape.K * floatBytes : floatBytes;
}

/// Only what this launch reads itself takes room in its workspace.
void KernelEmitter::planSavedStates() {
  bool restores = false;
  kernel.walk([&](chunk::RestoreOp) { restores = true; });
  kernel.walk([&](chunk::SaveOp save) {
    if (restores)
      workspace.push_back(
          {savedPart(save.getSlot()), *parseExtent("S H"),
           savedBytes(mlir::cast<chunk::TileType>(save.getTile().getType()))});
  });
}

/// Whether the launch's workspace has a place for the slot.
bool KernelEmitter::isOwn(uint64_t slot) const {
  return llvm::any_of(workspace, [&](const WorkspacePart &part) {
    return part.name == savedPart(slot);
  });
}

/// The caller's memory, null if there is none.
Value KernelEmitter::keptData(std::optional<uint64_t> operand) {
  return keepsStates && operand ? dataOf(static_cast<int64_t>(*operand))
                                : Value();
}

/// Whether a caller left out any of what forward would have kept: then all is
/// made again. None: no caller can give it.
Value KernelEmitter::isKeptMissing() {
  Value missing;
  kernel.walk([&](chunk::SaveOp save) {
    if (Value data = keptData(save.getKept())) {
      Value isMissing = code.isNull(data);
      missing = missing ? code.either(missing, isMissing) : isMissing;
    }
  });
  return missing;
}

/// Forward saves for callers who ask for it; backward for itself.
void KernelEmitter::whenSaving(chunk::SaveOp op,
                               llvm::function_ref<void()> save) {
  if (isOwn(op.getSlot()))
    return save();
  if (Value data = keptData(op.getKept()))
    code.when(code.notNull(data), save);
}

/// Where a chunk has its part of what is saved.
Value KernelEmitter::savedPlace(const Saved &saved, Value chunk) {
  // Chunks of sequence n begin at most at its first row's slot plus n.
  Value first = code.add(
      code.truncate(code.divide(firstRow, code.wide(slotTokens))), sequence);
  Value item = code.add(
      code.mul(code.add(first, chunk), code.truncate(field(LaunchField::H))),
      head);
  Value data = keptData(saved.kept);
  if (isOwn(saved.slot)) {
    Value own = workspacePart(savedPart(saved.slot));
    data = data ? code.choose(isKeptMissing(), own, data) : own;
  }
  return code.at(
      data, code.mul(code.extend(item), code.wide(savedBytes(saved.type))));
}

/// Where a row of a state, by its place, is kept: of 128 rows those of two
/// columns a thread are in the order of their places.
Value KernelEmitter::keptRow(Value row) {
  if (shape.columnsPerThread > 1 || shape.columns() < mostColumns)
    return row;
  Value within = code.bitAnd(row, chunkTokens - 1);
  Value place = code.add(code.mul(code.bitAnd(within, 1), warpLanes),
                         code.shiftRight(within, 1));
  return code.add(code.bitXor(row, within), place);
}

/// Where a number carried along the tokens lies, of the column at hand.
Value KernelEmitter::carriedPlace(Value place, bool perChannel) {
  return perChannel ? code.at(place, code.extend(code.shiftLeft(channel, 2)))
                    : place;
}

/// Whether a sweep saves states, as rows when these are made, and for whom.
KernelEmitter::RowsOut KernelEmitter::rowsSaved(chunk::SweepOp op) {
  RowsOut found = RowsOut::none;
  for (auto save : op.getBody().front().getOps<chunk::SaveOp>()) {
    if (!isState(mlir::cast<chunk::TileType>(save.getTile().getType())))
      continue;
    if (isOwn(save.getSlot()))
      return RowsOut::forLaunch;
    if (keepsStates && save.getKept())
      found = RowsOut::forCallers;
  }
  return found;
}

/// Until the last chunk's saved rows are read; those that this launch reads
/// again are there then.
void KernelEmitter::awaitRows() {
  if (rowsOut != RowsOut::none)
    code.waitCopiesOut(/*isWhole=*/rowsOut == RowsOut::forLaunch);
}

/// A state's rows lie in shared memory, and everyone knows.
void KernelEmitter::saveRows(Value state) {
  for (mlir::Operation *user : state.getUsers()) {
    auto save = mlir::dyn_cast<chunk::SaveOp>(user);
    if (!save)
      continue;
    auto type = mlir::cast<chunk::TileType>(save.getTile().getType());
    whenSaving(save, [&] {
      Value place =
          savedPlace({save.getSlot(), save.getKept(), type}, chunkIndex);
      code.when(code.equal(thread, 0), [&] {
        code.copyOut(place, Value(), regions.state, savedBytes(type));
      });
    });
  }
}

void KernelEmitter::emitSave(chunk::SaveOp op) {
  const Tile &kept = tile(op.getTile());
  auto type = mlir::cast<chunk::TileType>(op.getTile().getType());
  if (isState(type))
    return;
  whenSaving(op, [&] {
    Value place = savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex);
    bool perChannel = type.has(Axis::Channel);
    auto store = [&] {
      code.store(ownOf(kept.numbers), carriedPlace(place, perChannel));
    };
    Value owner =
        code.both(code.equal(group, 0), perChannel ? code.less(column, shape.K)
                                                   : code.equal(column, 0));
    code.when(owner, [&] { perChannel ? forColumns(store) : store(); });
  });
}

/// A state is copied where its rows have a place.
void KernelEmitter::emitRestore(chunk::RestoreOp op) {
  chunk::TileType type = op.getResult().getType();
  Tile made = assigned(op.getResult());
  if (made.kind != Tile::Kind::state) {
    Value place = savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex);
    bool perChannel = type.has(Axis::Channel);
    auto load = [&] {
      return code.load(code.f32(), carriedPlace(place, perChannel));
    };
    made.numbers = perChannel ? perColumn(load) : Values{load()};
  }
  tiles[op.getResult()] = made;
}

/// Asks for the rows of a saved state.
void KernelEmitter::copySavedRows(Value restored) {
  auto op = restored.getDefiningOp<chunk::RestoreOp>();
  assert(op && "backward's states were saved");
  chunk::TileType type = op.getResult().getType();
  Value data = savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex);
  // Panels, 16 bytes a thread: rows come again after 64, or after all.
  Value row = code.bitAnd(code.shiftRight(thread, 3), shape.columns() - 1);
  Value piece = code.bitAnd(code.bitXor(thread, row), 7);
  Value from = code.at(
      data, code.extend(panelOffset(keptRow(row), piece, shape.columns())));
  Value to = panelOffset(row, piece, shape.columns());
  int64_t bytes = savedBytes(type);
  for (int64_t done = 0; done < bytes; done += blockThreads() * 16)
    code.copyAsync(code.shared(to, regions.state + done), code.at(from, done),
                   code.integer(16));
  code.commitCopies();
}

} // namespace decay::cuda
