//===- TokenEmitter.cpp - A chunk token by token, in fp32 -----------------===//
#include "compiler/target/cuda/lowering/TokenEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;

namespace {

constexpr int64_t pieceNumbers = BlockShape::pieceNumbers;

bool isState(chunk::TileType type) {
  return type.has(Axis::Channel) && type.has(Axis::Value);
}

Values extract(Lanes &code, Value vector) {
  Values numbers;
  for (int64_t index = 0; index < pieceNumbers; ++index)
    numbers.push_back(LLVM::ExtractElementOp::create(
        code.builder, code.place, vector, code.integer(index)));
  return numbers;
}

} // namespace

TokenEmitter::TokenEmitter(chunk::KernelOp kernel, BlockShape shape,
                           mlir::OpBuilder &builder)
    : KernelEmitter(kernel, shape, builder) {
  bool isBackward = false;
  kernel.walk([&](chunk::RecurrenceGradientOp) { isBackward = true; });
  if (isBackward) {
    views.push_back({/*byValue=*/false, shape.columns()});
    workspace.push_back({historyPart.str(), *parseExtent("N H"),
                         chunkTokens * shape.columns() * shape.V * floatBytes});
  }
  kernel.walk([&](chunk::RecurrenceGradientOp op) {
    if (followsFrom(op.getDV()))
      workspace.push_back({valuesPart.str(), *parseExtent("N H"),
                           chunkTokens * shape.V * floatBytes});
  });
  views.push_back({/*byValue=*/true, shape.V});
}

//===----------------------------------------------------------------------===//
// Who has what of the state
//===----------------------------------------------------------------------===//

Value TokenEmitter::owner(const View &view) {
  return code.divide(thread, code.integer(slices(view)));
}

Value TokenEmitter::innerOf(const View &view, int64_t piece) {
  Value slice = code.bitAnd(thread, slices(view) - 1);
  return code.mul(code.add(slice, piece * slices(view)), pieceNumbers);
}

/// Where memory of [columns, V] has the view's number `index` of this thread.
Value TokenEmitter::elementPlace(Value data, const View &view, int64_t index) {
  Value inner =
      code.add(innerOf(view, index / pieceNumbers), index % pieceNumbers);
  Value row = view.byValue ? inner : owner(view);
  Value column = view.byValue ? owner(view) : inner;
  Value element = code.add(code.mul(row, shape.V), column);
  return code.at(data, code.extend(code.mul(element, floatBytes)));
}

Values TokenEmitter::loadStateAt(Value data) {
  Values numbers;
  for (const View &view : views)
    for (int64_t index = 0; index < viewNumbers(); ++index)
      numbers.push_back(code.load(code.f32(), elementPlace(data, view, index)));
  return numbers;
}

/// All views have the same numbers.
void TokenEmitter::storeStateAt(const Values &state, Value data) {
  for (int64_t index = 0; index < viewNumbers(); ++index)
    code.store(state[index], elementPlace(data, views.front(), index));
}

Values TokenEmitter::ofView(const Values &state, size_t view) const {
  auto first = static_cast<int64_t>(view) * viewNumbers();
  return Values(llvm::ArrayRef(state).slice(first, viewNumbers()));
}

void TokenEmitter::saveState(chunk::SaveOp op) {
  auto type = mlir::cast<chunk::TileType>(op.getTile().getType());
  whenSaving(op, [&] {
    storeStateAt(tile(op.getTile()).numbers,
                 savedPlace({op.getSlot(), op.getKept(), type}, chunkIndex));
  });
}

Values TokenEmitter::restoreState(Value restored) {
  auto op = restored.getDefiningOp<chunk::RestoreOp>();
  assert(op && "backward's states were saved");
  return loadStateAt(savedPlace(
      {op.getSlot(), op.getKept(), op.getResult().getType()}, chunkIndex));
}

//===----------------------------------------------------------------------===//
// A chunk's operands
//===----------------------------------------------------------------------===//

TokenEmitter::Rows TokenEmitter::reserveRows(int64_t width) {
  return {reserve(chunkTokens * width * floatBytes), width};
}

TokenEmitter::Rows TokenEmitter::rowsOf(Value tileOfRows) {
  return {tile(tileOfRows).shared, shape.V};
}

void TokenEmitter::planSweep(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  int64_t columns = shape.columns();
  query = reserveRows(columns);
  key = reserveRows(columns);
  lambda = reserveRows(columns);
  // Exchanges between columns come before the recurrence and behind it.
  regions.wide = query.shared;
  regions.totals = reserve(groupCount * columns * floatBytes);
  regions.diagonal = reserve(shape.columnWarps() * chunkTokens * floatBytes);
  regions.zero = reserve(floatBytes);
  if (hasGradient)
    queryGradient = reserveRows(columns);
  rowsOfOperands.clear();
  for (auto read : body.getOps<chunk::ReadOp>())
    if (assigned(read.getResult()).kind == Tile::Kind::rows)
      rowsOfOperands[read.getOperand()] = reserveRows(shape.V);
  planNumbers(op);
  planRotation(op);
}

