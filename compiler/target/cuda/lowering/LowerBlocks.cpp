//===- LowerBlocks.cpp - The pass lower-blocks ----------------------------===//
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Passes.h"
#include "compiler/target/cuda/lowering/ScalarEmitter.h"
#include "compiler/target/cuda/lowering/TokenEmitter.h"

namespace decay::cuda {

#define GEN_PASS_DEF_LOWERBLOCKS
#include "compiler/target/cuda/lowering/Passes.h.inc"

namespace {

using tile::BlockAttr;
using tile::EntryAttr;
using tile::Scheme;
using tile::TileDialect;

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
    for (chunk::KernelOp kernel : kernels)
      // Its verifier sees to the rest.
      if (!kernel->hasAttr(TileDialect::blockName)) {
        kernel.emitError() << "expected a kernel with '"
                           << TileDialect::blockName
                           << "' and layouts, as assign-layouts leaves it, "
                              "found one without";
        return signalPassFailure();
      }
    auto gpu = mlir::gpu::GPUModuleOp::create(builder, module.getLoc(),
                                              kernelModuleName);
    builder.setInsertionPointToStart(gpu.getBody());
    auto bytes = mlir::LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
    mlir::LLVM::GlobalOp::create(
        builder, module.getLoc(), bytes, /*isConstant=*/false,
        mlir::LLVM::Linkage::External, sharedMemoryName, mlir::Attribute(),
        /*alignment=*/1024, /*addrSpace=*/3);
    workspaces.clear();
    for (chunk::KernelOp kernel : kernels) {
      builder.setInsertionPointToEnd(gpu.getBody());
      emitKernel(kernel, gpu, builder);
    }
    for (chunk::KernelOp kernel : kernels)
      kernel.erase();
  }

  void emitKernel(chunk::KernelOp kernel, mlir::gpu::GPUModuleOp gpu,
                  mlir::OpBuilder &builder) {
    BlockShape shape = blockOf(kernel).getShape();
    llvm::StringRef entry = entryOf(kernel).getEntry();
    switch (blockOf(kernel).getScheme()) {
    case Scheme::elements:
      emitInitialise(kernel, builder);
      return;
    case Scheme::step:
      emitStep(kernel, shape, builder);
      setWorkspace(gpu, entry, {{"fault", *parseExtent("1"), faultSlotBytes}});
      return;
    case Scheme::columns:
      return emitItems(KernelEmitter(kernel, shape, builder), gpu, builder);
    case Scheme::bands:
      return emitItems(ScalarEmitter(kernel, shape, builder), gpu, builder);
    case Scheme::tokens:
      return emitItems(TokenEmitter(kernel, shape, builder), gpu, builder);
    }
  }

  /// The kernel that does an entry's items, and the launches around it.
  void emitItems(KernelEmitter &&emitter, mlir::gpu::GPUModuleOp gpu,
                 mlir::OpBuilder &builder) {
    chunk::KernelOp kernel = emitter.source();
    EntryAttr entry = entryOf(kernel);
    emitter.emit();
    std::vector<WorkspacePart> &parts = workspaces[entry.getEntry()];
    keepLargest(parts, emitter.workspaceParts());
    setWorkspace(gpu, entry.getEntry(), parts);
    // The kernel with kept states has the same launches around it.
    if (entry.getKept() == tile::Kept::without)
      return;
    BlockShape shape = blockOf(kernel).getShape();
    emitSegments(kernel, shape, builder);
    emitParameterSums(kernel, shape, builder);
  }

  llvm::StringMap<std::vector<WorkspacePart>> workspaces; ///< by entry
};

} // namespace
} // namespace decay::cuda
