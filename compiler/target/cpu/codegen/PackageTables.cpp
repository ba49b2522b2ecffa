//===- PackageTables.cpp - The tables that a package exports -------------===//
//
// Global constants with the layouts of runtime/abi/DecayPackage.h and Glue.h,
// and for every entry two functions that hand its table to the glue.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/codegen/Codegen.h"

#include "compiler/target/cpu/Variants.h"
#include "compiler/target/cpu/glue/Glue.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace decay::cpu {
namespace {

// The constants below list these structs' fields one by one.
static_assert(sizeof(DecayOperandInfo) == 32 && sizeof(DecayEntry) == 40);
static_assert(sizeof(DecayPackage) == 64 &&
              offsetof(DecayPackage, entry_count) == 48);
static_assert(sizeof(GlueReduction) == 40 && sizeof(GlueEntry) == 48 &&
              sizeof(GlueVariant) == 16);

class TableEmitter {
public:
  TableEmitter(llvm::Module &module, const PackageDescription &package,
               llvm::StringRef only)
      : module(module), package(package), only(only),
        context(module.getContext()) {}

  llvm::Error emit();

private:
  llvm::Constant *int32(int64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value);
  }
  llvm::Constant *int64(int64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value);
  }
  llvm::Constant *nullPointer() {
    return llvm::ConstantPointerNull::get(
        llvm::PointerType::getUnqual(context));
  }
  llvm::Constant *structure(llvm::ArrayRef<llvm::Constant *> fields) {
    return llvm::ConstantStruct::getAnon(context, fields);
  }
  llvm::GlobalVariable *global(const llvm::Twine &name, llvm::Constant *value) {
    return new llvm::GlobalVariable(
        module, value->getType(), /*isConstant=*/true,
        llvm::GlobalValue::PrivateLinkage, value, name);
  }
  /// A global array of structs; null when it has none.
  llvm::Constant *array(const llvm::Twine &name,
                        llvm::ArrayRef<llvm::Constant *> rows) {
    if (rows.empty())
      return nullPointer();
    return global(
        name,
        llvm::ConstantArray::get(
            llvm::ArrayType::get(rows.front()->getType(), rows.size()), rows));
  }
  llvm::Constant *text(llvm::StringRef value) {
    llvm::GlobalVariable *&known = texts[value];
    if (!known) {
      known =
          global("text", llvm::ConstantDataArray::getString(context, value));
      known->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
      known->setAlignment(llvm::Align(1));
    }
    return known;
  }

  llvm::Constant *operandTable(const EntryDescription &entry);
  llvm::Constant *reductionTable(const EntryDescription &entry);
  llvm::Expected<llvm::Constant *> glueEntry(const EntryDescription &entry,
                                             const Variant &variant);
  llvm::Function *trampoline(llvm::StringRef glueFunction,
                             llvm::Constant *glueEntry,
                             const llvm::Twine &name);
  llvm::Expected<llvm::Constant *> packageTable(const Variant &variant);

  llvm::Module &module;
  const PackageDescription &package;
  llvm::StringRef only;
  llvm::LLVMContext &context;
  llvm::StringMap<llvm::GlobalVariable *> texts;
  std::vector<llvm::Constant *>
      operandTables; ///< by entry, shared by all variants
};

llvm::Constant *TableEmitter::operandTable(const EntryDescription &entry) {
  std::vector<llvm::Constant *> rows;
  for (const OperandDescription &operand : entry.operands)
    rows.push_back(
        structure({text(operand.name), text(operand.shape), int32(DECAY_F32),
                   int32(operand.written ? DECAY_WRITE : DECAY_READ),
                   int32(operand.optional), int32(0)}));
  return array("operands_" + entry.role, rows);
}

llvm::Constant *TableEmitter::reductionTable(const EntryDescription &entry) {
  std::vector<llvm::Constant *> rows;
  for (int64_t place : entry.parameterGradients) {
    llvm::StringRef shape = entry.operands[place].shape;
    auto has = [&](char axis) { return int64(shape.contains(axis)); };
    rows.push_back(
        structure({int64(place), has('L'), has('H'), has('K'), has('V')}));
  }
  return array("reductions_" + entry.role, rows);
}

