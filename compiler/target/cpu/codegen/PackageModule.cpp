//===- PackageModule.cpp - One LLVM module with all that a package runs --===//
#include "compiler/target/cpu/codegen/Codegen.h"

#include "compiler/package/library/GlueBitcode.h"
#include "compiler/package/library/Optimise.h"
#include "compiler/target/cpu/Variants.h"
#include "compiler/target/cpu/codegen/Machine.h"
#include "compiler/target/cpu/codegen/MemoryConstants.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

namespace decay::cpu {

// glue/ is compiled when Decay is.
llvm::ArrayRef<GlueBitcode> glueBitcode();

void setProcessor(llvm::Function &function, const Variant &variant,
                  llvm::StringRef processor) {
  function.addFnAttr("target-cpu", processor);
  function.addFnAttr("prefer-vector-width", std::to_string(variant.lanes * 32));
}

namespace {

/// The variant whose name ends the function's, or null: runs on any processor.
const Variant *variantOf(llvm::StringRef function) {
  for (const Variant &variant : variants)
    if (function.ends_with((llvm::Twine("_") + variant.name).str()))
      return &variant;
  return nullptr;
}

bool isCore(llvm::StringRef function) { return function.starts_with("core_"); }

const Variant *variantNamed(mlir::StringAttr name) {
  const Variant *found = llvm::find_if(variants, [&](const Variant &each) {
    return name && name.getValue() == each.name;
  });
  return found == std::end(variants) ? nullptr : found;
}

void setAttributes(llvm::Module &module, const Variant *standIn) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration()) {
      // Found in this library, so that calls are direct.
      if (isCore(function.getName()))
        function.setVisibility(llvm::GlobalValue::HiddenVisibility);
      continue;
    }
    // No unwind tables: nothing here throws.
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // One copy of each loop: constants need all registers.
    if (!function.getName().starts_with("decay_"))
      function.addFnAttr(llvm::Attribute::NoInline);
    if (const Variant *variant = variantOf(function.getName()))
      setProcessor(function, *variant,
                   (standIn ? standIn : variant)->processor);
  }
}

} // namespace

llvm::Expected<std::unique_ptr<llvm::Module>>
buildPackageModule(mlir::ModuleOp module, const PackageDescription &package,
                   llvm::LLVMContext &context) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine();
  std::unique_ptr<llvm::Module> result =
      mlir::translateModuleToLLVMIR(module, context, package.design);
  if (!result)
    return llvm::createStringError(
        "the lowered module cannot be written as LLVM IR");
  result->setTargetTriple(machine->getTargetTriple());
  result->setDataLayout(machine->createDataLayout());
  const Variant *standIn =
      variantNamed(module->getAttrOfType<mlir::StringAttr>(standInVariant));
  setAttributes(*result, standIn);
  if (llvm::Error error = linkGlue(*result, glueBitcode()))
    return error;
  auto only = module->getAttrOfType<mlir::StringAttr>(onlyVariant);
  if (llvm::Error error = emitPackageTables(
          *result, package, only ? only.getValue() : "", standIn))
    return error;
  llvm::SmallVector<llvm::StringRef> cores;
  for (const llvm::Function &function : *result)
    if (isCore(function.getName()))
      cores.push_back(function.getName());
  if (llvm::Error error = checkSelfContained(*result, cores))
    return error;
  llvm::internalizeModule(*result, [](const llvm::GlobalValue &value) {
    return value.getName() == DECAY_PACKAGE_QUERY_SYMBOL;
  });
  optimiseModule(*result, *machine, Loops::asWritten);
  for (llvm::Function &function : *result)
    if (const Variant *variant = variantOf(function.getName());
        variant && !variant->spreadsOperands)
      keepConstantsInMemory(function);
  return result;
}

} // namespace decay::cpu
