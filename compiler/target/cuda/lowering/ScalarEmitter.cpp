//===- ScalarEmitter.cpp - The frame of a kernel with one λ per token -----===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

namespace {

chunk::TileType typeOf(Value value) {
  return mlir::cast<chunk::TileType>(value.getType());
}

bool hasRows(Value value) {
  return typeOf(value).has(Axis::Token) && typeOf(value).has(Axis::Channel);
}

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

/// What a result of a tile with rows follows from: reads and gradients.
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

llvm::SetVector<Value> leavesOf(Value value) {
  llvm::SetVector<Value> found;
  findLeaves(value, found);
  return found;
}

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

/// As many as have a multiprocessor's 64 Ki registers, 128 a thread.
int32_t ScalarEmitter::blocksWanted(int64_t threads) {
  return static_cast<int32_t>(512 / threads);
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
        saveState(tile(made.getTile()).numbers, made.getSlot());
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
  regions.zero = reserve(floatBytes);
  places.state = reserve(shape.K * shape.V * bfloatBytes);
  places.factors = reserve(levels * chunkTokens * floatBytes);
  places.before = reserve(chunkTokens * floatBytes);
  places.behind = reserve(chunkTokens * floatBytes);
  places.total = reserve(floatBytes);
  restoredSlot.reset();
  for (auto restore : op.getBody().front().getOps<chunk::RestoreOp>())
    restoredSlot = restore.getSlot();
  if (hasGradient)
    planGradient();
  planNumbers(op);
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

void ScalarEmitter::planGradient() {
  constexpr int64_t tiles = groupCount * (groupCount + 1) / 2;
  int64_t rowBytes = chunkTokens * floatBytes;
  int64_t warps = blockThreads() / warpLanes;
  places.weights = reserve(tiles * fragmentBytes);
  places.weightGradients = reserve(tiles * fragmentBytes);
  places.factorGradients = reserve((levels + 1) * rowBytes);
  places.beforeGradients = reserve(warps / groupCount * rowBytes);
  places.behindGradients = reserve(warps / groupCount * rowBytes);
  places.totalGradient = reserve(warps * floatBytes);
}

/// All of the next chunk, if there is one.
void ScalarEmitter::copyAll() {
  Value exists =
      code.both(code.atLeast(nextToken, 0), code.less(nextToken, length));
  code.when(exists, [&] {
    for (const Stream &stream : streams)
      copyChunk(stream, nextToken);
    if (restoredSlot)
      copyState(*restoredSlot, code.shiftRight(nextToken, 6));
  });
  code.commitCopies();
}

/// The state that was saved for a chunk.
void ScalarEmitter::copyState(int64_t slot, Value chunk) {
  Value own = code.shiftLeft(thread, 4);
  Value from = code.at(imagePlace(slot, chunk), own);
  for (int64_t bytes = 0; bytes < shape.K * shape.V * bfloatBytes;
       bytes += blockThreads() * 16)
    code.copyAsync(code.shared(own, places.state + bytes), code.at(from, bytes),
                   code.integer(16));
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
  int64_t rowWarps = shape.K / 32;
  return code.add(code.mul(code.bitAnd(warp, rowWarps - 1), 32),
                  code.add(code.shiftRight(lane, 2), tileRow * 16 + half * 8));
}

Value ScalarEmitter::firstStateColumn() {
  int64_t rowWarps = shape.K / 32;
  return code.mul(code.divide(warp, code.integer(rowWarps)), stateTiles() * 8);
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

/// Where the workspace has a chunk's state.
Value ScalarEmitter::imagePlace(int64_t slot, Value chunk) {
  Value first = code.add(
      code.truncate(code.divide(firstRow, code.wide(slotTokens))), sequence);
  Value item = code.add(
      code.mul(code.add(first, chunk), code.truncate(field(LaunchField::H))),
      head);
  return code.at(
      workspacePart("saved" + std::to_string(slot)),
      code.mul(code.extend(item), code.wide(shape.K * shape.V * bfloatBytes)));
}

/// q's or k's gradient, and what is made of it number by number.
void ScalarEmitter::storeGradient(const Sums &sums,
                                  chunk::RecurrenceGradientOp op,
                                  Value gradient) {
  for (auto write : op->getBlock()->getOps<chunk::WriteOp>()) {
    Value made = write.getTile();
    if (!hasRows(made) || !leavesOf(made).contains(gradient))
      continue;
    auto change = [&](Value piece, Value row, Value column) -> Value {
      llvm::DenseMap<Value, Value> pieces = {{gradient, piece}};
      for (Value leaf : leavesOf(made))
        if (auto read = leaf.getDefiningOp<chunk::ReadOp>()) {
          int64_t operand = read.getOperand();
          Value bytes =
              code.add(code.mul(row, strideOf(operand)), code.extend(column));
          pieces[leaf] = code.load(code.vector(4, code.i32()),
                                   code.at(dataOf(operand), bytes));
        }
      for (int64_t word = 0; word < 4; ++word) {
        auto number = [&](bool isHigh) {
          return numberFrom(made, [&](Value leaf) -> Value {
            // What the result does not depend on.
            if (!pieces.count(leaf))
              return code.number(0);
            Value pair = LLVM::ExtractElementOp::create(
                builder, code.place, pieces[leaf], code.integer(word));
            return isHigh ? code.unpackHigh(pair) : code.unpackLow(pair);
          });
        };
        Value low = number(false), high = number(true);
        piece = LLVM::InsertElementOp::create(builder, code.place, piece,
                                              code.pack(low, high),
                                              code.integer(word));
      }
      return piece;
    };
    bool isPlain = made == gradient;
    storeTokens(sums, write.getOperand(), isPlain ? Change() : Change(change));
  }
}

/// Makes q or k of the operand, where it lies, eight numbers at a time; returns
/// the place.
int64_t ScalarEmitter::activate(Value made) {
  chunk::ReadOp source = sourceOf(made);
  int64_t region = tile(source.getResult()).shared;
  if (source.getResult() == made)
    return region;
  Value offset = code.shiftLeft(thread, 4);
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
