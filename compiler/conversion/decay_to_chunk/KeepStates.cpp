//===- KeepStates.cpp - The pass keep-states ------------------------------===//
#include "compiler/conversion/decay_to_chunk/Passes.h"

#include "mlir/IR/Builders.h"

namespace decay {

#define GEN_PASS_DEF_KEEPSTATES
#include "compiler/conversion/decay_to_chunk/Passes.h.inc"

namespace {

mlir::DictionaryAttr describeKept(mlir::DictionaryAttr initial,
                                  bool isWritten) {
  mlir::Builder builder(initial.getContext());
  llvm::StringRef name = initial.getAs<mlir::StringAttr>("name").getValue();
  llvm::StringRef shape = initial.getAs<mlir::StringAttr>("shape").getValue();
  name.consume_front("initial_");
  shape.consume_front("N ");
  mlir::NamedAttrList kept(initial);
  kept.set("name", builder.getStringAttr("kept_" + name));
  kept.set("shape", builder.getStringAttr("S " + shape));
  kept.set("access", builder.getI64IntegerAttr(isWritten));
  kept.set("optional", builder.getI64IntegerAttr(1));
  return kept.getDictionary(initial.getContext());
}

/// Adds an operand for each value that the sweep carries; the place of the
/// first.
int64_t addOperands(chunk::KernelOp kernel, chunk::SweepOp sweep,
                    bool isWritten) {
  llvm::SmallVector<mlir::Attribute> operands(kernel.getOperands().getValue());
  auto first = static_cast<int64_t>(operands.size());
  for (mlir::Value initial : sweep.getInitial()) {
    auto read = initial.getDefiningOp<chunk::ReadOp>();
    assert(read && "a sweep over states begins with operands");
    auto described = mlir::cast<mlir::DictionaryAttr>(
        kernel.getOperands()[read.getOperand()]);
    operands.push_back(describeKept(described, isWritten));
  }
  kernel.setOperandsAttr(mlir::ArrayAttr::get(kernel.getContext(), operands));
  return first;
}

chunk::SweepOp ascendingSweep(chunk::KernelOp kernel) {
  for (auto sweep : kernel.getOps<chunk::SweepOp>())
    if (!sweep.getDescending())
      return sweep;
  return nullptr;
}

struct KeepStates : impl::KeepStatesBase<KeepStates> {
  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<chunk::KernelOp>("forward");
    auto backward = getOperation().lookupSymbol<chunk::KernelOp>("backward");
    if (!forward || !backward)
      return;
    chunk::SweepOp keeping = ascendingSweep(forward);
    chunk::SweepOp again = ascendingSweep(backward);
    if (!keeping || !again || !again.use_empty() ||
        keeping.getInitial().size() != again.getInitial().size())
      return;
    int64_t written = addOperands(forward, keeping, true);
    int64_t read = addOperands(backward, again, false);
    mlir::Block &body = keeping.getBody().front();
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockBegin(&body);
    for (auto [slot, carried] : llvm::enumerate(body.getArguments()))
      chunk::SaveOp::create(builder, keeping.getLoc(), carried, slot,
                            builder.getI64IntegerAttr(written + slot));
    backward.walk([&](mlir::Operation *op) {
      if (auto save = mlir::dyn_cast<chunk::SaveOp>(op))
        save.setKept(read + static_cast<int64_t>(save.getSlot()));
      else if (auto restore = mlir::dyn_cast<chunk::RestoreOp>(op))
        restore.setKept(read + static_cast<int64_t>(restore.getSlot()));
    });
  }
};

} // namespace
} // namespace decay
