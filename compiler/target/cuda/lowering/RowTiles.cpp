//===- RowTiles.cpp - Tiles over tokens and channels ----------------------===//
#include "compiler/target/cuda/lowering/RowTiles.h"

namespace decay::cuda {

using ir::Axis;
using mlir::Value;

chunk::TileType tileType(Value value) {
  return mlir::cast<chunk::TileType>(value.getType());
}

bool hasRows(Value value) {
  return tileType(value).has(Axis::Token) && tileType(value).has(Axis::Channel);
}

Value turnedOperand(Value value) {
  auto op = value.getDefiningOp<chunk::RotateOp>();
  return op ? op.getOperand() : value;
}

chunk::ReadOp sourceOf(Value value) {
  value = turnedOperand(value);
  if (auto read = value.getDefiningOp<chunk::ReadOp>())
    return hasRows(value) ? read : nullptr;
  auto op = value.getDefiningOp<chunk::PointwiseOp>();
  chunk::ReadOp found;
  for (Value input : op ? op.getInputs() : mlir::ValueRange()) {
    if (tileType(input).getAxes() == 0)
      continue;
    chunk::ReadOp source = hasRows(input) ? sourceOf(input) : nullptr;
    if (!source || (found && found != source))
      return nullptr;
    found = source;
  }
  return found;
}

static void findLeaves(Value value, llvm::SetVector<Value> &found) {
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

bool isMadeOfRows(Value value) {
  auto op = value.getDefiningOp<chunk::PointwiseOp>();
  return !op || llvm::all_of(op.getInputs(), [](Value input) {
    return tileType(input).getAxes() == 0 ||
           (hasRows(input) && isMadeOfRows(input));
  });
}

} // namespace decay::cuda
