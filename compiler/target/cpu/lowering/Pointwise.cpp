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

void ItemEmitter::emitElements(chunk::PointwiseOp op, Value row, Value column,
                               bool vectors) {
  chunk::TileType type = buffer(op.getResult(0)).type;
  mlir::VectorType vector = vectors ? code.vectorType() : mlir::VectorType();
  mlir::Type element = vectors ? mlir::Type(vector) : code.f32();
  mlir::IRMapping numbers;
  mlir::Block &body = op.getBody().front();
  for (auto [argument, input] :
       llvm::zip(body.getArguments(), op.getInputs())) {
    Buffer tile = buffer(input);
    // Along rows only, an input is one number per row; along columns only,
    // the same row each time.
    bool alongRows = tile.layout.hasRows, alongColumns = tile.layout.hasColumns;
    bool rowsAreLanes =
        vectors && !type.has(ir::Axis::Channel) && !type.has(ir::Axis::Value);
    Value offset = code.integer(0);
    if (alongRows)
      offset = code.mul(row, tile.layout.stride);
    if (alongColumns)
      offset = code.add(offset, column);
    bool whole = vectors && (alongColumns || (rowsAreLanes && alongRows));
    Value loaded =
        code.load(whole ? element : code.f32(), code.at(tile.data, offset));
    numbers.map(argument, vectors && !whole ? code.splat(loaded) : loaded);
  }
  for (mlir::Operation &inner : body.without_terminator())
    cloneElement(builder, inner, numbers, vector);
  for (auto [result, value] :
       llvm::zip(op.getResults(), body.getTerminator()->getOperands())) {
    Buffer tile = buffer(result);
    Value made = numbers.lookupOrDefault(value);
    Value offset = code.add(code.mul(row, tile.layout.stride), column);
    code.store(made, code.at(tile.data, offset));
  }
}

void ItemEmitter::emitPointwise(chunk::PointwiseOp op) {
  if (op.getNumResults() == 0)
    return;
  Buffer first = buffer(op.getResult(0));
  Value zero = code.integer(0), lanes = code.integer(variant.lanes);
  if (first.layout.hasColumns) {
    code.loop(rowsInUse(first), [&](Value row) {
      code.loop(zero, first.layout.stride, lanes, [&](Value column) {
        emitElements(op, row, column, /*vectors=*/true);
      });
    });
    for (Value result : op.getResults())
      clearPadding(buffer(result));
  } else if (first.layout.hasRows) {
    // Lanes behind the last row are computed and never read.
    code.loop(zero, rowsInUse(first), lanes, [&](Value row) {
      emitElements(op, row, zero, /*vectors=*/true);
    });
  } else {
    emitElements(op, zero, zero, /*vectors=*/false);
  }
}

} // namespace decay::cpu
