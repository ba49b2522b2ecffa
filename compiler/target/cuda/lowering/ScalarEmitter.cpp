//===- ScalarEmitter.cpp - The frame of a kernel with one λ per token -----===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

namespace {

chunk::TileType typeOf(Value value) {
  return mlir::cast<chunk::TileType>(value.getType());
}

} // namespace

bool hasRows(Value value) {
  return typeOf(value).has(Axis::Token) && typeOf(value).has(Axis::Channel);
}

namespace {

/// The one operand over tokens and channels that a tile is made of, number by
/// number; none if there is more to it.
chunk::ReadOp sourceOf(Value value) {
  if (auto read = value.getDefiningOp<chunk::ReadOp>())
    return hasRows(value) ? read : nullptr;
  auto op = value.getDefiningOp<chunk::PointwiseOp>();
  chunk::ReadOp found;
  for (Value input : op ? op.getInputs() : mlir::ValueRange()) {
    if (typeOf(input).getAxes() == 0)
      continue;
    chunk::ReadOp source = hasRows(input) ? sourceOf(input) : nullptr;
    if (!source || (found && found != source))
      return nullptr;
    found = source;
  }
  return found;
}

void findLeaves(Value value, llvm::SetVector<Value> &found) {
  auto op = value.getDefiningOp<chunk::PointwiseOp>();
  if (!op) {
    if (hasRows(value))
      found.insert(value);
    return;
  }
  mlir::Block &body = op.getBody().front();
  unsigned number = mlir::cast<mlir::OpResult>(value).getResultNumber();
  llvm::SetVector<Value> needed;
  needed.insert(body.getTerminator()->getOperand(number));
  for (size_t index = 0; index < needed.size(); ++index) {
    Value inside = needed[index];
    if (mlir::Operation *definition = inside.getDefiningOp())
      needed.insert(definition->operand_begin(), definition->operand_end());
    else if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(inside))
      findLeaves(op.getInputs()[argument.getArgNumber()], found);
  }
}

} // namespace

llvm::SetVector<Value> leavesOf(Value value) {
  llvm::SetVector<Value> found;
  findLeaves(value, found);
  return found;
}

namespace {

/// Whether a tile with rows has numbers of tiles with rows and of the whole
/// item alone.
bool isMadeOfRows(Value value) {
  auto op = value.getDefiningOp<chunk::PointwiseOp>();
  return !op || llvm::all_of(op.getInputs(), [](Value input) {
    return typeOf(input).getAxes() == 0 ||
           (hasRows(input) && isMadeOfRows(input));
  });
}

/// Whether a gradient of q or k is written, made number by number.
bool servesWrite(chunk::WriteOp op) {
  if (!hasRows(op.getTile()))
    return true;
  if (!isMadeOfRows(op.getTile()))
    return false;
  int64_t gradients = 0;
  for (Value leaf : leavesOf(op.getTile())) {
    if (auto made = leaf.getDefiningOp<chunk::RecurrenceGradientOp>())
      gradients += leaf == made.getDQ() || leaf == made.getDK();
    else if (!leaf.getDefiningOp<chunk::ReadOp>())
      return false;
  }
  return gradients == 1;
}

bool servesOperands(Value q, Value k, Value lambda) {
  chunk::ReadOp ofQ = sourceOf(q), ofK = sourceOf(k);
  return ofQ && ofK && ofQ != ofK && !typeOf(lambda).has(Axis::Channel);
}

bool isState(Value value) {
  return typeOf(value).has(Axis::Channel) && typeOf(value).has(Axis::Value);
}

bool servesOperation(mlir::Operation *op) {
  if (mlir::isa<chunk::ScanOp, chunk::ScanGradientOp, chunk::RotateOp,
                chunk::SumOp, chunk::RepeatPairOp>(op))
    return false;
  for (Value result : op->getResults())
    if (auto type = mlir::dyn_cast<chunk::TileType>(result.getType()))
      if (type.has(Axis::Channel) && !type.has(Axis::Token) &&
          !type.has(Axis::Value))
        return false;
  if (auto save = mlir::dyn_cast<chunk::SaveOp>(op))
    return isState(save.getTile());
  if (auto write = mlir::dyn_cast<chunk::WriteOp>(op))
    return servesWrite(write);
  if (auto made = mlir::dyn_cast<chunk::RecurrenceOp>(op))
    return servesOperands(made.getQ(), made.getK(), made.getLambda());
  if (auto made = mlir::dyn_cast<chunk::RecurrenceGradientOp>(op))
    return servesOperands(made.getQ(), made.getK(), made.getLambda());
  if (auto made = mlir::dyn_cast<chunk::StateOp>(op))
    return sourceOf(made.getK()) &&
           !typeOf(made.getLambda()).has(Axis::Channel);
  return true;
}

} // namespace

