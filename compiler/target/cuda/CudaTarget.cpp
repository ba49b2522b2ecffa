//===- CudaTarget.cpp - Hopper GPUs ---------------------------------------===//
#include "compiler/target/Target.h"
#include "compiler/target/cuda/lowering/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

namespace decay::cuda {
namespace {

void addLoweringPasses(mlir::OpPassManager &passes) {
  passes.addPass(createLowerBlocks());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
}

constexpr Phase cudaPhases[] = {
    {"blocks", "a kernel per entry and head dims: what each thread does",
     addLoweringPasses},
};

class CudaTarget final : public Target {
public:
  llvm::StringRef name() const override { return "cuda"; }
  void registerDialects(mlir::DialectRegistry &registry) const override {}
  void registerPasses() const override { registerCudaLoweringPasses(); }
  llvm::ArrayRef<Phase> phases() const override { return cudaPhases; }
  llvm::ArrayRef<TargetArtefact> artefacts() const override { return {}; }

  llvm::Expected<std::string> emit(mlir::ModuleOp module,
                                   const PackageDescription &package,
                                   llvm::StringRef artefact) const override {
    return llvm::createStringError("this target writes no code yet");
  }

  llvm::Expected<std::string>
  emitLibrary(mlir::ModuleOp module, const PackageDescription &package,
              llvm::StringRef directory) const override {
    return llvm::createStringError("this target writes no code yet");
  }
};

} // namespace

const Target &target() {
  static const CudaTarget instance;
  return instance;
}

} // namespace decay::cuda
