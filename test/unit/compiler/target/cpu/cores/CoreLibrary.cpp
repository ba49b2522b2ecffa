//===- CoreLibrary.cpp - Every core of a variant, compiled in process -----===//
#include "CoreLibrary.h"

#include "compiler/target/cpu/codegen/Codegen.h"
#include "compiler/target/cpu/prebuilt/CompileCores.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <ctime>

namespace decay::cpu {

bool runsHere(const Variant &variant) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return variant.lanes == 16
             ? features.lookup("avx512f") && features.lookup("avx512dq")
             : features.lookup("avx2") && features.lookup("fma");
}

CoreLibrary::CoreLibrary(const Variant &variant) : variant(variant) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  std::clock_t start = std::clock();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module =
      compileCores(variant, variant.processor, context);
  for (const CoreRequest &request : allCores())
    module->getFunction(coreName(request, variant))
        ->setVisibility(llvm::GlobalValue::DefaultVisibility);
  auto copy = llvm::CloneModule(*module);
  auto object = llvm::MemoryBuffer::getMemBufferCopy(
      llvm::cantFail(emitMachineForm(*module, MachineForm::Object)));
  compileSeconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  assembly = llvm::cantFail(emitMachineForm(*copy, MachineForm::Assembly));
  jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(jit->addObjectFile(std::move(object)));
}

void *CoreLibrary::address(const std::string &name) const {
  return llvm::cantFail(jit->lookup(name)).toPtr<void *>();
}

} // namespace decay::cpu