ScalarEmitter::ScalarEmitter(chunk::KernelOp kernel, BlockShape shape,
                             mlir::OpBuilder &builder)
    : KernelEmitter(kernel, shape, builder) {
  tokensPerThread = 2;
  setRange(0, tokensPerThread);
  bandRows = shape.K / groupCount;
}

bool ScalarEmitter::serves(chunk::KernelOp kernel, const BlockShape &shape) {
  if (shape.pairs > 1 || shape.K != shape.V)
    return false;
  bool all = true;
  kernel.walk([&](mlir::Operation *op) {
    if (mlir::isa<chunk::ChunkDialect>(op->getDialect()))
      all &= servesOperation(op);
  });
  return all;
}

/// As many as have a multiprocessor's 64 Ki registers.
int32_t ScalarEmitter::blocksWanted(int64_t threads) {
  return static_cast<int32_t>(256 / shape.K);
}

Value ScalarEmitter::ownStart() { return code.shiftLeft(lane, 1); }

/// All warps have all tokens' numbers; the first one speaks for them.
void ScalarEmitter::emitItem() {
  KernelEmitter::emitItem();
  group = lane;
  column = warp;
}

void ScalarEmitter::emitOperation(mlir::Operation &op) {
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](chunk::ReadOp made) { emitScalarRead(made); })
      .Case([&](chunk::WriteOp made) { emitScalarWrite(made); })
      .Case([&](chunk::RecurrenceOp made) { emitScalarRecurrence(made); })
      .Case([&](chunk::StateOp made) { emitScalarState(made); })
      .Case([&](chunk::RecurrenceGradientOp made) { emitScalarGradient(made); })
      .Case([&](chunk::SaveOp made) {
        whenSaving(made, [&] { saveState(made); });
      })
      // It comes with the chunk's copies.
      .Case<chunk::RestoreOp>([](mlir::Operation *) {})
      .Case([&](chunk::PointwiseOp made) {
        // What has rows is made where it is needed.
        if (made.getNumResults() > 0 && !hasRows(made.getResult(0)))
          emitPointwise(made);
      })
      .Default([&](mlir::Operation *) { KernelEmitter::emitOperation(op); });
}

void ScalarEmitter::planSweep(chunk::SweepOp op) {
  planStreams(op);
  isStaged = !hasGradient;
  if (isStaged) {
    stageBytes = sharedBytes;
    reserve(stageBytes);
  }
  regions.zero = reserve(floatBytes);
  places.weights = reserve(scoreTiles * fragmentBytes);
  places.factors = reserve(levels * chunkTokens * floatBytes);
  places.before = reserve(chunkTokens * floatBytes);
  places.behind = reserve(chunkTokens * floatBytes);
  places.total = reserve(floatBytes);
  restored = nullptr;
  for (auto restore : op.getBody().front().getOps<chunk::RestoreOp>())
    restored = restore;
  isTurned = !hasGradient;
  if (hasGradient)
    planGradient();
  planNumbers(op);
  planConstants(op);
}

/// What the item has one number of lies in shared memory meanwhile: registers
/// would be spilled, and come back behind all of a chunk's copies.
void ScalarEmitter::planConstants(chunk::SweepOp op) {
  constants.clear();
  llvm::SetVector<Value> used;
  op.getBody().walk([&](mlir::Operation *inside) {
    if (inside->getBlock() == &op.getBody().front())
      used.insert(inside->operand_begin(), inside->operand_end());
  });
  for (Value value : used)
    if (value.getParentBlock() != &op.getBody().front() &&
        tile(value).kind == Tile::Kind::thread &&
        tile(value).numbers.size() == 1)
      constants.push_back({value, reserve(floatBytes), tile(value).numbers});
}

void ScalarEmitter::loadConstants() {
  for (const Constant &each : constants)
    tile(each.tile).numbers = {
        code.loadShared(code.f32(), Value(), each.shared)};
}

void ScalarEmitter::endChunk() {
  for (const Constant &each : constants)
    tile(each.tile).numbers = each.numbers;
}

/// A lane has its own tokens' part of a sum over tokens.
void ScalarEmitter::sumPartial(Tile &partial) {
  for (Value &number : partial.numbers)
    number = sumOfLanes(number, {1, 2, 4, 8, 16});
  partial.isPartial = false;
}

