//===- ItemEmitter.cpp - The frame of an item's function ------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cpu {

ItemEmitter::ItemEmitter(chunk::KernelOp kernel, const Variant &variant,
                         mlir::OpBuilder &builder)
    : kernel(kernel), variant(variant), builder(builder),
      code(builder, kernel.getLoc(), variant), plan(kernel) {
  kernel.walk([&](chunk::RotateOp op) { rotationKind = op.getKind(); });
}

mlir::func::FuncOp ItemEmitter::emit() {
  mlir::OpBuilder::InsertionGuard guard(builder);
  llvm::SmallVector<mlir::Type> types(6, code.pointerType());
  std::string name =
      ("decay_" + kernel.getSymName() + "_" + variant.name).str();
  function = mlir::func::FuncOp::create(builder, kernel.getLoc(), name,
                                        builder.getFunctionType(types, {}));
  function->setAttr("decay.operands", kernel.getOperandsAttr());
  builder.setInsertionPointToStart(function.addEntryBlock());
  operands = function.getArgument(0);
  dims = function.getArgument(1);
  Value item = function.getArgument(2);
  scratch = function.getArgument(3);
  partials = function.getArgument(4);
  fault = function.getArgument(5);
  Value *fields[] = {&sequence, &head, &firstRow, &length};
  for (auto [index, field] : llvm::enumerate(fields))
    *field = code.load(code.i64(), code.bytesAt(item, 8 * index));
  sizes = loadSizes(code, dims, plan.pairs(),
                    static_cast<int64_t>(kernel.getChunkLength()), length);
  plan.emitOffsets(code, sizes);
  if (plan.rotates())
    prepareRotation();

  // Parameters are made once, for all heads; all else is one head's work.
  if (kernel.getSymName() == "init_parameters")
    code.loop(sizes.H, [&](Value each) {
      head = each;
      emitBlock(kernel.getBody().front());
    });
  else
    emitBlock(kernel.getBody().front());
  mlir::func::ReturnOp::create(builder, kernel.getLoc());
  return function;
}

void ItemEmitter::emitBlock(mlir::Block &block) {
  for (mlir::Operation &op : block) {
    code.place = op.getLoc();
    emitOperation(op);
  }
}

void ItemEmitter::emitOperation(mlir::Operation &op) {
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](chunk::SweepOp made) { emitSweep(made); })
      .Case([&](chunk::ReadOp made) { emitRead(made); })
      .Case([&](chunk::WriteOp made) { emitWrite(made); })
      .Case([&](chunk::SaveOp made) { emitSave(made); })
      .Case([&](chunk::FillOp made) { fill(buffer(made)); })
      .Case([&](chunk::PointwiseOp made) { emitPointwise(made); })
      .Case([&](chunk::ScanOp made) { emitScan(made); })
      .Case([&](chunk::ScanGradientOp made) { emitScanGradient(made); })
      .Case([&](chunk::AccumulateOp made) { emitAccumulate(made); })
      .Case([&](chunk::SumOp made) { emitSum(made); })
      .Case([&](chunk::SpreadOp made) { emitSpread(made); })
      .Case([&](chunk::RepeatPairOp made) { emitRepeatPair(made); })
      .Case([&](chunk::CheckRangeOp made) { emitCheckRange(made); })
      .Case([&](chunk::AcrossLayersOp made) { emitAcrossLayers(made); })
      .Case([&](chunk::AcrossLayersGradientOp made) {
        emitAcrossLayersGradient(made);
      })
      .Case([&](chunk::AtLayerOp made) { emitAtLayer(made); })
      .Case([&](chunk::FromLayerOp made) { emitFromLayer(made); })
      .Case([&](chunk::IndexOp made) { emitIndex(made); })
      .Case([&](chunk::RandomOp made) { emitRandom(made); })
      .Case([&](chunk::RotateOp made) { emitRotate(made); })
      .Case([&](chunk::RecurrenceOp made) { emitRecurrence(made); })
      .Case([&](chunk::StateOp made) { emitState(made); })
      .Case([&](chunk::RecurrenceGradientOp made) {
        emitRecurrenceGradient(made);
      })
      // Restored tiles are read where they were kept.
      .Case<chunk::RestoreOp, chunk::YieldOp>([](mlir::Operation *) {})
      .Default([](mlir::Operation *) {
        llvm_unreachable("an operation of the chunk dialect without loops");
      });
}

void ItemEmitter::emitSweep(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  for (auto [argument, initial] :
       llvm::zip(body.getArguments(), op.getInitial())) {
    Buffer to = buffer(argument);
    copy(buffer(initial).data, to.data, sizeOf(code, sizes, to.type));
  }
  Value last = code.sub(sizes.chunks, code.integer(1));
  nextChunk = op.getDescending()
                  ? code.sub(code.integer(0), code.integer(sizes.C))
                  : code.integer(sizes.C);
  code.loop(sizes.chunks, [&](Value index) {
    chunkIndex = op.getDescending() ? code.sub(last, index) : index;
    chunkStart = code.mul(chunkIndex, code.integer(sizes.C));
    tokens = code.smaller(code.integer(sizes.C), code.sub(length, chunkStart));
    if (plan.rotates())
      startRotation();
    emitBlock(body);
    for (auto [argument, next] :
         llvm::zip(body.getArguments(), body.getTerminator()->getOperands())) {
      Buffer to = buffer(argument);
      if (plan.offset(next) != plan.offset(argument))
        copy(buffer(next).data, to.data, sizeOf(code, sizes, to.type));
    }
  });
  chunkIndex = chunkStart = tokens = nextChunk = Value();
}

ItemEmitter::Buffer ItemEmitter::buffer(Value tile) {
  auto type = mlir::cast<chunk::TileType>(tile.getType());
  Layout layout = layoutOf(code, sizes, type);
  if (auto restore = tile.getDefiningOp<chunk::RestoreOp>())
    return {slotRow(restore.getSlot(), type), layout, type};
  return {code.at(scratch, plan.offset(tile)), layout, type};
}

Value ItemEmitter::rowsInUse(const Buffer &tile) {
  return tile.type.has(ir::Axis::Token) ? tokens : tile.layout.rows;
}

Value ItemEmitter::apply(llvm::StringRef name, mlir::ValueRange arguments) {
  return expandPointwise(builder, code.place, name, arguments);
}

} // namespace decay::cpu
