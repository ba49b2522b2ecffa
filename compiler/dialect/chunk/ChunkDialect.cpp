//===- ChunkDialect.cpp - Registration, tiles, verifiers ------------------===//
#include "compiler/dialect/chunk/ChunkDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "compiler/dialect/chunk/ChunkDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialect/chunk/ChunkTypes.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/dialect/chunk/ChunkOps.cpp.inc"

namespace decay::chunk {

bool TileType::has(ir::Axis axis) const {
  return getAxes() & ir::axisBit(axis);
}

TileType TileType::with(ir::Axis axis) const {
  return get(getContext(), getAxes() | ir::axisBit(axis));
}

TileType TileType::without(ir::Axis axis) const {
  return get(getContext(), getAxes() & ~ir::axisBit(axis));
}

// A tile is written like a field.
void TileType::print(mlir::AsmPrinter &printer) const {
  ir::FieldType::get(getContext(), getAxes()).print(printer);
}

mlir::Type TileType::parse(mlir::AsmParser &parser) {
  mlir::Type field = ir::FieldType::parse(parser);
  if (!field)
    return {};
  return get(parser.getContext(), mlir::cast<ir::FieldType>(field).getAxes());
}

void YieldOp::build(mlir::OpBuilder &builder, mlir::OperationState &state) {
  build(builder, state, mlir::ValueRange{});
}

mlir::LogicalResult PointwiseOp::verify() {
  mlir::Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size())
    return emitOpError("its region must take one number per input");
  for (mlir::Value result : getResults()) {
    if (result.getType() != getResults().front().getType())
      return emitOpError("all results must vary over the same axes");
    for (mlir::Value input : getInputs())
      if (mlir::cast<TileType>(input.getType()).getAxes() &
          ~mlir::cast<TileType>(result.getType()).getAxes())
        return emitOpError(
            "an input varies over an axis that the results lack");
  }
  return mlir::success();
}

void ChunkDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compiler/dialect/chunk/ChunkTypes.cpp.inc"
      >();
}

void ChunkDialect::initialize() {
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/chunk/ChunkOps.cpp.inc"
      >();
}

} // namespace decay::chunk