/// A barrier, behind which a lane's addresses are made anew (forgetLanes).
void ScalarEmitter::synchronise() {
  code.barrier();
  Value zero = code.loadShared(code.i32(), Value(), regions.zero);
  thread = code.bitXor(thread, zero);
  lane = group = code.bitAnd(thread, warpLanes - 1);
}

/// Where chunks are staged, the place of the one before this is free now.
void ScalarEmitter::beginChunk() {
  synchronise();
  loadConstants();
  if (!isStaged)
    return;
  copyNext([](int64_t) { return true; });
  stage = stageOf(firstToken);
}

/// The first chunk's barrier makes constants known to all.
void ScalarEmitter::copyFirst() {
  code.when(code.equal(thread, 0), [&] {
    for (const Constant &each : constants)
      code.storeShared(each.numbers.front(), Value(), each.shared);
  });
  copyNext([](int64_t) { return true; });
}

/// Where the rows of the chunk that begins at a token lie.
Value ScalarEmitter::stageOf(Value token) {
  Value parity = code.bitAnd(code.shiftRight(token, 6), 1);
  return code.mul(parity, stageBytes);
}

void ScalarEmitter::planGradient() {
  int64_t rowBytes = chunkTokens * floatBytes;
  int64_t warps = blockThreads() / warpLanes;
  places.state = reserve(shape.K * shape.V * bfloatBytes);
  places.weightGradients = reserve(scoreTiles * fragmentBytes);
  places.factorGradients = reserve((levels + 1) * rowBytes);
  places.beforeGradients = reserve(warps * rowBytes);
  // Scores are weighed when these are written.
  assert(warps <= levels);
  places.behindGradients = places.factors;
  places.totalGradient = reserve(warps * floatBytes);
}

/// What is wanted of the next chunk, if there is one.
void ScalarEmitter::copyNext(llvm::function_ref<bool(int64_t region)> wanted) {
  Value exists =
      code.both(code.atLeast(nextToken, 0), code.less(nextToken, length));
  if (isStaged)
    stage = stageOf(nextToken);
  code.when(exists, [&] {
    for (const Stream &stream : streams)
      if (wanted(stream.shared))
        copyChunk(stream, nextToken);
    if (restored && wanted(places.state))
      copyState(code.shiftRight(nextToken, 6));
  });
  code.commitCopies();
}

/// The state that was saved for a chunk: each warp copies its band.
void ScalarEmitter::copyState(Value chunk) {
  Value data = savedPlace(
      {restored.getSlot(), restored.getKept(), restored.getResult().getType()},
      chunk);
  int64_t bandBytes = bandRows * shape.V * bfloatBytes;
  Value own = code.add(code.mul(warp, bandBytes), code.shiftLeft(lane, 4));
  Value from = code.at(data, code.extend(own));
  for (int64_t piece = 0; piece < bandBytes; piece += warpLanes * 16)
    code.copyAsync(code.shared(own, places.state + piece), code.at(from, piece),
                   code.integer(16));
}

/// Of a saved state: 8 x 8 numbers, rows being columns of v. Backward's bands
/// lie one after the other.
int64_t ScalarEmitter::savedTile(int64_t row, int64_t channels) const {
  int64_t band = channels / bandTiles(), within = channels % bandTiles();
  return ((band * (shape.V / 8) + row) * bandTiles() + within) * 128;
}

/// Forward's bands as bf16, four bytes of each lane a tile.
void ScalarEmitter::saveState(chunk::SaveOp op) {
  assert(isTurned && "the order of a turned band's lanes");
  const Values state = tile(op.getTile()).numbers;
  Value data = savedPlace({op.getSlot(), op.getKept(),
                           mlir::cast<chunk::TileType>(op.getTile().getType())},
                          chunkIndex);
  Value place = code.at(
      data, code.extend(code.add(code.mul(warp, savedTile(bandTiles(), 0)),
                                 code.shiftLeft(lane, 2))));
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t channels = 0; channels < stateTiles(); ++channels)
      for (int64_t half = 0; half < 2; ++half) {
        const Value *pair =
            &state[(tileRow * stateTiles() + channels) * 4 + 2 * half];
        code.store(code.pack(pair[0], pair[1]),
                   code.at(place, savedTile(2 * tileRow + half, channels)));
      }
}

