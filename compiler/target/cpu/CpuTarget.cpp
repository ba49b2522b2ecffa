//===- CpuTarget.cpp - x86-64, AVX2 and AVX-512 --------------------------===//
#include "compiler/package/library/PackageLibrary.h"
#include "compiler/target/Target.h"
#include "compiler/target/cpu/Variants.h"
#include "compiler/target/cpu/codegen/Codegen.h"
#include "compiler/target/cpu/codegen/Passes.h"
#include "compiler/target/cpu/lowering/Passes.h"
#include "compiler/target/cpu/prebuilt/CoreObjects.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Host.h"

#include <mutex>

namespace decay::cpu {
namespace {

void addLoweringPasses(mlir::OpPassManager &passes) {
  passes.addPass(createLowerKernels());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
}

constexpr Phase cpuPhases[] = {
    {"cpu", "one function per kernel and processor: loops over padded tiles",
     addLoweringPasses},
    {"llvm-dialect", "the item functions in MLIR's LLVM dialect",
     addLlvmDialectPasses},
};

constexpr TargetArtefact cpuArtefacts[] = {
    {"llvm", "optimised LLVM IR of all processors' functions, glue and tables",
     false},
    {"asm", "assembly", false},
    {"object", "the ELF object file, which the linker joins with the cores",
     true},
};
constexpr MachineForm forms[] = {MachineForm::Ir, MachineForm::Assembly,
                                 MachineForm::Object};
static_assert(std::size(forms) == std::size(cpuArtefacts));

/// Whether this machine has all that LLVM's processor of the variant has.
bool runsHere(const Variant &variant) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return features.lookup("avx2") && features.lookup("fma") &&
         (variant.lanes <= 8 ||
          (features.lookup("avx512f") && features.lookup("avx512bw") &&
           features.lookup("avx512cd") && features.lookup("avx512dq") &&
           features.lookup("avx512vl")));
}

/// The prebuilt cores of each variant that the module has code for.
llvm::SmallVector<llvm::StringRef> coresOf(mlir::ModuleOp module) {
  auto only = module->getAttrOfType<mlir::StringAttr>(onlyVariant);
  auto standIn = module->getAttrOfType<mlir::StringAttr>(standInVariant);
  llvm::SmallVector<llvm::StringRef> objects;
  for (const Variant &variant : variants) {
    if (only && only.getValue() != variant.name)
      continue;
    const Variant *host = llvm::find_if(variants, [&](const Variant &each) {
      return (standIn ? standIn.getValue() : variant.name) == each.name;
    });
    for (const CoreObject &object : coreObjects())
      if (object.variant == variant.name && object.processor == host->processor)
        objects.push_back(object.bytes);
  }
  return objects;
}

/// LLVM's switches and the linker's state are global.
std::mutex oneAtATime;

class CpuTarget final : public Target {
public:
  llvm::StringRef name() const override { return "cpu"; }
  void registerDialects(mlir::DialectRegistry &registry) const override {
    registerCodegenDialects(registry);
  }
  void registerPasses() const override {
    registerCpuCodegenPasses();
    registerCpuLoweringPasses();
  }
  llvm::ArrayRef<llvm::StringRef> precisions() const override {
    static constexpr llvm::StringRef names[] = {"fp32"};
    return names;
  }
  llvm::ArrayRef<Phase> phases() const override { return cpuPhases; }
  llvm::ArrayRef<TargetArtefact> artefacts() const override {
    return cpuArtefacts;
  }

  void narrowToThisMachine(mlir::ModuleOp &module,
                           llvm::StringRef wanted) const override {
    const Variant *fits = llvm::find_if(
        variants, [](const Variant &each) { return runsHere(each); });
    if (fits == std::end(variants))
      return;
    auto text = [&](llvm::StringRef name) {
      return mlir::StringAttr::get(module.getContext(), name);
    };
    module->setAttr(onlyVariant, text(wanted.empty() ? fits->name : wanted));
    const Variant *asked = llvm::find_if(
        variants, [&](const Variant &each) { return wanted == each.name; });
    // A narrower one runs here as it is.
    if (asked != std::end(variants) && asked->lanes > fits->lanes)
      module->setAttr(standInVariant, text(fits->name));
  }

  llvm::Expected<std::string> emit(mlir::ModuleOp module,
                                   const PackageDescription &package,
                                   llvm::StringRef artefact) const override {
    const auto *found =
        llvm::find_if(cpuArtefacts, [&](const TargetArtefact &candidate) {
          return candidate.name == artefact;
        });
    assert(found != std::end(cpuArtefacts) && "one of artefacts()");
    std::lock_guard<std::mutex> lock(oneAtATime);
    return emitForm(module, package, forms[found - std::begin(cpuArtefacts)]);
  }

  llvm::Expected<PackageCode>
  emitLibrary(mlir::ModuleOp module, const PackageDescription &package,
              llvm::StringRef directory) const override {
    std::lock_guard<std::mutex> lock(oneAtATime);
    llvm::Expected<std::string> object =
        emitForm(module, package, MachineForm::Object);
    if (!object)
      return object.takeError();
    llvm::SmallVector<llvm::StringRef> objects = coresOf(module);
    objects.push_back(*object);
    llvm::Expected<std::string> library = linkSharedLibrary(objects, directory);
    if (!library)
      return library.takeError();
    return PackageCode{std::move(*library), {}};
  }

private:
  static llvm::Expected<std::string> emitForm(mlir::ModuleOp module,
                                              const PackageDescription &package,
                                              MachineForm form) {
    llvm::LLVMContext context;
    auto built = buildPackageModule(module, package, context);
    if (!built)
      return built.takeError();
    return emitMachineForm(**built, form);
  }
};

} // namespace

const Target &target() {
  static const CpuTarget instance;
  return instance;
}

} // namespace decay::cpu
