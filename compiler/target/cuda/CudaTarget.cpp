//===- CudaTarget.cpp - Hopper GPUs ---------------------------------------===//
#include "compiler/target/Target.h"

#include "mlir/IR/BuiltinOps.h"

namespace decay::cuda {
namespace {

class CudaTarget final : public Target {
public:
  llvm::StringRef name() const override { return "cuda"; }
  void registerDialects(mlir::DialectRegistry &registry) const override {}
  void registerPasses() const override {}
  llvm::ArrayRef<Phase> phases() const override { return {}; }
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
