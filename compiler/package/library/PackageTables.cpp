//===- PackageTables.cpp - The tables that a package exports -------------===//
#include "compiler/package/library/PackageLibrary.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace decay {

// The constants below list these structs' fields one by one.
static_assert(sizeof(DecayOperandInfo) == 32 && sizeof(DecayEntry) == 48);
static_assert(sizeof(DecayPackage) == 64 &&
              offsetof(DecayPackage, entry_count) == 48);

llvm::Constant *PackageTables::int32(int64_t value) {
  return llvm::ConstantInt::get(llvm::Type::getInt32Ty(module.getContext()),
                                value);
}

llvm::Constant *PackageTables::int64(int64_t value) {
  return llvm::ConstantInt::get(llvm::Type::getInt64Ty(module.getContext()),
                                value);
}

llvm::Constant *PackageTables::nullPointer() {
  return llvm::ConstantPointerNull::get(
      llvm::PointerType::getUnqual(module.getContext()));
}

llvm::Constant *
PackageTables::structure(llvm::ArrayRef<llvm::Constant *> fields) {
  return llvm::ConstantStruct::getAnon(module.getContext(), fields);
}

llvm::GlobalVariable *PackageTables::global(const llvm::Twine &name,
                                            llvm::Constant *value) {
  return new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                  llvm::GlobalValue::PrivateLinkage, value,
                                  name);
}

llvm::Constant *PackageTables::array(const llvm::Twine &name,
                                     llvm::ArrayRef<llvm::Constant *> rows) {
  if (rows.empty())
    return nullPointer();
  return global(
      name,
      llvm::ConstantArray::get(
          llvm::ArrayType::get(rows.front()->getType(), rows.size()), rows));
}

llvm::Constant *PackageTables::text(llvm::StringRef value) {
  llvm::GlobalVariable *&known = texts[value];
  if (!known) {
    known = global(
        "text", llvm::ConstantDataArray::getString(module.getContext(), value));
    known->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    known->setAlignment(llvm::Align(1));
  }
  return known;
}

llvm::Constant *PackageTables::operandTable(
    const EntryDescription &entry,
    llvm::function_ref<DecayType(const OperandDescription &)> typeOf) {
  std::vector<llvm::Constant *> rows;
  for (const OperandDescription &operand : entry.operands)
    rows.push_back(structure({text(operand.name), text(operand.shape),
                              int32(typeOf(operand)),
                              int32(operand.written ? DECAY_WRITE : DECAY_READ),
                              int32(operand.optional), int32(0)}));
  return array("operands_" + entry.role, rows);
}

llvm::Constant *
PackageTables::packageTable(const PackageDescription &package,
                            llvm::StringRef variant, DecayMemory memory,
                            llvm::ArrayRef<llvm::Constant *> entries) {
  llvm::Constant *table = array("entries_" + variant, entries);
  return global(
      "package_" + variant,
      structure({int32(DECAY_ABI_VERSION), int32(memory), text(package.design),
                 text(package.hash), text(package.target), text(variant),
                 text(package.manifest),
                 int32(static_cast<int64_t>(entries.size())), int32(0),
                 table}));
}

llvm::Function *PackageTables::trampoline(llvm::StringRef calleeName,
                                          llvm::Constant *first,
                                          const llvm::Twine &name) {
  llvm::Function *callee = module.getFunction(calleeName);
  assert(callee && "the glue is linked before the tables are made");
  llvm::ArrayRef<llvm::Type *> types = callee->getFunctionType()->params();
  auto *function =
      llvm::Function::Create(llvm::FunctionType::get(callee->getReturnType(),
                                                     types.drop_front(), false),
                             llvm::GlobalValue::InternalLinkage, name, module);
  llvm::IRBuilder<> builder(
      llvm::BasicBlock::Create(module.getContext(), "", function));
  std::vector<llvm::Value *> arguments = {first};
  for (llvm::Argument &argument : function->args())
    arguments.push_back(&argument);
  llvm::CallInst *call = builder.CreateCall(callee, arguments);
  call->setTailCall();
  builder.CreateRet(call);
  return function;
}

void PackageTables::define(llvm::StringRef name, llvm::Constant *value) {
  llvm::GlobalVariable *declared =
      module.getGlobalVariable(name, /*AllowInternal=*/true);
  assert(declared && "the glue reads this table");
  auto *made = global("", value);
  made->takeName(declared);
  declared->replaceAllUsesWith(made);
  declared->eraseFromParent();
}

} // namespace decay
