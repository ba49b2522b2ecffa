//===- LowerBlocks.cpp - The pass lower-blocks ----------------------------===//
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/Gates.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Passes.h"
#include "compiler/target/cuda/lowering/SplitPointwise.h"

namespace decay::cuda {

#define GEN_PASS_DEF_LOWERBLOCKS
#include "compiler/target/cuda/lowering/Passes.h.inc"

namespace {

/// Head dims that packages serve.
constexpr std::pair<int64_t, int64_t> headDims[] = {{64, 64}, {128, 128}};

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

/// One workspace serves all head dims: the same parts, as large as the largest.
void keepLargest(std::vector<WorkspacePart> &parts,
                 llvm::ArrayRef<WorkspacePart> others) {
  if (parts.empty())
    parts = others.vec();
  for (auto [part, other] : llvm::zip_equal(parts, others))
    part.bytesPerElement =
        std::max(part.bytesPerElement, other.bytesPerElement);
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
      if (kernel.getSymName() != "init_parameters")
        simplifyGates(kernel);
      splitPointwise(kernel);
      emitEntry(kernel, gpu, builder);
      kernel.erase();
    }
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
    for (auto [K, V] : headDims) {
      BlockShape shape{K, V, pairsOf(kernel)};
      if (entry == "step") {
        emitStep(kernel, shape, builder);
        setWorkspace(gpu, entry,
                     {{"fault", *parseExtent("1"), faultSlotBytes}});
      } else if (shape.columns() <= mostColumns) {
        KernelEmitter emitter(kernel, shape, builder);
        emitter.emit();
        keepLargest(parts, emitter.workspaceParts());
        setWorkspace(gpu, entry, parts);
        emitSegments(kernel, shape, builder);
        emitParameterSums(kernel, shape, builder);
      }
    }
  }
};

} // namespace
} // namespace decay::cuda
