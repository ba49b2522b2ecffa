//===- CoreLibrary.cpp - Every core of a variant, compiled in process -----===//
#include "CoreLibrary.h"

#include "compiler/package/library/Optimise.h"
#include "compiler/target/cpu/codegen/Codegen.h"
#include "compiler/target/cpu/codegen/Machine.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <ctime>

using namespace mlir;

namespace decay::cpu {

std::vector<CoreRequest> allCores() {
  std::vector<CoreRequest> requests;
  for (Direction direction :
       {Direction::forward, Direction::state, Direction::backward})
    for (Schedule schedule : {Schedule::recurrent, Schedule::tree})
      for (Granularity granularity : {Granularity::vector, Granularity::scalar})
        requests.push_back({direction, schedule, granularity});
  return requests;
}

bool runsHere(const Variant &variant) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return variant.lanes == 16
             ? features.lookup("avx512f") && features.lookup("avx512dq")
             : features.lookup("avx2") && features.lookup("fma");
}

static void lower(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  bool failed = mlir::failed(passes.run(module));
  assert(!failed && "cores do not lower to LLVM");
}

/// As packages are compiled: the loops stay as they are written.
static void optimize(llvm::Module &module, const Variant &variant,
                     llvm::TargetMachine &machine) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration()) {
      function.addFnAttr(llvm::Attribute::NoInline);
      function.addFnAttr("target-cpu", variant.processor);
      function.addFnAttr("prefer-vector-width",
                         std::to_string(variant.lanes * 32));
    }
  optimiseModule(module, machine, Loops::asWritten);
}

static void buildModule(ModuleOp module, const Variant &variant) {
  std::vector<CoreRequest> requests = allCores();
  emitCoreFunctions(module, variant, requests);
  for (const CoreRequest &request : requests) {
    std::string name = coreName(request, variant);
    module.lookupSymbol<func::FuncOp>(name).setPublic();
  }
  bool failed = mlir::failed(verify(module));
  assert(!failed && "cores are not valid IR");
}

CoreLibrary::CoreLibrary(const Variant &variant) : variant(variant) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  std::clock_t start = std::clock();
  MLIRContext context;
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  buildModule(*module, variant);
  lower(*module);
  llvm::LLVMContext llvmContext;
  auto translated = translateModuleToLLVMIR(*module, llvmContext);
  auto machine = createMachine();
  translated->setTargetTriple(machine->getTargetTriple());
  translated->setDataLayout(machine->createDataLayout());
  optimize(*translated, variant, *machine);
  auto copy = llvm::CloneModule(*translated);
  auto object = llvm::MemoryBuffer::getMemBufferCopy(
      llvm::cantFail(emitMachineForm(*translated, MachineForm::Object)));
  compileSeconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  assembly = llvm::cantFail(emitMachineForm(*copy, MachineForm::Assembly));
  jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(jit->addObjectFile(std::move(object)));
}

void *CoreLibrary::address(const std::string &name) const {
  return llvm::cantFail(jit->lookup(name)).toPtr<void *>();
}

} // namespace decay::cpu
