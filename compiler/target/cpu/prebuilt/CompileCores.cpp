//===- CompileCores.cpp - The same steps as a package's -------------------===//
#include "compiler/target/cpu/prebuilt/CompileCores.h"

#include "compiler/package/library/Optimise.h"
#include "compiler/target/cpu/codegen/Codegen.h"
#include "compiler/target/cpu/codegen/Machine.h"
#include "compiler/target/cpu/cores/Cores.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Target/TargetMachine.h"

namespace decay::cpu {

static mlir::OwningOpRef<mlir::ModuleOp> lowerCores(mlir::MLIRContext &context,
                                                    const Variant &variant) {
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  emitCoreFunctions(*module, variant, allCores());
  for (const CoreRequest &request : allCores())
    module->lookupSymbol<mlir::func::FuncOp>(coreName(request, variant))
        .setPublic();
  mlir::PassManager passes(&context);
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
  addLlvmDialectPasses(passes);
  bool lowered = mlir::succeeded(passes.run(*module));
  assert(lowered && "cores do not lower to LLVM");
  (void)lowered;
  return module;
}

std::unique_ptr<llvm::Module> compileCores(const Variant &variant,
                                           llvm::StringRef processor,
                                           llvm::LLVMContext &context) {
  mlir::DialectRegistry registry;
  registerCodegenDialects(registry);
  mlir::MLIRContext dialects(registry);
  dialects.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> lowered = lowerCores(dialects, variant);
  std::unique_ptr<llvm::Module> module =
      mlir::translateModuleToLLVMIR(*lowered, context, "cores");
  assert(module && "cores cannot be written as LLVM IR");
  std::unique_ptr<llvm::TargetMachine> machine = createMachine();
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr(llvm::Attribute::NoInline);
    setProcessor(function, variant, processor);
    if (function.hasExternalLinkage())
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
  }
  optimiseModule(*module, *machine, Loops::asWritten);
  return module;
}

} // namespace decay::cpu
