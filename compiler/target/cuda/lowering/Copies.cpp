//===- Copies.cpp - Between the caller's tensors and the block ------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

void KernelEmitter::planStreams(chunk::SweepOp op) {
  llvm::SmallVector<chunk::ReadOp> reads, rows;
  for (auto read : op.getBody().front().getOps<chunk::ReadOp>()) {
    chunk::TileType type = read.getType();
    if (type.has(Axis::Token) && type.has(Axis::Value))
      rows.push_back(read);
    else if (type.has(Axis::Token) && type.has(Axis::Channel))
      reads.push_back(read);
  }
  // Columns lie first.
  reads.append(rows);
  for (chunk::ReadOp read : reads) {
    chunk::TileType type = read.getType();
    Stream stream;
    stream.operand = read.getOperand();
    stream.width = type.has(Axis::Value) ? shape.V : shape.K;
    stream.shared = reserve(BlockShape::tileBytes(stream.width));
    streams.push_back(stream);
  }
}

/// Rows behind the sequence's end become zeros and are not read.
void KernelEmitter::copyChunk(const Stream &stream, Value first) {
  int64_t rowPieces = stream.width / 8;
  int64_t pieces = chunkTokens * rowPieces;
  int64_t rowsAtOnce = blockThreads() / rowPieces;
  Value row = code.divide(thread, code.integer(rowPieces));
  Value within = code.bitAnd(thread, rowPieces - 1);
  Value stride = strideOf(stream.operand), data = dataOf(stream.operand);
  Value element =
      code.add(code.mul(head, stream.width), code.shiftLeft(within, 3));
  Value start = code.extend(code.mul(element, bfloatBytes));
  Value token = code.add(first, row);
  Value source = code.at(
      data, code.add(code.mul(code.add(firstRow, code.extend(token)), stride),
                     start));
  Value further = code.mul(stride, code.wide(rowsAtOnce));
  Value to = rowOffset(row, placeOfPiece(stream, within), stream.width);
  assert(rowsAtOnce % 8 == 0 && "rows that share a swizzle");
  for (int64_t from = 0; from < pieces; from += blockThreads()) {
    int64_t skipped = from / blockThreads() * rowsAtOnce;
    Value exists = code.less(token, code.add(length, -skipped));
    int64_t place = stream.shared + skipped * rowBytes(stream.width);
    code.copyAsync(code.shared(to, place), source,
                   code.choose(exists, code.integer(16), code.integer(0)));
    source = code.at(source, further);
  }
}

/// The next chunk's columns; there may be no next one.
void KernelEmitter::copyColumns() {
  Value exists =
      code.both(code.atLeast(nextToken, 0), code.less(nextToken, length));
  code.when(exists, [&] {
    for (const Stream &stream : streams)
      if (!shapeOf(stream.operand).contains('V'))
        copyChunk(stream, nextToken);
  });
  code.commitCopies();
}

void KernelEmitter::copyRows(Value first) {
  for (const Stream &stream : streams)
    if (shapeOf(stream.operand).contains('V'))
      copyChunk(stream, first);
  code.commitCopies();
}

void KernelEmitter::copyNext() {
  code.when(code.atLeast(nextToken, 0), [&] {
    for (const Stream &stream : streams)
      copyChunk(stream, nextToken);
  });
  code.commitCopies();
}

Value KernelEmitter::rowOffset(Value row, Value piece, int64_t) {
  return panelOffset(row, piece, chunkTokens);
}

int64_t KernelEmitter::rowBytes(int64_t) const { return panelBytes; }

const KernelEmitter::Stream &KernelEmitter::streamOf(chunk::ReadOp op) {
  return *llvm::find_if(streams, [&](const Stream &candidate) {
    return candidate.operand == static_cast<int64_t>(op.getOperand());
  });
}

