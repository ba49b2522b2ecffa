//===- ScalarEmitter.cpp - The frame of a kernel with one λ per token -----===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

ScalarEmitter::ScalarEmitter(chunk::KernelOp kernel, BlockShape shape,
                             mlir::OpBuilder &builder)
    : KernelEmitter(kernel, shape, builder) {
  tokensPerThread = 2;
  setRange(0, tokensPerThread);
  bandRows = shape.bandRows;
  kernel.walk([&](chunk::RotateOp) { isTurning = true; });
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
      // It comes with the chunk's copies, or is made where it is needed.
      .Case<chunk::RestoreOp, chunk::RotateOp>([](mlir::Operation *) {})
      .Case([&](chunk::PointwiseOp made) {
        // What has rows is made where it is needed.
        if (made.getNumResults() > 0 &&
            assigned(made.getResult(0)).kind != Tile::Kind::rows)
          emitPointwise(made);
      })
      .Default([&](mlir::Operation *) { KernelEmitter::emitOperation(op); });
}

/// Numbers that need no place of their own, in what is left of the last one's.
int64_t ScalarEmitter::reserveNumbers(int64_t count) {
  constexpr int64_t lineBytes = 128;
  int64_t bytes = count * floatBytes;
  if (numbersEnd - nextNumber < bytes) {
    nextNumber = reserve(lineBytes);
    numbersEnd = sharedBytes;
  }
  nextNumber += bytes;
  return nextNumber - bytes;
}

void ScalarEmitter::planSweep(chunk::SweepOp op) {
  planStreams(op);
  isStaged = !hasGradient;
  if (isStaged) {
    stageBytes = sharedBytes;
    reserve(stageBytes);
  }
  nextNumber = numbersEnd = 0;
  if (hasGradient)
    planGradient();
  else
    places.weights = reserve(scoreTiles * fragmentBytes);
  places.firstRow = reserveNumbers(2);
  places.length = reserveNumbers(1);
  regions.zero = reserveNumbers(1);
  places.factors = reserve(levels * chunkTokens * floatBytes);
  places.before = reserve(chunkTokens * floatBytes);
  places.behind = reserve(chunkTokens * floatBytes);
  places.total = reserveNumbers(1);
  if (isTurning)
    places.phases = reserve(shape.K / 2 * phaseBytes);
  restored = nullptr;
  for (auto restore : op.getBody().front().getOps<chunk::RestoreOp>())
    restored = restore;
  for (Value carried : op.getBody().front().getArguments())
    if (auto state =
            mlir::dyn_cast<tile::AccumulatorsAttr>(tile::layoutOf(carried)))
      isTurned = state.getTurned();
  // Scores are weighed when these are written.
  places.behindGradients = places.factors;
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
      constants.push_back({value, reserveNumbers(1), tile(value).numbers});
}

void ScalarEmitter::loadConstants() {
  for (const Constant &each : constants)
    tile(each.tile).numbers = {
        code.loadShared(code.f32(), Value(), each.shared)};
}

void ScalarEmitter::endChunk() {
  firstRow = item[0];
  length = item[1];
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
  if (hasGradient) {
    sameZero = code.fromFirstLane(zero);
    setWarp(code.bitXor(warp, sameZero));
    column = warp;
  }
  lane = group = code.bitAnd(thread, warpLanes - 1);
  if (!hasGradient)
    return;
  firstRow = code.loadShared(code.i64(), Value(), places.firstRow);
  length = code.loadShared(code.i32(), Value(), places.length);
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
  item = {firstRow, length};
  code.when(code.equal(thread, 0), [&] {
    code.storeShared(firstRow, Value(), places.firstRow);
    code.storeShared(length, Value(), places.length);
    for (const Constant &each : constants)
      code.storeShared(each.numbers.front(), Value(), each.shared);
  });
  storePhases();
  copyNext([](int64_t) { return true; });
}

/// Where the rows of the chunk that begins at a token lie.
Value ScalarEmitter::stageOf(Value token) {
  Value parity = code.bitAnd(code.shiftRight(token, 6), 1);
  return code.mul(parity, stageBytes);
}