void TokenEmitter::emitTokenRead(chunk::ReadOp op) {
  Tile start = assigned(op.getResult());
  bool isColumns =
      start.kind == Tile::Kind::columns && op.getType().has(Axis::Channel);
  if (start.kind != Tile::Kind::rows && !isColumns)
    return emitRead(op);
  int64_t operand = op.getOperand();
  Tile &made = tiles[op.getResult()] = start;
  if (!isColumns) {
    int64_t region = made.shared = rowsOfOperands.at(operand).shared;
    return overPieces([&](Value row, Value piece) {
      storePiece(rawPiece(operand, row, piece), region, row, piece);
    });
  }
  Value element = code.add(code.mul(head, shape.K), channel);
  Value data = code.at(dataOf(operand), code.mul(element, floatBytes));
  Value own = code.add(firstToken, ownStart()), stride = strideOf(operand);
  Value last = code.add(length, -1);
  for (int64_t token = 0; token < groupTokens; ++token) {
    // Behind the end the last token's, which nobody counts.
    Value row = code.add(own, token);
    row = code.choose(code.less(row, length), row, last);
    Value bytes = code.mul(code.add(firstRow, code.extend(row)), stride);
    made.numbers.push_back(code.load(code.f32(), code.at(data, bytes)));
  }
}

/// Each thread's own column of what is in columns.
void TokenEmitter::shareColumns(Value of, float otherwise, const Rows &rows) {
  Value row = code.mul(ownStart(), rows.width * floatBytes);
  Value place = code.add(row, code.shiftLeft(column, 2));
  for (auto [token, number] :
       llvm::enumerate(masked(ownNumbers(tile(of)), otherwise)))
    code.storeShared(number, place,
                     rows.shared +
                         static_cast<int64_t>(token) * rows.width * floatBytes);
}

/// Tokens behind the sequence's end change nothing.
void TokenEmitter::shareOperands(Value q, Value k, Value decay) {
  // Others may still be reading what columns exchanged.
  code.barrier();
  if (q)
    shareColumns(q, 0, query);
  shareColumns(k, 0, key);
  shareColumns(decay, 1, lambda);
  code.barrier();
}

Values TokenEmitter::ownColumn(const Rows &rows) {
  Value row = code.mul(ownStart(), rows.width * floatBytes);
  Value place = code.add(row, code.shiftLeft(column, 2));
  Values numbers;
  for (int64_t token = 0; token < groupTokens; ++token)
    numbers.push_back(code.loadShared(
        code.f32(), place, rows.shared + token * rows.width * floatBytes));
  return numbers;
}

/// A token's numbers along the view's inner axis.
Values TokenEmitter::innerNumbers(const View &view, const Rows &rows,
                                  Value token) {
  Value row = code.mul(token, rows.width);
  Values numbers;
  for (int64_t piece = 0; piece < viewNumbers() / pieceNumbers; ++piece) {
    Value place = code.shiftLeft(code.add(row, innerOf(view, piece)), 2);
    numbers.append(
        extract(code, code.loadShared(code.vector(pieceNumbers, code.f32()),
                                      place, rows.shared)));
  }
  return numbers;
}

Value TokenEmitter::ownerNumber(const View &view, const Rows &rows,
                                Value token) {
  Value place = code.add(code.mul(token, rows.width), owner(view));
  return code.loadShared(code.f32(), code.shiftLeft(place, 2), rows.shared);
}

/// In the place of a number that all threads of the owner have read.
void TokenEmitter::storeOwner(const View &view, Value number, const Rows &rows,
                              Value token) {
  Value place = code.add(code.mul(token, rows.width), owner(view));
  code.when(code.equal(code.bitAnd(thread, slices(view) - 1), 0), [&] {
    code.storeShared(number, code.shiftLeft(place, 2), rows.shared);
  });
}

Value TokenEmitter::sumOfSlices(const View &view, Value number) {
  for (int64_t mask = 1; mask < slices(view); mask *= 2)
    number = code.fadd(number, code.exchange(number, mask));
  return number;
}

/// The owner's element of a token's row, which has v's axis.
void TokenEmitter::storeToken(const View &view, Value number, Value token,
                              int64_t operand) {
  Value data = dataOf(operand);
  Value writes = code.both(code.equal(code.bitAnd(thread, slices(view) - 1), 0),
                           code.less(token, tokens));
  code.when(code.both(writes, code.notNull(data)), [&] {
    Value row = code.add(firstRow, code.extend(code.add(firstToken, token)));
    Value element = code.add(code.mul(head, shape.V), owner(view));
    Value bytes = code.add(code.mul(row, strideOf(operand)),
                           code.extend(code.mul(element, floatBytes)));
    code.store(number, code.at(data, bytes));
  });
}

