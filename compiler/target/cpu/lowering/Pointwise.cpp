//===- Pointwise.cpp - One loop for a chain of operators ------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

#include "mlir/IR/IRMapping.h"

namespace decay::cpu {

void ItemEmitter::clearPadding(const Buffer &tile) {
  if (!tile.layout.hasColumns)
    return;
  Value missing = code.sub(tile.layout.stride, tile.layout.columns);
  code.when(code.less(code.integer(0), missing), [&] {
    code.loop(rowsInUse(tile), [&](Value row) {
      Value start = code.mul(row, tile.layout.stride);
      code.loop(tile.layout.columns, tile.layout.stride, code.integer(1),
                [&](Value column) {
                  code.store(code.number(0),
                             code.at(tile.data, code.add(start, column)));
                });
    });
  });
}

/// A scalar operation of the region, on vectors where its operands are.
static void cloneElement(mlir::OpBuilder &builder, mlir::Operation &op,
                         mlir::IRMapping &numbers, mlir::VectorType vector) {
  if (auto constant = mlir::dyn_cast<mlir::arith::ConstantOp>(op)) {
    auto number = mlir::cast<mlir::FloatAttr>(constant.getValue());
    mlir::TypedAttr value = number;
    if (vector)
      value = mlir::DenseElementsAttr::get(vector, number.getValue());
    numbers.map(constant.getResult(),
                mlir::arith::ConstantOp::create(builder, op.getLoc(), value)
                    .getResult());
    return;
  }
  mlir::Operation *copy = builder.clone(op, numbers);
  if (!vector)
    return;
  for (mlir::OpResult result : copy->getResults())
    result.setType(mlir::VectorType::get(vector.getShape(), result.getType()));
}

/// Clones the region's operations on each list of numbers or vectors, side by
/// side: what waits in one goes on in the other. Returns what it yields of
/// each.
static llvm::SmallVector<llvm::SmallVector<Value>>
cloneBody(mlir::OpBuilder &builder, chunk::PointwiseOp op,
          llvm::ArrayRef<llvm::SmallVector<Value>> inputs,
          mlir::VectorType vector) {
  mlir::Block &body = op.getBody().front();
  llvm::SmallVector<mlir::IRMapping> numbers(inputs.size());
  for (auto [own, given] : llvm::zip(numbers, inputs))
    own.map(body.getArguments(), given);
  for (mlir::Operation &inner : body.without_terminator())
    for (mlir::IRMapping &own : numbers)
      cloneElement(builder, inner, own, vector);
  llvm::SmallVector<llvm::SmallVector<Value>> made;
  for (mlir::IRMapping &own : numbers)
    made.push_back(llvm::map_to_vector(
        body.getTerminator()->getOperands(),
        [&](Value value) { return own.lookupOrDefault(value); }));
  return made;
}

/// Of results without columns: the numbers of `lanes` rows, or of one.
void ItemEmitter::emitElements(chunk::PointwiseOp op, Value row, bool vectors) {
  mlir::VectorType vector = vectors ? code.vectorType() : mlir::VectorType();
  llvm::SmallVector<Value> inputs;
  for (Value input : op.getInputs()) {
    Buffer tile = buffer(input);
    Value number = code.at(tile.data, row);
    if (vectors && tile.layout.hasRows)
      inputs.push_back(code.load(vector, number));
    else
      inputs.push_back(code.load(code.f32(), tile.data));
    if (vectors && !tile.layout.hasRows)
      inputs.back() = code.splat(inputs.back());
  }
  auto made = cloneBody(builder, op, {inputs}, vector).front();
  for (auto [result, value] : llvm::zip(op.getResults(), made))
    code.store(value, code.at(buffer(result).data, row));
}

namespace {

/// Rows in the caller's memory, among the arguments of the function that a loop
/// over rows and columns is.
struct CallerRows {
  Value data, stride;
  Value ahead; ///< from there to what comes next
};

/// An input as such a loop sees it.
struct LoopInput {
  Value tile, tileStride;         ///< the stride is 0 where all rows are one
  std::optional<CallerRows> rows; ///< where the tile does not hold all
  bool hasColumns;
};

/// The arguments of such a function, in order.
struct LoopArguments {
  mlir::ValueRange left;
  Value next() {
    Value first = left.front();
    left = left.drop_front();
    return first;
  }
  CallerRows nextRows() {
    Value data = next(), stride = next();
    return {data, stride, next()};
  }
};

} // namespace

/// One vector of an input. In the caller's rows only whole vectors can be
/// loaded; what is behind them is in the tile.
static Value loadColumn(Code &code, const LoopInput &input, Value row,
                        Value column, Value whole) {
  Value at = code.at(input.tile, code.mul(row, input.tileStride));
  if (!input.hasColumns)
    return code.splat(code.load(code.f32(), at));
  at = code.at(at, column);
  if (input.rows) {
    Value there = code.at(input.rows->data, code.mul(row, input.rows->stride));
    at = code.choose(code.less(column, whole), code.at(there, column), at);
  }
  return code.load(code.vectorType(), at);
}

static void askAhead(Code &code, const CallerRows &rows, Value row,
                     Value column, bool write) {
  Value there = code.at(rows.data, code.mul(row, rows.stride));
  code.prefetch(code.at(code.at(there, column), rows.ahead), write);
}

/// The loop is a function of its own: its constants need all registers. A turn
/// is a line of the cache.
void ItemEmitter::emitColumns(chunk::PointwiseOp op) {
  Buffer first = buffer(op.getResult(0));
  Value zero = code.integer(0), lanes = code.integer(variant.lanes);
  llvm::SmallVector<Value> given;
  auto giveRows = [&](const Rows &rows, Value columns) {
    llvm::append_range(given, mlir::ValueRange{rows.data, rows.stride,
                                               distanceToNext(rows, columns)});
  };
  llvm::SmallVector<LoopInput> inputs;
  for (Value input : op.getInputs()) {
    Buffer tile = buffer(input);
    auto read = input.getDefiningOp<chunk::ReadOp>();
    bool isInPlace = read && isReadInPlace(read);
    inputs.push_back({{}, {}, {}, tile.layout.hasColumns});
    given.push_back(tile.data);
    given.push_back(tile.layout.hasRows ? tile.layout.stride : zero);
    if (isInPlace) {
      inputs.back().rows.emplace();
      giveRows(rowsInPlace(read), tile.layout.columns);
    }
  }
  mlir::Operation *copied = asksFor.lookup(op);
  if (copied) {
    auto [rows, columns] = rowsOfCopy(copied);
    giveRows(rows, columns);
  }
  for (Value result : op.getResults())
    given.push_back(buffer(result).data);
  Value columns = first.layout.columns;
  for (Value size : {rowsInUse(first), first.layout.stride,
                     code.mul(code.divide(columns, lanes), lanes)})
    given.push_back(size);

  std::string name = ("loop_" + kernel.getSymName() + "_" +
                      std::to_string(loopFunctions++) + "_" + variant.name)
                         .str();
  mlir::OpBuilder::InsertionGuard guard(builder);
  auto types = mlir::ValueRange(given).getTypes();
  mlir::func::CallOp::create(builder, code.place, name, mlir::TypeRange{},
                             given);
  builder.setInsertionPoint(function);
  auto loop = mlir::func::FuncOp::create(builder, code.place, name,
                                         builder.getFunctionType(types, {}));
  loop.setPrivate();
  builder.setInsertionPointToStart(loop.addEntryBlock());
  LoopArguments arguments{loop.getArguments()};
  for (LoopInput &input : inputs) {
    input.tile = arguments.next();
    input.tileStride = arguments.next();
    if (input.rows)
      input.rows = arguments.nextRows();
  }
  std::optional<CallerRows> others;
  if (copied)
    others = arguments.nextRows();
  llvm::SmallVector<Value> results;
  for (size_t i = 0; i < op.getNumResults(); ++i)
    results.push_back(arguments.next());
  Value rowCount = arguments.next(), stride = arguments.next(),
        whole = arguments.next();
  auto emitLine = [&](Value row, Value column) {
    for (const LoopInput &input : inputs)
      if (input.rows)
        askAhead(code, *input.rows, row, column, /*write=*/false);
    if (others)
      askAhead(code, *others, row, column, mlir::isa<chunk::WriteOp>(copied));
    llvm::SmallVector<llvm::SmallVector<Value>> loaded;
    llvm::SmallVector<Value> offsets;
    for (int64_t lane = 0; lane < rowPadding; lane += variant.lanes) {
      Value own = code.add(column, code.integer(lane));
      offsets.push_back(code.add(code.mul(row, stride), own));
      loaded.emplace_back();
      for (const LoopInput &input : inputs)
        loaded.back().push_back(loadColumn(code, input, row, own, whole));
    }
    auto made = cloneBody(builder, op, loaded, code.vectorType());
    for (auto [offset, values] : llvm::zip(offsets, made))
      for (auto [result, value] : llvm::zip(results, values))
        code.store(value, code.at(result, offset));
  };
  code.loop(rowCount, [&](Value row) {
    code.loop(code.integer(0), stride, code.integer(rowPadding),
              [&](Value column) { emitLine(row, column); });
  });
  mlir::func::ReturnOp::create(builder, code.place);
}

void ItemEmitter::emitPointwise(chunk::PointwiseOp op) {
  if (op.getNumResults() == 0)
    return;
  Buffer first = buffer(op.getResult(0));
  Value zero = code.integer(0), lanes = code.integer(variant.lanes);
  if (first.layout.hasColumns) {
    emitColumns(op);
    for (Value result : op.getResults())
      clearPadding(buffer(result));
  } else if (first.layout.hasRows) {
    // Lanes behind the last row are computed and never read.
    code.loop(zero, rowsInUse(first), lanes,
              [&](Value row) { emitElements(op, row, /*vectors=*/true); });
  } else {
    emitElements(op, zero, /*vectors=*/false);
  }
}

} // namespace decay::cpu
