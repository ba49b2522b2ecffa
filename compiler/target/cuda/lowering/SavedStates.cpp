//===- SavedStates.cpp - What a sweep saves for a later one ---------------===//
//
// It lies in the workspace, or in an operand of the caller, where forward puts
// it and backward finds it: then its order is that of the channels, whoever
// wrote it. A state is kept as bf16 in pieces of 16 x 16, of which a lane has
// 16 bytes: of 64 channels first the even ones, then the odd ones, as threads
// with two columns have them. Numbers carried along the tokens are kept as they
// are.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

namespace {

/// Channels whose pieces lie together, and their threads.
constexpr int64_t blockColumns = 64;
constexpr int64_t blockTileRows = blockColumns / 16;

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

/// Of the piece that a thread has of 16 rows and 16 columns of its state.
int64_t KernelEmitter::savedPieceOffset(int64_t tileRow, int64_t step) const {
  int64_t threads = shape.columns() / blockColumns * groupCount * warpLanes;
  return (tileRow * (stateTiles() / 2) + step) * threads * 16;
}

/// Where this lane's numbers lie among the first piece's. A thread with one
/// column finds two rows of one piece where it has the same row of two.
Value KernelEmitter::savedLane(int64_t half) {
  Value block = columnWarp, row = lane;
  if (shape.columnsPerThread == 1) {
    block = code.shiftRight(columnWarp, 1);
    Value pairRow = code.add(code.shiftRight(lane, 3), half * 4);
    row = code.add(code.shiftLeft(pairRow, 2), code.bitAnd(lane, 3));
  }
  Value owner = code.add(code.mul(block, groupCount), group);
  Value offset = code.shiftLeft(code.add(code.mul(owner, warpLanes), row), 4);
  if (shape.columnsPerThread > 1)
    return code.extend(offset);
  Value isOdd = code.bitAnd(code.shiftRight(lane, 2), 1);
  Value tileRow =
      code.add(code.shiftLeft(isOdd, 1), code.bitAnd(columnWarp, 1));
  return code.extend(
      code.add(offset, code.mul(tileRow, savedPieceOffset(1, 0))));
}

/// Where a number carried along the tokens lies, of the column at hand.
Value KernelEmitter::carriedPlace(Value place, bool perChannel) {
  return perChannel ? code.at(place, code.extend(code.shiftLeft(channel, 2)))
                    : place;
}

void KernelEmitter::emitSave(chunk::SaveOp op) {
  const Tile &kept = tile(op.getTile());
  auto type = mlir::cast<chunk::TileType>(op.getTile().getType());
  whenSaving(op, [&] {
    Value place = savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex);
    if (isState(type))
      return storeSavedState(kept.numbers, place);
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

/// Each thread's numbers as bf16, 16 bytes at a time.
void KernelEmitter::storeSavedState(const Values &state, Value place) {
  auto word = [&](int64_t tileRow, int64_t column, int64_t half) {
    const Value *pair =
        &state[(tileRow * stateTiles() + column) * 4 + half * 2];
    return code.pack(pair[0], pair[1]);
  };
  auto store = [&](const Values &words, Value to) {
    Value piece = mlir::LLVM::PoisonOp::create(builder, code.place,
                                               code.vector(4, code.i32()));
    for (auto [index, each] : llvm::enumerate(words))
      piece = mlir::LLVM::InsertElementOp::create(
          builder, code.place, piece, each,
          code.integer(static_cast<int64_t>(index)));
    code.store(piece, to);
  };
  bool isAlone = shape.columnsPerThread == 1;
  for (int64_t piece = 0; piece < (isAlone ? 2 : blockTileRows); ++piece) {
    Value own = code.at(place, savedLane(piece));
    for (int64_t step = 0; step < stateTiles() / 2; ++step) {
      Values words;
      for (int64_t column = 2 * step; column < 2 * step + 2; ++column)
        for (int64_t half = 0; half < 2; ++half)
          words.push_back(isAlone ? word(half, column, piece)
                                  : word(piece, column, half));
      store(words, code.at(own, savedPieceOffset(isAlone ? 0 : piece, step)));
    }
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

Values KernelEmitter::loadSavedState(Value restored) {
  auto op = restored.getDefiningOp<chunk::RestoreOp>();
  assert(op && "backward's states were saved");
  Value place = savedPlace(
      {op.getSlot(), op.getKept(), op.getResult().getType()}, chunkIndex);
  Values numbers(stateNumbers());
  bool isAlone = shape.columnsPerThread == 1;
  for (int64_t piece = 0; piece < (isAlone ? 2 : blockTileRows); ++piece) {
    Value own = code.at(place, savedLane(piece));
    for (int64_t step = 0; step < stateTiles() / 2; ++step) {
      Value words =
          code.load(code.vector(4, code.i32()),
                    code.at(own, savedPieceOffset(isAlone ? 0 : piece, step)));
      for (int64_t word = 0; word < 4; ++word) {
        Value pair = mlir::LLVM::ExtractElementOp::create(
            builder, code.place, words, code.integer(word));
        int64_t column = 2 * step + word / 2;
        int64_t tileRow = isAlone ? word % 2 : piece;
        int64_t half = isAlone ? piece : word % 2;
        int64_t first = (tileRow * stateTiles() + column) * 4 + half * 2;
        numbers[first] = code.unpackLow(pair);
        numbers[first + 1] = code.unpackHigh(pair);
      }
    }
  }
  return numbers;
}

} // namespace decay::cuda