void KernelEmitter::readColumns(chunk::ReadOp op, Tile &made) {
  const Stream &stream = streamOf(op);
  if (!hasGradient && shape.columnsPerThread == 1) {
    for (Value half : loadColumns(stream))
      made.numbers.push_back(code.widen(half));
    return;
  }
  made.pairs = columnPairs(stream);
  if (keepsColumns)
    keepPairs(made.pairs, &stream - streams.data());
  if (stream.lastQuarter >= 0)
    keepLastQuarter(stream, made.pairs);
  made.numbers.resize(groupTokens * shape.columnsPerThread);
  for (auto [pair, word] : llvm::enumerate(made.pairs))
    unpackPair(made, static_cast<int64_t>(pair), word);
}

/// One number, or one for each of the thread's columns.
Values KernelEmitter::readNumbers(chunk::ReadOp op) {
  bool perChannel = op.getType().has(Axis::Channel);
  auto load = [&] {
    return code.load(code.f32(), numberPlace(op.getOperand(), Value()));
  };
  return code.choose(
      code.isNull(dataOf(op.getOperand())),
      [&] {
        return Values(perChannel ? shape.columnsPerThread : 1, code.number(0));
      },
      [&] { return perChannel ? perColumn(load) : Values{load()}; });
}

void KernelEmitter::emitRead(chunk::ReadOp op) {
  Tile made = assigned(op.getResult());
  switch (made.kind) {
  case Tile::Kind::layers:
    return emitLayersRead(op);
  case Tile::Kind::columns:
    if (op.getType().has(Axis::Channel))
      readColumns(op, made);
    else
      made.numbers = loadNumbers(op.getOperand());
    break;
  case Tile::Kind::rows:
    made.shared = streamOf(op).shared;
    break;
  case Tile::Kind::state:
    // Loaded by the sweep that begins with it: registers are scarce before.
    break;
  case Tile::Kind::thread:
    made.numbers = readNumbers(op);
    break;
  }
  tiles[op.getResult()] = made;
}

/// Where an operand without tokens has this thread's number. What is reduced
/// over items has a place for each sequence (and head) and segment in the
/// workspace.
Value KernelEmitter::numberPlace(int64_t operand, Value layer) {
  auto info = mlir::cast<mlir::DictionaryAttr>(kernel.getOperands()[operand]);
  llvm::StringRef axes = shapeOf(operand);
  bool isReduced = bool(info.get("reduce"));
  Value data = dataOf(operand);
  Value index = code.integer(0);
  if (isReduced) {
    data = workspacePart(info.getAs<mlir::StringAttr>("name").getValue());
    index = sequence;
    if (!axes.contains('H'))
      index = itemOfSequence();
    if (hasSegments)
      index =
          code.add(code.mul(index, code.truncate(field(LaunchField::Segments))),
                   segment);
  }
  auto along = [&](char axis, Value place, Value size) {
    if (axes.contains(axis))
      index = code.add(code.mul(index, size), place);
  };
  Value H = code.truncate(field(LaunchField::H));
  along('N', sequence, code.integer(1));
  if (layer)
    along('L', layer, layerCount());
  along('H', head, H);
  along('K', channel, code.integer(shape.K));
  return code.at(data, code.mul(code.extend(index), code.wide(floatBytes)));
}

Value KernelEmitter::itemOfSequence() {
  return code.add(code.mul(sequence, code.truncate(field(LaunchField::H))),
                  head);
}

/// The state's row, by its place, that this thread has in one of its tiles.
Value KernelEmitter::statePlace(int64_t tileRow, int64_t half) {
  return code.add(
      code.add(code.mul(group, groupTokens), code.shiftRight(lane, 2)),
      tileRow * chunkTokens + half * 8);
}

/// The same, rows being in the order of channels, as they lie in memory.
Value KernelEmitter::stateRow(int64_t tileRow, int64_t half) {
  if (shape.columnsPerThread == 1)
    return statePlace(tileRow, half);
  // 64 places are a warp's columns.
  Value within = code.add(code.mul(code.bitAnd(group, 1), groupTokens),
                          code.add(code.shiftRight(lane, 2), half * 8));
  return code.add(
      code.add(code.mul(within, shape.laneStep()),
               code.mul(code.shiftRight(group, 1), shape.columnStep())),
      tileRow * shape.warpStep());
}

