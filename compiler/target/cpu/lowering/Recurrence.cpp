//===- Recurrence.cpp - Calls of the recurrence cores ---------------------===//
#include "compiler/target/cpu/cores/Schedule.h"
#include "compiler/target/cpu/lowering/ItemEmitter.h"

namespace decay::cpu {

namespace {

/// Declares the core `name` unless it is there; the linker finds it among the
/// prebuilt ones.
void declareCore(mlir::ModuleOp module, llvm::StringRef name,
                 mlir::TypeRange arguments) {
  if (module.lookupSymbol(name))
    return;
  auto builder = mlir::OpBuilder::atBlockEnd(module.getBody());
  auto core = mlir::func::FuncOp::create(
      builder, module.getLoc(), name, builder.getFunctionType(arguments, {}));
  core.setPrivate();
}

/// Calls a core: its tiles, then sizes and work memory.
void callCore(Code &code, const TilePlan &plan, const Sizes &sizes,
              Value scratch, Value tokens, mlir::func::FuncOp function,
              Direction direction, bool scalar,
              llvm::SmallVector<Value> arguments) {
  Granularity granularity = scalar ? Granularity::scalar : Granularity::vector;
  CoreRequest request{
      direction, chooseSchedule(direction, granularity)->schedule, granularity};
  llvm::append_range(arguments, mlir::ValueRange{tokens, sizes.Wp, sizes.Vp});
  arguments.push_back(code.at(scratch, plan.workOffset()));
  std::string name = coreName(request, code.variant);
  declareCore(function->getParentOfType<mlir::ModuleOp>(), name,
              mlir::ValueRange(arguments).getTypes());
  mlir::func::CallOp::create(code.builder, code.place, name, mlir::TypeRange{},
                             arguments);
}

bool isScalar(Value lambda) {
  return !mlir::cast<chunk::TileType>(lambda.getType()).has(ir::Axis::Channel);
}

} // namespace

void ItemEmitter::emitRecurrence(chunk::RecurrenceOp op) {
  llvm::SmallVector<Value> tiles;
  for (Value tile : op.getOperands())
    tiles.push_back(buffer(tile).data);
  tiles.push_back(buffer(op.getO()).data);
  callCore(code, plan, sizes, scratch, tokens, function, Direction::forward,
           isScalar(op.getLambda()), tiles);
}

void ItemEmitter::emitState(chunk::StateOp op) {
  llvm::SmallVector<Value> tiles;
  for (Value tile : op.getOperands())
    tiles.push_back(buffer(tile).data);
  callCore(code, plan, sizes, scratch, tokens, function, Direction::state,
           isScalar(op.getLambda()), tiles);
}

void ItemEmitter::emitRecurrenceGradient(chunk::RecurrenceGradientOp op) {
  llvm::SmallVector<Value> tiles;
  for (Value tile : op.getOperands())
    tiles.push_back(buffer(tile).data);
  for (Value tile : {op.getDQ(), op.getDK(), op.getDV(), op.getDLambda()})
    tiles.push_back(buffer(tile).data);
  callCore(code, plan, sizes, scratch, tokens, function, Direction::backward,
           isScalar(op.getLambda()), tiles);
}

} // namespace decay::cpu
