//===- Copies.cpp - Between the caller's tensors and tiles ----------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

namespace decay::cpu {

using ir::Axis;

namespace {

/// The bytes of a DecayOperand, and where its fields are.
constexpr int64_t operandBytes = 16, strideField = 8;

struct OperandInfo {
  llvm::StringRef shape;
  bool reduce, optional;
};

OperandInfo infoOf(chunk::KernelOp kernel, int64_t operand) {
  auto entry = mlir::cast<mlir::DictionaryAttr>(kernel.getOperands()[operand]);
  return {entry.getAs<mlir::StringAttr>("shape").getValue(),
          bool(entry.get("reduce")),
          entry.getAs<mlir::IntegerAttr>("optional").getInt() != 0};
}

} // namespace

Value partialSize(Code &code, const Sizes &sizes, llvm::StringRef shape) {
  Value floats = code.integer(1);
  for (auto [letter, size] : {std::pair{'L', sizes.layers},
                              std::pair{'K', sizes.K}, std::pair{'V', sizes.V}})
    if (shape.contains(letter))
      floats = code.mul(floats, size);
  return floats;
}

ItemEmitter::Rows ItemEmitter::rowsOf(int64_t operand, const Buffer &tile,
                                      Value data) {
  llvm::StringRef shape = infoOf(kernel, operand).shape;
  Value one = code.integer(1);
  Value columns = tile.layout.columns;
  Value heads = shape.contains('H') ? sizes.H : one;
  Value own = shape.contains('H') ? head : code.integer(0);
  if (tile.type.has(Axis::Token)) {
    Value dense = code.mul(heads, columns);
    Value given =
        code.load(code.i64(),
                  code.bytesAt(operands, operand * operandBytes + strideField));
    Value stride =
        code.choose(code.equal(given, code.integer(0)), dense, given);
    Value row = code.add(firstRow, chunkStart);
    Value start = code.add(code.mul(row, stride), code.mul(own, columns));
    return {code.at(data, start), stride};
  }
  bool state = shape.contains('W');
  Value each = state ? code.mul(sizes.W, columns) : columns;
  Value index = own;
  if (shape.contains('N'))
    index = code.add(code.mul(sequence, heads), own);
  Value stride = state ? columns : code.mul(heads, columns);
  return {code.at(data, code.mul(index, each)), stride};
}

void ItemEmitter::copy(Value from, Value to, Value floats) {
  Value step = code.integer(variant.lanes);
  code.loop(code.integer(0), floats, step, [&](Value offset) {
    code.store(code.load(code.vectorType(), code.at(from, offset)),
               code.at(to, offset));
  });
}

void ItemEmitter::fill(const Buffer &tile) {
  Value zero = code.zero(code.vectorType());
  code.loop(code.integer(0), sizeOf(code, sizes, tile.type),
            code.integer(variant.lanes), [&](Value offset) {
              code.store(zero, code.at(tile.data, offset));
            });
}

/// Rows of one head lie far apart, where no processor's own prefetcher follows.
/// So the work on a chunk asks for the rows that come next: those of the head
/// beside it, behind the last head those of the first in the next chunk.
Value ItemEmitter::distanceToNext(const Rows &rows, Value columns) {
  Value back = code.mul(headOfItem, columns);
  return code.choose(isLastHead,
                     code.sub(code.mul(nextChunk, rows.stride), back), columns);
}

bool ItemEmitter::isReadInPlace(chunk::ReadOp op) {
  chunk::TileType type = op.getResult().getType();
  bool isRow = type.has(Axis::Channel) != type.has(Axis::Value);
  return nextChunk && type.has(Axis::Token) && isRow &&
         !infoOf(kernel, op.getOperand()).optional &&
         llvm::all_of(op.getResult().getUsers(), [](mlir::Operation *user) {
           return mlir::isa<chunk::PointwiseOp>(user);
         });
}

ItemEmitter::Rows ItemEmitter::rowsInPlace(chunk::ReadOp op) {
  int64_t operand = op.getOperand();
  Value data = code.load(code.pointerType(),
                         code.bytesAt(operands, operand * operandBytes));
  return rowsOf(operand, buffer(op.getResult()), data);
}

bool ItemEmitter::copiesRows(mlir::Operation &op) {
  auto isRow = [](chunk::TileType type) {
    return type.has(Axis::Token) &&
           type.has(Axis::Channel) != type.has(Axis::Value);
  };
  if (auto read = mlir::dyn_cast<chunk::ReadOp>(op))
    return isRow(read.getResult().getType()) && !isReadInPlace(read) &&
           !infoOf(kernel, read.getOperand()).optional;
  auto write = mlir::dyn_cast<chunk::WriteOp>(op);
  if (!write || !isRow(write.getTile().getType()))
    return false;
  OperandInfo info = infoOf(kernel, write.getOperand());
  return !info.optional && !info.reduce;
}

void ItemEmitter::chooseWhoAsks(mlir::Block &body) {
  llvm::SmallVector<mlir::Operation *> copies;
  for (mlir::Operation &op : body)
    if (copiesRows(op))
      copies.push_back(&op);
  llvm::ArrayRef<mlir::Operation *> left = copies;
  for (auto loop : body.getOps<chunk::PointwiseOp>()) {
    bool readsRows = llvm::any_of(loop.getInputs(), [&](Value input) {
      auto read = input.getDefiningOp<chunk::ReadOp>();
      return read && isReadInPlace(read);
    });
    if (left.empty() || !readsRows)
      continue;
    asksFor[loop] = left.front();
    askedBy[left.front()] = loop;
    left = left.drop_front();
  }
}

std::pair<ItemEmitter::Rows, Value>
ItemEmitter::rowsOfCopy(mlir::Operation *op) {
  auto read = mlir::dyn_cast<chunk::ReadOp>(op);
  auto write = mlir::dyn_cast<chunk::WriteOp>(op);
  int64_t operand = read ? read.getOperand() : write.getOperand();
  Buffer tile = buffer(read ? read.getResult() : write.getTile());
  Value data = code.load(code.pointerType(),
                         code.bytesAt(operands, operand * operandBytes));
  return {rowsOf(operand, tile, data), tile.layout.columns};
}

ItemEmitter::Ahead ItemEmitter::aheadOf(mlir::Operation *op, const Rows &rows,
                                        const Buffer &tile, Value whole) {
  if (!nextChunk || !tile.type.has(Axis::Token))
    return {{}, whole};
  Value distance = distanceToNext(rows, tile.layout.columns);
  mlir::Operation *loop = askedBy.lookup(op);
  if (!loop)
    return {distance, code.integer(0)};
  return {distance,
          code.smaller(whole, buffer(loop->getResult(0)).layout.stride)};
}

void ItemEmitter::copyRow(Value from, Value to, Value whole, const Ahead &ahead,
                          bool write) {
  Value lanes = code.integer(variant.lanes);
  auto copyVector = [&](Value column) {
    code.store(code.load(code.vectorType(), code.at(from, column)),
               code.at(to, column));
  };
  code.loop(code.integer(0), ahead.firstColumn, lanes, copyVector);
  if (!ahead.distance)
    return;
  code.loop(ahead.firstColumn, whole, lanes, [&](Value column) {
    copyVector(column);
    Value there = code.at(write ? to : from, column);
    code.prefetch(code.at(there, ahead.distance), write);
  });
}

void ItemEmitter::emitRead(chunk::ReadOp op) {
  Buffer tile = buffer(op.getResult());
  int64_t operand = op.getOperand();
  Value data = code.load(code.pointerType(),
                         code.bytesAt(operands, operand * operandBytes));
  bool state = tile.type.has(Axis::Channel) && tile.type.has(Axis::Value);
  auto copyRows = [&] {
    Rows rows = rowsOf(operand, tile, data);
    Value count = state ? sizes.W : rowsInUse(tile);
    if (!tile.layout.hasColumns) {
      code.loop(count, [&](Value row) {
        Value number = code.load(
            code.f32(), code.at(rows.data, code.mul(row, rows.stride)));
        code.store(number, code.at(tile.data, row));
      });
      return;
    }
    Value lanes = code.integer(variant.lanes);
    Value whole = code.mul(code.divide(tile.layout.columns, lanes), lanes);
    bool isInPlace = isReadInPlace(op);
    Ahead ahead = aheadOf(op, rows, tile, whole);
    if (isInPlace) // only what lies behind the last whole vector is copied
      count = code.choose(code.less(whole, tile.layout.stride), count,
                          code.integer(0));
    code.loop(count, [&](Value row) {
      Value from = code.at(rows.data, code.mul(row, rows.stride));
      Value to = code.at(tile.data, code.mul(row, tile.layout.stride));
      if (!isInPlace)
        copyRow(from, to, whole, ahead, /*write=*/false);
      code.loop(whole, tile.layout.stride, lanes, [&](Value column) {
        Value left = code.sub(tile.layout.columns, column);
        code.store(code.loadPart(code.at(from, column), left),
                   code.at(to, column));
      });
    });
  };
  if (state)
    fill(tile);
  code.when(code.isNull(data), [&] { fill(tile); }, copyRows);
}

void ItemEmitter::emitWrite(chunk::WriteOp op) {
  Buffer tile = buffer(op.getTile());
  int64_t operand = op.getOperand();
  OperandInfo info = infoOf(kernel, operand);
  bool state = tile.type.has(Axis::Channel) && tile.type.has(Axis::Value);
  Value lanes = code.integer(variant.lanes);
  auto writeRows = [&](Rows rows) {
    Value whole = code.mul(code.divide(tile.layout.columns, lanes), lanes);
    Value left = code.sub(tile.layout.columns, whole);
    Ahead ahead = aheadOf(op, rows, tile, whole);
    code.loop(state ? sizes.W : rowsInUse(tile), [&](Value row) {
      Value to = code.at(rows.data, code.mul(row, rows.stride));
      Value from = code.at(tile.data, code.mul(row, tile.layout.stride));
      if (!tile.layout.hasColumns) {
        code.store(code.load(code.f32(), from), to);
        return;
      }
      copyRow(from, to, whole, ahead, /*write=*/true);
      code.when(code.less(code.integer(0), left), [&] {
        code.storePart(code.load(code.vectorType(), code.at(from, whole)),
                       code.at(to, whole), left);
      });
    });
  };
  if (info.reduce) {
    Value offset = code.integer(0);
    for (int64_t before = 0; before < operand; ++before)
      if (infoOf(kernel, before).reduce)
        offset = code.add(
            offset, partialSize(code, sizes, infoOf(kernel, before).shape));
    writeRows({code.at(partials, offset), tile.layout.columns});
    return;
  }
  Value data = code.load(code.pointerType(),
                         code.bytesAt(operands, operand * operandBytes));
  code.when(
      code.isNull(data), [] {},
      [&] { writeRows(rowsOf(operand, tile, data)); });
}

Value ItemEmitter::slotRow(int64_t slot, chunk::TileType type) {
  Value each = code.mul(chunkIndex, sizeOf(code, sizes, type));
  Value ofHead = code.mul(headOfItem, plan.headFloats());
  return code.at(scratch,
                 code.add(code.add(plan.slotOffset(slot), ofHead), each));
}

void ItemEmitter::emitSave(chunk::SaveOp op) {
  Buffer tile = buffer(op.getTile());
  copy(tile.data, slotRow(op.getSlot(), tile.type),
       sizeOf(code, sizes, tile.type));
}

} // namespace decay::cpu
