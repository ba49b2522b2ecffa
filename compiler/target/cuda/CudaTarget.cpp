//===- CudaTarget.cpp - Hopper GPUs ---------------------------------------===//
#include "compiler/conversion/decay_to_chunk/Passes.h"
#include "compiler/package/library/PackageLibrary.h"
#include "compiler/target/Target.h"
#include "compiler/target/cuda/Values.h"
#include "compiler/target/cuda/codegen/Assembler.h"
#include "compiler/target/cuda/codegen/Codegen.h"
#include "compiler/target/cuda/codegen/Library.h"
#include "compiler/target/cuda/codegen/Passes.h"
#include "compiler/target/cuda/lowering/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <mutex>

namespace decay::cuda {
namespace {

void addKeptStates(mlir::OpPassManager &passes) {
  passes.addPass(createKeepStates());
}

void addLayouts(mlir::OpPassManager &passes) {
  passes.addPass(createAssignLayouts());
}

void addLoweringPasses(mlir::OpPassManager &passes) {
  passes.addPass(createLowerBlocks());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
}

constexpr Phase cudaPhases[] = {
    {"kept", "what forward keeps for backward, if a caller gives it room",
     addKeptStates},
    {"tile",
     "a kernel per entry and head dims: who has which numbers, and where",
     addLayouts},
    {"blocks", "a kernel per entry and head dims: what each thread does",
     addLoweringPasses},
    {"nvvm", "the kernels in MLIR's LLVM and NVVM dialects", addNvvmPasses},
};

using Kernels = llvm::ArrayRef<KernelCode>;

/// All kernels' PTX, a comment with the kernel's name before each.
std::string joinPtx(Kernels kernels) {
  std::string text;
  for (const KernelCode &kernel : kernels)
    text += "// kernel " + kernel.name + "\n" + kernel.ptx;
  return text;
}

/// All kernels' ELF files, before each a line "cubin NAME BYTES".
std::string joinCubins(Kernels kernels) {
  std::string bytes;
  for (const KernelCode &kernel : kernels)
    bytes += "cubin " + kernel.name + " " +
             std::to_string(kernel.cubin.size()) + "\n" + kernel.cubin;
  return bytes;
}

struct Artefact {
  TargetArtefact description;
  KernelForm form;
  std::string (*write)(Kernels kernels);
};
constexpr Artefact cudaArtefacts[] = {
    {{"ptx", "PTX of each kernel, after a comment with its name", false},
     KernelForm::Ptx,
     joinPtx},
    {{"cubin", "machine code of each kernel, after a line 'cubin NAME BYTES'",
      true},
     KernelForm::Cubin,
     joinCubins},
    {{"report", "registers, shared memory, spills and occupancy of each kernel",
      false},
     KernelForm::Cubin,
     formatReport},
};
constexpr TargetArtefact descriptions[] = {cudaArtefacts[0].description,
                                           cudaArtefacts[1].description,
                                           cudaArtefacts[2].description};
static_assert(std::size(descriptions) == std::size(cudaArtefacts));

/// The linker's state is global.
std::mutex oneAtATime;

class CudaTarget final : public Target {
public:
  llvm::StringRef name() const override { return "cuda"; }
  void registerDialects(mlir::DialectRegistry &registry) const override {
    registerCodegenDialects(registry);
    registry.insert<tile::TileDialect>();
  }
  void registerPasses() const override {
    registerCudaCodegenPasses();
    registerCudaLoweringPasses();
  }
  std::string tools() const override {
    llvm::Expected<std::string> found = findAssembler();
    if (found)
      return found->empty() ? "" : "ptxas";
    // Whoever needs it will say so.
    llvm::consumeError(found.takeError());
    return "";
  }
  void adapt(dsl::CheckedDesign &design) const override {
    moveValueFactors(design);
  }
  llvm::ArrayRef<int64_t> headDims() const override {
    static constexpr int64_t sizes[] = {64, 128};
    return sizes;
  }
  llvm::ArrayRef<llvm::StringRef> precisions() const override {
    static constexpr llvm::StringRef names[] = {"bf16", "fp32"};
    return names;
  }
  llvm::ArrayRef<Phase> phases() const override { return cudaPhases; }
  llvm::ArrayRef<TargetArtefact> artefacts() const override {
    return descriptions;
  }

  llvm::Expected<std::string> emit(mlir::ModuleOp module,
                                   const PackageDescription &package,
                                   llvm::StringRef artefact) const override {
    const auto *found =
        llvm::find_if(cudaArtefacts, [&](const Artefact &candidate) {
          return candidate.description.name == artefact;
        });
    assert(found != std::end(cudaArtefacts) && "one of artefacts()");
    auto kernels = emitKernels(module, found->form);
    if (!kernels)
      return kernels.takeError();
    if (found->form == KernelForm::Cubin && kernels->front().cubin.empty())
      return llvm::createStringError(
          "this level needs ptxas, which is not here: set DECAY_PTXAS to the "
          "program or its folder");
    return found->write(*kernels);
  }

  llvm::Expected<PackageCode>
  emitLibrary(mlir::ModuleOp module, const PackageDescription &package,
              llvm::StringRef directory) const override {
    auto kernels = emitKernels(module, KernelForm::Cubin);
    if (!kernels)
      return kernels.takeError();
    if (kernels->front().cubin.empty())
      module.emitRemark("ptxas is not here, so the package carries PTX, which "
                        "the driver translates at the first launch; "
                        "DECAY_PTXAS may name the program or its folder");
    auto object = emitHostObject(package, *kernels, [&](llvm::StringRef entry) {
      return workspaceOf(kernelModule(module), entry);
    });
    if (!object)
      return object.takeError();
    std::lock_guard<std::mutex> lock(oneAtATime);
    llvm::Expected<std::string> library =
        linkSharedLibrary(llvm::StringRef(*object), directory);
    if (!library)
      return library.takeError();
    return PackageCode{std::move(*library), {{".ptx", joinPtx(*kernels)}}};
  }
};

} // namespace

const Target &target() {
  static const CudaTarget instance;
  return instance;
}

} // namespace decay::cuda