Values TokenEmitter::loadPiece(int64_t region, Value row, Value piece) {
  Value place = code.add(code.mul(row, shape.V), code.mul(piece, pieceNumbers));
  return extract(code, code.loadShared(code.vector(pieceNumbers, code.f32()),
                                       code.shiftLeft(place, 2), region));
}

void TokenEmitter::storePiece(const Values &numbers, int64_t region, Value row,
                              Value piece) {
  Value place = code.add(code.mul(row, shape.V), code.mul(piece, pieceNumbers));
  code.storeShared(packPiece(numbers), code.shiftLeft(place, 2), region);
}

Values TokenEmitter::unpackPiece(Value words) {
  return extract(code, LLVM::BitcastOp::create(
                           builder, code.place,
                           code.vector(pieceNumbers, code.f32()), words));
}

Value TokenEmitter::packPiece(const Values &numbers) {
  Value four = LLVM::PoisonOp::create(builder, code.place,
                                      code.vector(pieceNumbers, code.f32()));
  for (auto [index, number] : llvm::enumerate(numbers))
    four = LLVM::InsertElementOp::create(
        builder, code.place, four, number,
        code.integer(static_cast<int64_t>(index)));
  return LLVM::BitcastOp::create(builder, code.place,
                                 code.vector(pieceNumbers, code.i32()), four);
}

//===----------------------------------------------------------------------===//
// The recurrence
//===----------------------------------------------------------------------===//

/// s = λ s + k v of a token.
Values TokenEmitter::advance(const View &view, const Values &state,
                             const Rows &v, Value token) {
  auto inner = [&](const Rows &rows) {
    return innerNumbers(view, rows, token);
  };
  auto outer = [&](const Rows &rows) { return ownerNumber(view, rows, token); };
  Values made;
  if (view.byValue) {
    Values decay = inner(lambda), k = inner(key);
    Value own = outer(v);
    for (auto [index, number] : llvm::enumerate(state))
      made.push_back(code.fma(decay[index], number, code.fmul(k[index], own)));
    return made;
  }
  Value decay = outer(lambda), k = outer(key);
  for (auto [number, own] : llvm::zip_equal(state, inner(v)))
    made.push_back(code.fma(decay, number, code.fmul(k, own)));
  return made;
}

void TokenEmitter::emitTokens(chunk::RecurrenceOp op) {
  makeRowsInPlace(op.getV());
  shareOperands(op.getQ(), op.getK(), op.getLambda());
  const View &view = views.front();
  Rows v = rowsOf(op.getV());
  std::optional<int64_t> operand = outputOperand(op.getO());
  Tile next = assigned(op.getNext());
  next.numbers =
      code.loop(code.integer(chunkTokens), tile(op.getState()).numbers,
                [&](Value token, mlir::ValueRange carried) -> Values {
                  Values state = advance(view, Values(carried), v, token);
                  if (!operand)
                    return state;
                  Value sum = code.number(0);
                  for (auto [q, number] :
                       llvm::zip_equal(innerNumbers(view, query, token), state))
                    sum = code.fma(q, number, sum);
                  storeToken(view, sumOfSlices(view, sum), token, *operand);
                  return state;
                });
  tiles[op.getNext()] = next;
  tiles[op.getO()] = assigned(op.getO());
}

void TokenEmitter::emitStates(chunk::StateOp op) {
  makeRowsInPlace(op.getV());
  shareOperands(Value(), op.getK(), op.getLambda());
  Rows v = rowsOf(op.getV());
  Tile next = assigned(op.getNext());
  next.numbers = code.loop(
      code.integer(chunkTokens), tile(op.getState()).numbers,
      [&](Value token, mlir::ValueRange carried) -> Values {
        Values made;
        for (auto [index, view] : llvm::enumerate(views))
          made.append(advance(view, ofView(Values(carried), index), v, token));
        return made;
      });
  tiles[op.getNext()] = next;
}

void TokenEmitter::emitOperation(mlir::Operation &op) {
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](chunk::ReadOp made) { emitTokenRead(made); })
      .Case([&](chunk::RecurrenceOp made) { emitTokens(made); })
      .Case([&](chunk::StateOp made) { emitStates(made); })
      .Case([&](chunk::RecurrenceGradientOp made) { emitTokenGradient(made); })
      .Case([&](chunk::SaveOp made) {
        auto type = mlir::cast<chunk::TileType>(made.getTile().getType());
        isState(type) ? saveState(made) : emitSave(made);
      })
      .Default([&](mlir::Operation *) { KernelEmitter::emitOperation(op); });
}

} // namespace decay::cuda
