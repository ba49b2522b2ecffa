//===- ParameterSums.cpp - Gradients of parameters, over all items --------===//
//
// The last launch of backward. Items left their shares in the workspace; a
// thread adds those of one element in the order of the items, so that the sum
// is the same however the items ran.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

namespace {

constexpr int64_t sumThreads = 256;

bool isReduced(mlir::DictionaryAttr operand) {
  return bool(operand.get("reduce"));
}

llvm::StringRef axesOf(mlir::DictionaryAttr operand) {
  return operand.getAs<mlir::StringAttr>("shape").getValue();
}

class SumEmitter final : public KernelEmitter {
public:
  using KernelEmitter::KernelEmitter;

private:
  KernelLaunch describe() override;
  llvm::StringRef suffix() const override { return "_sums"; }
  int32_t blocksWanted(int64_t threads) override { return 1; }
  void emitItem() override;
  void emitOperation(mlir::Operation &op) override;
  void emitSum(mlir::DictionaryAttr operand, int64_t index);

  Value element; ///< of a parameter, i64
};

/// As many threads as the parameter with the most axes has elements.
KernelLaunch SumEmitter::describe() {
  KernelLaunch how = KernelEmitter::describe();
  llvm::StringRef most;
  for (auto operand : kernel.getOperands().getAsRange<mlir::DictionaryAttr>())
    if (isReduced(operand) && axesOf(operand).size() >= most.size())
      most = axesOf(operand);
  how.stage = sumsStage;
  how.schedule.reset();
  how.threads = sumThreads;
  std::string blocks =
      "ceil(" + most.str() + "," + std::to_string(sumThreads) + ")";
  how.grid = {*parseExtent(most.empty() ? "1" : blocks), *parseExtent("1"),
              *parseExtent("1")};
  return how;
}

void SumEmitter::emitItem() {
  namespace NVVM = mlir::NVVM;
  Value own = NVVM::ThreadIdXOp::create(builder, code.place, code.i32());
  Value block = NVVM::BlockIdXOp::create(builder, code.place, code.i32());
  element = code.extend(code.add(code.mul(block, sumThreads), own));
}

void SumEmitter::emitOperation(mlir::Operation &op) {
  auto write = mlir::dyn_cast<chunk::WriteOp>(op);
  if (!write)
    return;
  auto operand = mlir::cast<mlir::DictionaryAttr>(
      kernel.getOperands()[write.getOperand()]);
  if (isReduced(operand))
    emitSum(operand, write.getOperand());
}

void SumEmitter::emitSum(mlir::DictionaryAttr operand, int64_t index) {
  llvm::StringRef axes = axesOf(operand);
  Value size = extentOf(*parseExtent(axes.empty() ? "1" : axes));
  std::string items = axes.contains('H') ? "N" : "N H";
  if (hasSegments)
    items += " G";
  Value data = dataOf(index);
  Value exists = code.both(code.less(element, size), code.notNull(data));
  code.when(exists, [&] {
    Value bytes = code.mul(element, code.wide(floatBytes));
    Value stride = code.mul(size, code.wide(floatBytes));
    Value share = code.at(
        workspacePart(operand.getAs<mlir::StringAttr>("name").getValue()),
        bytes);
    Values sum = code.loop(
        code.truncate(extentOf(*parseExtent(items))), {code.number(0)},
        [&](Value item, mlir::ValueRange so) -> Values {
          Value place = code.at(share, code.mul(code.extend(item), stride));
          return {code.fadd(so.front(), code.load(code.f32(), place))};
        });
    code.store(sum.front(), code.at(data, bytes));
  });
}

} // namespace

void emitParameterSums(chunk::KernelOp kernel, BlockShape shape,
                       mlir::OpBuilder &builder) {
  if (llvm::any_of(kernel.getOperands().getAsRange<mlir::DictionaryAttr>(),
                   isReduced))
    SumEmitter(kernel, shape, builder).emit();
}

} // namespace decay::cuda