Value KernelEmitter::firstStateColumn() {
  return code.mul(columnWarp, shape.stateColumns());
}

/// Byte offset of two neighbouring numbers of a state in this thread.
Value KernelEmitter::stateOffset(int64_t tileRow, int64_t tileColumn,
                                 int64_t half) {
  Value place = code.add(
      code.add(firstStateColumn(), code.shiftLeft(code.bitAnd(lane, 3), 1)),
      tileColumn * 8);
  Value element = code.add(code.mul(stateRow(tileRow, half), shape.V), place);
  return code.extend(code.mul(element, floatBytes));
}

Values KernelEmitter::loadStateAt(Value data) {
  Values numbers;
  for (int64_t row = 0; row < stateTileRows(); ++row)
    for (int64_t place = 0; place < stateTiles(); ++place)
      for (int64_t half = 0; half < 2; ++half) {
        Value pair = code.load(code.vector(2, code.f32()),
                               code.at(data, stateOffset(row, place, half)));
        for (int64_t each = 0; each < 2; ++each)
          numbers.push_back(mlir::LLVM::ExtractElementOp::create(
              builder, code.place, pair, code.integer(each)));
      }
  return numbers;
}

void KernelEmitter::storeStateAt(const Values &state, Value data) {
  int64_t next = 0;
  for (int64_t row = 0; row < stateTileRows(); ++row)
    for (int64_t place = 0; place < stateTiles(); ++place)
      for (int64_t half = 0; half < 2; ++half) {
        Value pair = mlir::LLVM::PoisonOp::create(builder, code.place,
                                                  code.vector(2, code.f32()));
        for (int64_t each = 0; each < 2; ++each)
          pair = mlir::LLVM::InsertElementOp::create(
              builder, code.place, pair, state[next++], code.integer(each));
        code.store(pair, code.at(data, stateOffset(row, place, half)));
      }
}

/// Where an operand has the state of this block's sequence and head.
Value KernelEmitter::stateOf(Value data) {
  return code.at(data,
                 code.mul(code.extend(itemOfSequence()),
                          code.wide(shape.columns() * shape.V * floatBytes)));
}

Values KernelEmitter::loadState(int64_t operand) {
  Value data = dataOf(operand);
  return code.choose(
      code.isNull(data), [&] { return Values(stateNumbers(), code.number(0)); },
      [&] { return loadStateAt(stateOf(data)); });
}

void KernelEmitter::storeState(const Values &state, int64_t operand) {
  Value data = dataOf(operand);
  code.when(code.notNull(data), [&] { storeStateAt(state, stateOf(data)); });
}

void KernelEmitter::emitWrite(chunk::WriteOp op) {
  const Tile &from = tile(op.getTile());
  int64_t operand = op.getOperand();
  switch (from.kind) {
  case Tile::Kind::columns:
    return storeColumns(from, operand);
  case Tile::Kind::state:
    if (!hasSegments)
      return storeState(from.numbers, operand);
    return code.when(writesFinal(op),
                     [&] { storeState(from.numbers, operand); });
  case Tile::Kind::rows:
    // Matrix products write their rows themselves.
    if (from.pieceAt || followsFrom(op.getTile()))
      writeRows(op);
    return;
  case Tile::Kind::thread: {
    bool perChannel = shapeOf(operand).contains('K');
    Value owner =
        code.both(code.equal(group, 0), perChannel ? code.less(column, shape.K)
                                                   : code.equal(column, 0));
    auto store = [&] {
      code.store(numberAt(from, 0), numberPlace(operand, Value()));
    };
    keepCarryGradient(op);
    // Of a scan the last segment has what it comes to.
    bool isReduced =
        bool(mlir::cast<mlir::DictionaryAttr>(kernel.getOperands()[operand])
                 .get("reduce"));
    if (hasSegments && !isReduced)
      owner = code.both(owner, writesFinal(op));
    code.when(code.both(owner, code.notNull(dataOf(operand))),
              [&] { perChannel ? forColumns(store) : store(); });
    return;
  }
  case Tile::Kind::layers:
    return emitLayersWrite(op);
  }
}

} // namespace decay::cuda
