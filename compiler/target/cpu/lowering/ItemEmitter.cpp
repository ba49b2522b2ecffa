//===- ItemEmitter.cpp - The frame of an item's function ------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"
#include "compiler/target/cpu/glue/Glue.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cpu {

static constexpr int64_t faultFloats = sizeof(GlueItemFault) / sizeof(float);

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
  firstPartials = function.getArgument(4);
  firstFault = function.getArgument(5);
  Value *fields[] = {&sequence, &firstHead, &firstRow,
                     &length,   &heads,     &partialFloats};
  for (auto [index, field] : llvm::enumerate(fields))
    *field = code.load(code.i64(), code.bytesAt(item, 8 * index));
  sizes = loadSizes(code, dims, plan.pairs(),
                    static_cast<int64_t>(kernel.getChunkLength()), length);
  plan.emitOffsets(code, sizes, heads);
  if (plan.rotates())
    prepareRotation();

  emitKernel();
  mlir::func::ReturnOp::create(builder, kernel.getLoc());
  return function;
}

void ItemEmitter::forHeads(llvm::function_ref<void()> body) {
  code.loop(heads, [&](Value each) {
    headOfItem = each;
    head = code.add(firstHead, each);
    partials = code.at(firstPartials, code.mul(each, partialFloats));
    fault = code.at(firstFault, code.mul(each, code.integer(faultFloats)));
    body();
  });
  head = headOfItem = partials = fault = Value();
}

/// Heads follow one another inside a chunk, and in what lies around the sweeps.
void ItemEmitter::emitKernel() {
  mlir::Block &block = kernel.getBody().front();
  // Parameters are made once, for all heads.
  if (kernel.getSymName() == "init_parameters") {
    headOfItem = code.integer(0);
    partials = firstPartials, fault = firstFault;
    code.loop(sizes.H, [&](Value each) {
      head = each;
      emitBlock(block);
    });
    return;
  }
  auto isSweep = [](mlir::Operation &op) {
    return mlir::isa<chunk::SweepOp>(op);
  };
  for (auto op = block.begin(); op != block.end();) {
    if (isSweep(*op)) {
      code.place = op->getLoc();
      emitOperation(*op++);
      continue;
    }
    auto end = std::find_if(op, block.end(), isSweep);
    forHeads([&] {
      for (mlir::Operation &each : llvm::make_range(op, end)) {
        code.place = each.getLoc();
        emitOperation(each);
      }
    });
    op = end;
  }
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

/// What the body yields becomes its arguments.
void ItemEmitter::carry(mlir::ValueRange from, mlir::ValueRange to) {
  for (auto [argument, next] : llvm::zip(to, from)) {
    Buffer target = buffer(argument);
    if (plan.offset(next) != plan.offset(argument))
      copy(buffer(next).data, target.data, sizeOf(code, sizes, target.type));
  }
}

void ItemEmitter::emitSweep(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  forHeads([&] { carry(op.getInitial(), body.getArguments()); });
  Value last = code.sub(sizes.chunks, code.integer(1));
  nextChunk = op.getDescending()
                  ? code.sub(code.integer(0), code.integer(sizes.C))
                  : code.integer(sizes.C);
  Value lastHead = code.sub(heads, code.integer(1));
  chooseWhoAsks(body);
  code.loop(sizes.chunks, [&](Value index) {
    chunkIndex = op.getDescending() ? code.sub(last, index) : index;
    chunkStart = code.mul(chunkIndex, code.integer(sizes.C));
    tokens = code.smaller(code.integer(sizes.C), code.sub(length, chunkStart));
    if (plan.rotates())
      startRotation();
    forHeads([&] {
      isLastHead = code.equal(headOfItem, lastHead);
      emitBlock(body);
      carry(body.getTerminator()->getOperands(), body.getArguments());
    });
  });
  chunkIndex = chunkStart = tokens = nextChunk = isLastHead = Value();
}

ItemEmitter::Buffer ItemEmitter::buffer(Value tile) {
  auto type = mlir::cast<chunk::TileType>(tile.getType());
  Layout layout = layoutOf(code, sizes, type);
  if (auto restore = tile.getDefiningOp<chunk::RestoreOp>())
    return {slotRow(restore.getSlot(), type), layout, type};
  Value offset = plan.offset(tile);
  if (plan.isOfHead(tile))
    offset = code.add(offset, code.mul(headOfItem, plan.headFloats()));
  return {code.at(scratch, offset), layout, type};
}

Value ItemEmitter::rowsInUse(const Buffer &tile) {
  return tile.type.has(ir::Axis::Token) ? tokens : tile.layout.rows;
}

Value ItemEmitter::apply(llvm::StringRef name, mlir::ValueRange arguments) {
  return expandPointwise(builder, code.place, name, arguments);
}

} // namespace decay::cpu
