//===- LowerBlocks.cpp - The pass lower-blocks ----------------------------===//
#include "compiler/target/Target.h"
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/Gates.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Passes.h"
#include "compiler/target/cuda/lowering/ScalarEmitter.h"
#include "compiler/target/cuda/lowering/SplitPointwise.h"
#include "compiler/target/cuda/lowering/TokenEmitter.h"

namespace decay::cuda {

#define GEN_PASS_DEF_LOWERBLOCKS
#include "compiler/target/cuda/lowering/Passes.h.inc"

namespace {

/// K, V, K, V, ... that packages serve unless others are asked for.
constexpr int64_t usualHeadDims[] = {64, 64, 128, 128};

/// More of them do not fit into a block's registers and shared memory.
constexpr int64_t mostColumns = 128;

/// Halves of the state: 2 under lrpe_cosine.
int64_t pairsOf(chunk::KernelOp kernel) {
  bool hasPairs = false;
  kernel.walk([&](chunk::ReadOp op) {
    hasPairs |= mlir::cast<chunk::TileType>(op.getType()).has(ir::Axis::Pair);
  });
  return hasPairs ? 2 : 1;
}

Precision precisionOf(mlir::ModuleOp module) {
  auto asked = module->getAttrOfType<mlir::StringAttr>(precisionAttribute);
  return asked && asked.getValue() == "fp32" ? Precision::fp32
                                             : Precision::bf16;
}

/// Two columns a thread save instructions, but leave half as many warps to wait
/// for each other: on an H100 that pays where a block fills a multiprocessor.
/// A scan's gradient needs all tokens of a column at once, two columns of which
/// are more than a thread's registers; and a backward kernel with long formulas
/// twice is larger than the cache for instructions (128 KiB).
int64_t columnsPerThread(chunk::KernelOp kernel, const BlockShape &shape) {
  bool isBackward = false, isLarge = false;
  kernel.walk([&](mlir::Operation *op) {
    isBackward |= mlir::isa<chunk::RecurrenceGradientOp>(op);
    isLarge |= mlir::isa<chunk::ScanGradientOp, mlir::math::Log1pOp,
                         mlir::math::ExpM1Op>(op);
  });
  bool fits = !isBackward || !isLarge;
  return shape.columns() == mostColumns && fits ? 2 : 1;
}

/// One workspace serves all head dims: the same parts, as large as the largest.
void keepLargest(std::vector<WorkspacePart> &parts,
                 llvm::ArrayRef<WorkspacePart> others) {
  if (parts.empty())
    parts = others.vec();
  for (auto [part, other] : llvm::zip_equal(parts, others))
    part.bytesPerElement =
        std::max(part.bytesPerElement, other.bytesPerElement);
}

std::unique_ptr<KernelEmitter>
emitterOf(chunk::KernelOp kernel, BlockShape &shape, mlir::OpBuilder &builder) {
  if (shape.precision == Precision::fp32)
    return std::make_unique<TokenEmitter>(kernel, shape, builder);
  if (ScalarEmitter::serves(kernel, shape))
    return std::make_unique<ScalarEmitter>(kernel, shape, builder);
  shape.columnsPerThread = columnsPerThread(kernel, shape);
  return std::make_unique<KernelEmitter>(kernel, shape, builder);
}

/// Whether forward and backward keep states in the same order.
bool keepsStates(chunk::KernelOp kernel, const BlockShape &shape) {
  if (shape.precision == Precision::fp32)
    return true;
  auto module = kernel->getParentOfType<mlir::ModuleOp>();
  int scalar = 0, all = 0;
  for (const char *entry : {"forward", "backward"})
    if (auto other = module.lookupSymbol<chunk::KernelOp>(entry)) {
      ++all;
      scalar += ScalarEmitter::serves(other, shape);
    }
  return scalar == 0 || scalar == all;
}

/// The kernel that does an entry's items. Forward has two, as what it keeps
/// takes registers: 13 % more time for lightnet at 128 channels.
void emitItems(chunk::KernelOp kernel, BlockShape &shape, bool keeps,
               std::optional<bool> kept, std::vector<WorkspacePart> &parts,
               mlir::OpBuilder &builder) {
  auto emitter = emitterOf(kernel, shape, builder);
  emitter->setKeepsStates(keeps, kept);
  emitter->emit();
  keepLargest(parts, emitter->workspaceParts());
}

struct LowerBlocks : impl::LowerBlocksBase<LowerBlocks> {
  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    mlir::OpBuilder builder(module.getBodyRegion());
    builder.setInsertionPointToEnd(module.getBody());
    auto kernels = llvm::to_vector(module.getOps<chunk::KernelOp>());
    auto gpu = mlir::gpu::GPUModuleOp::create(builder, module.getLoc(),
                                              kernelModuleName);
    builder.setInsertionPointToStart(gpu.getBody());
    auto bytes = mlir::LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
    mlir::LLVM::GlobalOp::create(
        builder, module.getLoc(), bytes, /*isConstant=*/false,
        mlir::LLVM::Linkage::External, sharedMemoryName, mlir::Attribute(),
        /*alignment=*/1024, /*addrSpace=*/3);
    for (chunk::KernelOp kernel : kernels) {
      // Parameters start the same on every device.
      if (kernel.getSymName() != "init_parameters" &&
          precisionOf(module) == Precision::bf16)
        simplifyGates(kernel);
      splitPointwise(kernel);
    }
    for (chunk::KernelOp kernel : kernels)
      emitEntry(kernel, gpu, builder);
    for (chunk::KernelOp kernel : kernels)
      kernel.erase();
  }

  static void emitEntry(chunk::KernelOp kernel, mlir::gpu::GPUModuleOp gpu,
                        mlir::OpBuilder &builder) {
    llvm::StringRef entry = kernel.getSymName();
    builder.setInsertionPointToEnd(gpu.getBody());
    if (entry == "init_parameters") {
      // A design may have none.
      if (!kernel.getOperands().empty())
        emitInitialise(kernel, builder);
      return;
    }
    std::vector<WorkspacePart> parts;
    llvm::ArrayRef<int64_t> headDims = usualHeadDims;
    if (auto asked =
            gpu->getParentOfType<mlir::ModuleOp>()
                ->getAttrOfType<mlir::DenseI64ArrayAttr>(headDimsAttribute))
      headDims = asked.asArrayRef();
    for (; !headDims.empty(); headDims = headDims.drop_front(2)) {
      BlockShape shape{headDims[0], headDims[1], pairsOf(kernel),
                       precisionOf(gpu->getParentOfType<mlir::ModuleOp>())};
      if (entry == "step") {
        emitStep(kernel, shape, builder);
        setWorkspace(gpu, entry,
                     {{"fault", *parseExtent("1"), faultSlotBytes}});
      } else if (shape.columns() <= mostColumns) {
        bool keeps = keepsStates(kernel, shape);
        if (keeps && entry == "forward")
          for (bool kept : {false, true})
            emitItems(kernel, shape, kept, kept, parts, builder);
        else
          emitItems(kernel, shape, keeps, std::nullopt, parts, builder);
        setWorkspace(gpu, entry, parts);
        if (shape.precision == Precision::bf16)
          emitSegments(kernel, shape, keeps, builder);
        emitParameterSums(kernel, shape, builder);
      }
    }
  }
};

} // namespace
} // namespace decay::cuda