void ScalarEmitter::emitScalarRead(chunk::ReadOp op) {
  chunk::TileType type = op.getType();
  int64_t operand = op.getOperand();
  Tile made;
  if (type.has(Axis::Token) &&
      (type.has(Axis::Channel) || type.has(Axis::Value))) {
    made.kind = Tile::Kind::rows;
    made.shared = llvm::find_if(streams, [&](const Stream &stream) {
                    return stream.operand == operand;
                  })->shared;
  } else if (type.has(Axis::Token)) {
    made.kind = Tile::Kind::columns;
    auto stream = llvm::find_if(numberStreams, [&](const NumberStream &each) {
      return each.operand == operand;
    });
    // Numbers of two chunks in turn lie there.
    Value parity = code.bitAnd(firstToken, chunkTokens);
    made.numbers = loadPair(code.add(parity, ownStart()), stream->shared);
  } else if (type.has(Axis::Channel) && type.has(Axis::Value)) {
    // Loaded by the sweep that begins with it.
    made.kind = Tile::Kind::state;
  } else {
    return emitRead(op);
  }
  tiles[op.getResult()] = made;
}

void ScalarEmitter::emitScalarWrite(chunk::WriteOp op) {
  // Matrix products write their rows themselves.
  chunk::TileType type = typeOf(op.getTile());
  if (type.has(Axis::Token) &&
      (type.has(Axis::Channel) || type.has(Axis::Value)))
    return;
  emitWrite(op);
}

Value ScalarEmitter::stateRow(int64_t tileRow, int64_t half) {
  return code.add(code.mul(warp, bandRows),
                  code.add(code.shiftRight(lane, 2), tileRow * 16 + half * 8));
}

/// The first of two numbers of a turned band, of neighbouring channels.
Value ScalarEmitter::turnedPlace(Value data, int64_t tileRow, int64_t place,
                                 int64_t half) {
  Value channel = code.add(code.shiftLeft(code.bitAnd(lane, 3), 1), place * 8);
  Value element = code.add(code.mul(channel, shape.V), stateRow(tileRow, half));
  return code.at(data, code.extend(code.mul(element, floatBytes)));
}

Values ScalarEmitter::loadStateAt(Value data) {
  if (!isTurned)
    return KernelEmitter::loadStateAt(data);
  Values numbers;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); ++place)
      for (int64_t half = 0; half < 2; ++half) {
        Value first = turnedPlace(data, tileRow, place, half);
        numbers.push_back(code.load(code.f32(), first));
        numbers.push_back(
            code.load(code.f32(), code.at(first, shape.V * floatBytes)));
      }
  return numbers;
}

void ScalarEmitter::storeStateAt(const Values &state, Value data) {
  if (!isTurned)
    return KernelEmitter::storeStateAt(state, data);
  int64_t next = 0;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); ++place)
      for (int64_t half = 0; half < 2; ++half) {
        Value first = turnedPlace(data, tileRow, place, half);
        code.store(state[next++], first);
        code.store(state[next++], code.at(first, shape.V * floatBytes));
      }
}

/// A number of a tile with rows, from those of the tiles that it is made of.
Value ScalarEmitter::numberFrom(Value made, Leaf leaf) {
  if (typeOf(made).getAxes() == 0)
    return tile(made).numbers.front();
  auto op = made.getDefiningOp<chunk::PointwiseOp>();
  if (!op)
    return leaf(made);
  Values inputs;
  for (Value input : op.getInputs())
    inputs.push_back(numberFrom(input, leaf));
  return cloneRegion(
      code, op, inputs)[mlir::cast<mlir::OpResult>(made).getResultNumber()];
}

/// Makes q or k of the operand, where it lies, eight numbers at a time; returns
/// the place.
int64_t ScalarEmitter::activate(Value made) {
  chunk::ReadOp source = sourceOf(made);
  int64_t region = tile(source.getResult()).shared;
  if (source.getResult() == made)
    return region;
  Value offset = code.shiftLeft(thread, 4);
  if (stage)
    offset = code.add(offset, stage);
  int64_t bytes = BlockShape::tileBytes(shape.K);
  for (int64_t from = 0; from < bytes; from += blockThreads() * 16) {
    Value words =
        code.loadShared(code.vector(4, code.i32()), offset, region + from);
    for (int64_t word = 0; word < 4; ++word) {
      Value pair = LLVM::ExtractElementOp::create(builder, code.place, words,
                                                  code.integer(word));
      Value low = code.unpackLow(pair), high = code.unpackHigh(pair);
      Value number = code.pack(numberFrom(made, [&](Value) { return low; }),
                               numberFrom(made, [&](Value) { return high; }));
      words = LLVM::InsertElementOp::create(builder, code.place, words, number,
                                            code.integer(word));
    }
    code.storeShared(words, offset, region + from);
  }
  return region;
}

} // namespace decay::cuda