/// What products read comes first: its place is a multiple of 1024 bytes.
void ScalarEmitter::planGradient() {
  int64_t rowBytes = chunkTokens * floatBytes;
  int64_t warps = blockThreads() / warpLanes;
  places.state = reserve(shape.K * shape.V * bfloatBytes);
  places.weights = reserve(BlockShape::tileBytes(chunkTokens));
  places.factorGradients = reserve((levels + 1) * rowBytes);
  places.beforeGradients = reserve(warps / groupCount * rowBytes);
  places.totalGradient = reserveNumbers(warps);
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

/// The state that was saved for a chunk: each warp copies a part.
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

/// Of a saved state: 8 x 8 numbers, rows being columns of v.
int64_t ScalarEmitter::savedTile(int64_t row, int64_t channels) const {
  return (row * (shape.K / 8) + channels) * 128;
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
  Tile made = assigned(op.getResult());
  if (made.kind != Tile::Kind::columns)
    return emitRead(op);
  auto stream = llvm::find_if(numberStreams, [&](const NumberStream &each) {
    return each.operand == static_cast<int64_t>(op.getOperand());
  });
  // Numbers of two chunks in turn lie there.
  Value parity = code.bitAnd(firstToken, chunkTokens);
  made.numbers = loadPair(code.add(parity, ownStart()), stream->shared);
  tiles[op.getResult()] = made;
}

void ScalarEmitter::emitScalarWrite(chunk::WriteOp op) {
  // Matrix products write their rows themselves.
  if (assigned(op.getTile()).kind != Tile::Kind::rows)
    emitWrite(op);
}

/// In ascending sweeps rows lie as a whole: a step along them is an xor.
Value ScalarEmitter::rowOffset(Value row, Value piece, int64_t width) {
  if (hasGradient)
    return KernelEmitter::rowOffset(row, piece, width);
  Value mixed = code.bitXor(piece, code.bitAnd(row, 7));
  Value offset =
      code.add(code.mul(row, rowBytes(width)), code.shiftLeft(mixed, 4));
  return stage ? code.add(offset, stage) : offset;
}

Value ScalarEmitter::stateRow(int64_t tileRow, int64_t half) {
  Value within = code.add(code.shiftRight(lane, 2), half * 8);
  if (hasGradient)
    return channelAt(
        code.add(code.add(code.mul(ownGroup(), groupTokens), within),
                 tileRow * chunkTokens));
  return code.add(code.add(code.mul(warp, bandRows), within), tileRow * 16);
}

Value ScalarEmitter::firstStateColumn() {
  return hasGradient ? firstColumn() : code.integer(0);
}

/// The first of two numbers of a turned band, of neighbouring channels.
Value ScalarEmitter::turnedPlace(Value data, int64_t tileRow, int64_t place,
                                 int64_t half) {
  Value channel =
      code.add(code.shiftLeft(code.bitAnd(lane, 3), 1), pieceAt(place) * 8);
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

/// Two numbers of a tile with rows, from those of the tiles that it is made of.
ScalarEmitter::Pair ScalarEmitter::numbersFrom(Value made, Leaf leaf) {
  if (tileType(made).getAxes() == 0)
    return {tile(made).numbers.front(), tile(made).numbers.front()};
  auto op = made.getDefiningOp<chunk::PointwiseOp>();
  if (!op)
    return leaf(made);
  llvm::SmallVector<Values> inputs(2);
  for (Value input : op.getInputs())
    for (auto [own, number] : llvm::zip(inputs, numbersFrom(input, leaf)))
      own.push_back(number);
  unsigned index = mlir::cast<mlir::OpResult>(made).getResultNumber();
  auto results = cloneRegions(code, op, inputs);
  return {results[0][index], results[1][index]};
}

/// Where what q or k is made of lies.
int64_t ScalarEmitter::regionOf(Value operand) {
  return tile(sourceOf(operand).getResult()).shared;
}

/// Makes q and k, or k alone, of their operands.
void ScalarEmitter::activateAll(llvm::ArrayRef<Value> operands) {
  llvm::SmallVector<Value> turning;
  for (Value operand : operands)
    if (operand.getDefiningOp<chunk::RotateOp>())
      turning.push_back(operand);
    else
      activate(operand);
  if (!turning.empty())
    activateTurning(turning);
}

/// Makes q or k of the operand, where it lies, eight numbers at a time.
void ScalarEmitter::activate(Value made) {
  if (sourceOf(made).getResult() == made)
    return;
  int64_t region = regionOf(made);
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
      Pair raw = {code.unpackLow(pair), code.unpackHigh(pair)};
      auto [low, high] = numbersFrom(made, [&](Value) { return raw; });
      Value number = code.pack(low, high);
      words = LLVM::InsertElementOp::create(builder, code.place, words, number,
                                            code.integer(word));
    }
    code.storeShared(words, offset, region + from);
  }
}

} // namespace decay::cuda
