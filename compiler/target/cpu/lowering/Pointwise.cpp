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

/// Clones the region's operations on the numbers or vectors given; returns what
/// it yields.
static llvm::SmallVector<Value> cloneBody(mlir::OpBuilder &builder,
                                          chunk::PointwiseOp op,
                                          mlir::ValueRange inputs,
                                          mlir::VectorType vector) {
  mlir::IRMapping numbers;
  mlir::Block &body = op.getBody().front();
  numbers.map(body.getArguments(), inputs);
  for (mlir::Operation &inner : body.without_terminator())
    cloneElement(builder, inner, numbers, vector);
  return llvm::map_to_vector(
      body.getTerminator()->getOperands(),
      [&](Value value) { return numbers.lookupOrDefault(value); });
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
  auto made = cloneBody(builder, op, inputs, vector);
  for (auto [result, value] : llvm::zip(op.getResults(), made))
    code.store(value, code.at(buffer(result).data, row));
}

namespace {

/// An input as a loop over rows and columns sees it, among the arguments of the
/// function that the loop is.
struct LoopInput {
  Value tile, tileStride; ///< the stride is 0 where all rows are one
  Value rows, rowStride;  ///< the caller's; null where the tile holds all
  Value ahead;            ///< from there to what comes next
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
    Value there = code.at(input.rows, code.mul(row, input.rowStride));
    there = code.at(there, column);
    code.prefetch(code.at(there, input.ahead), false);
    at = code.choose(code.less(column, whole), there, at);
  }
  return code.load(code.vectorType(), at);
}

/// The loop is a function of its own: its constants need all registers.
void ItemEmitter::emitColumns(chunk::PointwiseOp op) {
  Buffer first = buffer(op.getResult(0));
  Value zero = code.integer(0), lanes = code.integer(variant.lanes);
  llvm::SmallVector<Value> given;
  llvm::SmallVector<LoopInput> inputs;
  for (Value input : op.getInputs()) {
    Buffer tile = buffer(input);
    auto read = input.getDefiningOp<chunk::ReadOp>();
    bool isInPlace = read && isReadInPlace(read);
    inputs.push_back({{}, {}, {}, {}, {}, tile.layout.hasColumns});
    given.push_back(tile.data);
    given.push_back(tile.layout.hasRows ? tile.layout.stride : zero);
    Rows rows = isInPlace ? rowsInPlace(read) : Rows{tile.data, zero};
    inputs.back().rows = isInPlace ? rows.data : Value();
    given.push_back(rows.data);
    given.push_back(rows.stride);
    given.push_back(isInPlace ? distanceToNext(rows, tile.layout.columns)
                              : zero);
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
    Value rows = arguments.next();
    input.rowStride = arguments.next();
    input.ahead = arguments.next();
    if (input.rows)
      input.rows = rows;
  }
  llvm::SmallVector<Value> results;
  for (size_t i = 0; i < op.getNumResults(); ++i)
    results.push_back(arguments.next());
  Value rowCount = arguments.next(), stride = arguments.next(),
        whole = arguments.next();
  code.loop(rowCount, [&](Value row) {
    code.loop(code.integer(0), stride, code.integer(variant.lanes),
              [&](Value column) {
                llvm::SmallVector<Value> loaded;
                for (const LoopInput &input : inputs)
                  loaded.push_back(loadColumn(code, input, row, column, whole));
                auto made = cloneBody(builder, op, loaded, code.vectorType());
                Value offset = code.add(code.mul(row, stride), column);
                for (auto [result, value] : llvm::zip(results, made))
                  code.store(value, code.at(result, offset));
              });
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
