//===- Machine.cpp - From LLVM IR to PTX ---------------------------------===//
#include "compiler/target/cuda/codegen/Machine.h"

#include "compiler/package/library/Optimise.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/CallingConv.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

namespace decay::cuda {
namespace {

constexpr llvm::StringLiteral tripleName = "nvptx64-nvidia-cuda";
/// The oldest PTX with all that Hopper has: any driver that knows the card
/// takes it.
constexpr llvm::StringLiteral ptxFeature = "+ptx80";

/// Addresses of shared memory take one register instead of two. LLVM has no
/// other switch for it, and a linker in this process puts all switches back.
void shortenPointers() {
  llvm::cl::Option *option =
      llvm::cl::getRegisteredOptions().lookup("nvptx-short-ptr");
  assert(option && "LLVM has renamed an option");
  if (option->getNumOccurrences() == 0)
    option->addOccurrence(1, "nvptx-short-ptr", "true");
}

std::unique_ptr<llvm::TargetMachine> createMachine() {
  static const llvm::Target *target = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    std::string error;
    const llvm::Target *found =
        llvm::TargetRegistry::lookupTarget(llvm::Triple(tripleName), error);
    assert(found && "LLVM is built with its NVPTX back end");
    return found;
  }();
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      llvm::Triple(tripleName), processorName, ptxFeature, options,
      std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

} // namespace

void prepareForMachine(llvm::Module &module) {
  shortenPointers();
  std::unique_ptr<llvm::TargetMachine> machine = createMachine();
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
}

llvm::Expected<std::string> emitPtx(llvm::Module &module) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine();
  // Shared memory's array has no size of its own, which only a declaration may.
  llvm::internalizeModule(module, [](const llvm::GlobalValue &value) {
    auto *function = llvm::dyn_cast<llvm::Function>(&value);
    return function &&
           function->getCallingConv() == llvm::CallingConv::PTX_Kernel;
  });
  // Whoever wrote the kernel has unrolled what must be, and counts registers.
  optimiseModule(module, *machine, Loops::asWritten);
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("LLVM cannot emit PTX");
  passes.run(module);
  return bytes.str().str();
}

} // namespace decay::cuda