llvm::Expected<llvm::Constant *>
TableEmitter::glueEntry(const EntryDescription &entry, const Variant &variant) {
  std::string item = "decay_" + entry.role + "_" + variant.name;
  std::string scratch = "decay_" + entry.role + "_scratch_floats";
  for (const std::string &needed : {item, scratch})
    if (!module.getFunction(needed))
      return llvm::createStringError("the lowered module has no function '%s'",
                                     needed.c_str());
  bool reduces = !entry.parameterGradients.empty();
  llvm::Function *partials =
      module.getFunction("decay_" + entry.role + "_partial_floats");
  if (reduces && !partials)
    return llvm::createStringError(
        "the lowered module has no partial sums of '%s'", entry.role.c_str());
  llvm::Constant *table = structure(
      {module.getFunction(item), module.getFunction(scratch),
       reduces ? static_cast<llvm::Constant *>(partials) : nullPointer(),
       int64(entry.role == "init_parameters"),
       int64(static_cast<int64_t>(entry.parameterGradients.size())),
       reductionTable(entry)});
  return global("glue_" + entry.role + "_" + variant.name, table);
}

/// A function that calls the glue's with the table as its first argument.
llvm::Function *TableEmitter::trampoline(llvm::StringRef glueFunction,
                                         llvm::Constant *glueEntry,
                                         const llvm::Twine &name) {
  llvm::Function *callee = module.getFunction(glueFunction);
  assert(callee && "the glue is linked before the tables are made");
  llvm::ArrayRef<llvm::Type *> types = callee->getFunctionType()->params();
  auto *function =
      llvm::Function::Create(llvm::FunctionType::get(callee->getReturnType(),
                                                     types.drop_front(), false),
                             llvm::GlobalValue::InternalLinkage, name, module);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", function));
  std::vector<llvm::Value *> arguments = {glueEntry};
  for (llvm::Argument &argument : function->args())
    arguments.push_back(&argument);
  llvm::CallInst *call = builder.CreateCall(callee, arguments);
  call->setTailCall();
  builder.CreateRet(call);
  return function;
}

llvm::Expected<llvm::Constant *>
TableEmitter::packageTable(const Variant &variant) {
  std::vector<llvm::Constant *> entries;
  for (auto [entry, operands] :
       llvm::zip_equal(package.entries, operandTables)) {
    llvm::Expected<llvm::Constant *> glue = glueEntry(entry, variant);
    if (!glue)
      return glue.takeError();
    std::string suffix = entry.role + "_" + variant.name;
    entries.push_back(structure(
        {text(entry.role), int32(static_cast<int64_t>(entry.operands.size())),
         int32(0), operands,
         trampoline("glueWorkspaceBytes", *glue, "workspace_bytes_" + suffix),
         trampoline("glueLaunch", *glue, "launch_" + suffix)}));
  }
  llvm::Constant *table =
      array(llvm::Twine("entries_") + variant.name, entries);
  return global(
      llvm::Twine("package_") + variant.name,
      structure({int32(DECAY_ABI_VERSION), int32(0), text(package.design),
                 text(package.hash), text(package.target), text(variant.name),
                 text(package.manifest),
                 int32(static_cast<int64_t>(entries.size())), int32(0),
                 table}));
}

llvm::Error TableEmitter::emit() {
  for (const EntryDescription &entry : package.entries)
    operandTables.push_back(operandTable(entry));
  std::vector<llvm::Constant *> rows;
  for (const Variant &variant : variants) {
    if (!only.empty() && only != variant.name)
      continue;
    llvm::Expected<llvm::Constant *> table = packageTable(variant);
    if (!table)
      return table.takeError();
    rows.push_back(
        structure({int64(static_cast<int64_t>(variant.hostFlag)), *table}));
  }
  auto define = [&](llvm::StringRef name, llvm::Constant *value) {
    llvm::GlobalVariable *declared =
        module.getGlobalVariable(name, /*AllowInternal=*/true);
    assert(declared && "the glue reads this table");
    auto *made = global("", value);
    made->takeName(declared);
    declared->replaceAllUsesWith(made);
    declared->eraseFromParent();
  };
  define("glueVariants",
         llvm::ConstantArray::get(
             llvm::ArrayType::get(rows.front()->getType(), rows.size()), rows));
  define("glueVariantCount", int64(static_cast<int64_t>(rows.size())));
  return llvm::Error::success();
}

} // namespace

llvm::Error emitPackageTables(llvm::Module &module,
                              const PackageDescription &package,
                              llvm::StringRef only) {
  return TableEmitter(module, package, only).emit();
}

} // namespace decay::cpu
