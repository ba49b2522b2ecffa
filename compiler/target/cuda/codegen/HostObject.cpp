//===- HostObject.cpp - Glue, tables and code as one object file ---------===//
#include "compiler/target/cuda/codegen/Library.h"

#include "compiler/package/library/GlueBitcode.h"
#include "compiler/package/library/Optimise.h"
#include "runtime/abi/DecayPackage.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/IPO/Internalize.h"

namespace decay::cuda {

// glue/ is compiled when Decay is.
llvm::ArrayRef<GlueBitcode> glueBitcode();

namespace {

/// What a package calls of its host's C library.
constexpr llvm::StringRef libraryFunctions[] = {"dlopen", "dlsym", "vsnprintf"};

/// The least processor of the machine that Decay was built for.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createHostMachine() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError("LLVM has no code for this machine: " +
                                   error);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, /*CPU=*/"", /*Features=*/"", {}, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Default));
}

} // namespace

llvm::Expected<std::string> emitHostObject(const PackageDescription &package,
                                           llvm::ArrayRef<KernelCode> kernels,
                                           WorkspaceOf workspaceOf) {
  auto machine = createHostMachine();
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  llvm::Module module(package.design, context);
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  if (llvm::Error error = linkGlue(module, glueBitcode()))
    return error;
  if (llvm::Error error =
          emitPackageTables(module, package, kernels, workspaceOf))
    return error;
  if (llvm::Error error = checkSelfContained(module, libraryFunctions))
    return error;
  llvm::internalizeModule(module, [](const llvm::GlobalValue &value) {
    return value.getName() == DECAY_PACKAGE_QUERY_SYMBOL;
  });
  optimiseModule(module, **machine, Loops::byLlvm);
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr,
                                      llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("LLVM cannot emit an object file");
  passes.run(module);
  return bytes.str().str();
}

} // namespace decay::cuda
