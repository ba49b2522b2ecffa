//===- SavedStates.cpp - What a sweep saves for a later one ---------------===//
//
// It lies in the workspace, or in an operand of the caller, where forward puts
// it and backward finds it: then its order is the same, whoever wrote it. A
// state is kept as bf16 in pieces of 64 x 16, of which a thread of four warps
// has 16 bytes; rows are in the order of their places, where there are 128 as
// threads with two columns have them. Numbers carried along the tokens are kept
// as they are.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Schemes.h"

namespace decay::cuda {

using ir::Axis;

namespace {

/// Of 64 rows and 16 columns.
constexpr int64_t savedPieceBytes = groupCount * warpLanes * 16;

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

/// Whether this kernel has one column a thread where others have two, whose
/// order of rows is the one that is kept.
bool KernelEmitter::splitsPieces() const {
  return shape.columnsPerThread == 1 && shape.columns() == mostColumns;
}

/// Where this thread's two numbers lie, of each of two tiles, for a half of its
/// rows: of 16 bytes of all threads with the same 64 rows and 16 columns.
Value KernelEmitter::savedLane(int64_t half) {
  Value owner = group, row = lane;
  Value late = code.integer(half * 8);
  if (splitsPieces()) {
    // Row 16 group + 8 half + lane / 4 of 64, as one of two columns' 32.
    Value ofLane = code.shiftRight(lane, 2);
    owner = code.add(code.shiftLeft(code.bitAnd(ofLane, 1), 1),
                     code.shiftRight(group, 1));
    row = code.add(code.shiftLeft(code.shiftRight(ofLane, 1), 2),
                   code.add(code.bitAnd(lane, 3), half * 16));
    late = code.shiftLeft(code.bitAnd(group, 1), 3);
  }
  Value thread = code.add(code.mul(owner, warpLanes), row);
  Value first = code.mul(columnWarp, stateTiles() / 2 * savedPieceBytes);
  return code.extend(
      code.add(first, code.add(code.shiftLeft(thread, 4), late)));
}

/// Of a piece of 64 rows and 16 columns, from this warp's first one on.
int64_t KernelEmitter::savedPieceOffset(int64_t tileRow, int64_t step) const {
  return (tileRow * (shape.V / 16) + step) * savedPieceBytes;
}

/// Where a number carried along the tokens lies, of the column at hand.
Value KernelEmitter::carriedPlace(Value place, bool perChannel) {
  return perChannel ? code.at(place, code.extend(code.shiftLeft(channel, 2)))
                    : place;
}

/// Whether the recurrence saves the state when it makes rows of it, where
/// registers are not as scarce as before.
bool KernelEmitter::isSavedLater(chunk::SaveOp op) {
  return llvm::any_of(op.getTile().getUsers(), [&](mlir::Operation *user) {
    return mlir::isa<chunk::RecurrenceOp>(user) &&
           user->getBlock() == op->getBlock();
  });
}

void KernelEmitter::emitSave(chunk::SaveOp op) {
  const Tile &kept = tile(op.getTile());
  auto type = mlir::cast<chunk::TileType>(op.getTile().getType());
  Values words;
  if (isState(type))
    words = packedState(kept.numbers);
  whenSaving(op, [&] {
    Value place = savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex);
    if (isState(type))
      return storeSavedState(words, place);
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

/// What packedState makes, 16 bytes at a time where a thread's rows are kept
/// together.
void KernelEmitter::storeSavedState(const Values &words, Value place) {
  int64_t atOnce = splitsPieces() ? 2 : 4;
  Value own[] = {code.at(place, savedLane(0)), code.at(place, savedLane(1))};
  size_t next = 0;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t step = 0; step < stateTiles() / 2; ++step)
      for (int64_t from = 0; from < 4; from += atOnce) {
        Value piece = mlir::LLVM::PoisonOp::create(
            builder, code.place, code.vector(atOnce, code.i32()));
        for (int64_t each = 0; each < atOnce; ++each)
          piece = mlir::LLVM::InsertElementOp::create(
              builder, code.place, piece, words[next++], code.integer(each));
        code.store(piece,
                   code.at(own[from / 2], savedPieceOffset(tileRow, step)));
      }
}

/// A state is loaded where it is used: registers are scarce before.
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

/// As packedState makes it.
Values KernelEmitter::loadSavedState(Value restored) {
  auto op = restored.getDefiningOp<chunk::RestoreOp>();
  assert(op && "backward's states were saved");
  Value place = savedPlace(
      {op.getSlot(), op.getKept(), op.getResult().getType()}, chunkIndex);
  Value own[] = {code.at(place, savedLane(0)), code.at(place, savedLane(1))};
  int64_t atOnce = splitsPieces() ? 2 : 4;
  Values words;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t step = 0; step < stateTiles() / 2; ++step)
      for (int64_t from = 0; from < 4; from += atOnce) {
        Value piece =
            code.load(code.vector(atOnce, code.i32()),
                      code.at(own[from / 2], savedPieceOffset(tileRow, step)));
        for (int64_t each = 0; each < atOnce; ++each)
          words.push_back(mlir::LLVM::ExtractElementOp::create(
              builder, code.place, piece, code.integer(each)));
      }
  return words;
}

} // namespace decay::cuda
