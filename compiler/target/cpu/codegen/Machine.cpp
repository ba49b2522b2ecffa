//===- Machine.cpp - From LLVM IR to assembly and object files -----------===//
#include "compiler/target/cpu/codegen/Machine.h"

#include "compiler/target/cpu/codegen/Codegen.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

namespace decay::cpu {

/// Loop strength reduction takes half the time of code generation and makes the
/// cores no faster. Hoisting instructions that load constants fills all 16
/// registers of the loops around exp, and a dozen moves then make room. LLVM
/// has no other switches for these, and the linker puts all switches back, so
/// they are thrown for each file.
static void skipHarmfulPasses() {
  for (llvm::StringRef name : {"disable-lsr", "disable-machine-licm"}) {
    llvm::cl::Option *option = llvm::cl::getRegisteredOptions().lookup(name);
    assert(option && "LLVM has renamed an option");
    if (option->getNumOccurrences() == 0)
      option->addOccurrence(1, name, "true");
  }
}

std::unique_ptr<llvm::TargetMachine> createMachine() {
  static const llvm::Target *target = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    std::string error;
    const llvm::Target *found = llvm::TargetRegistry::lookupTarget(
        llvm::Triple("x86_64-unknown-linux-gnu"), error);
    assert(found && "LLVM is built with its X86 back end");
    return found;
  }();
  llvm::TargetOptions options;
  options.FunctionSections = true;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      llvm::Triple("x86_64-unknown-linux-gnu"), "x86-64", "", options,
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
}

llvm::Expected<std::string> emitMachineForm(llvm::Module &module,
                                            MachineForm form) {
  std::string text;
  llvm::raw_string_ostream textStream(text);
  if (form == MachineForm::Ir) {
    module.print(textStream, nullptr);
    return text;
  }
  skipHarmfulPasses();
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  std::unique_ptr<llvm::TargetMachine> machine = createMachine();
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   form == MachineForm::Assembly
                                       ? llvm::CodeGenFileType::AssemblyFile
                                       : llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("LLVM cannot emit a file of this kind");
  passes.run(module);
  return bytes.str().str();
}

} // namespace decay::cpu
