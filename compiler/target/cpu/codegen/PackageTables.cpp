//===- PackageTables.cpp - The tables that a package exports -------------===//
//
// Global constants with the layouts of runtime/abi/DecayPackage.h and Glue.h,
// and for every entry two functions that hand its table to the glue.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/codegen/Codegen.h"

#include "compiler/package/library/PackageLibrary.h"
#include "compiler/target/cpu/Variants.h"
#include "compiler/target/cpu/glue/Glue.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

namespace decay::cpu {
namespace {

// The constants below list these structs' fields one by one.
static_assert(sizeof(GlueReduction) == 40 && sizeof(GlueEntry) == 48 &&
              sizeof(GlueVariant) == 16);

class TableEmitter {
public:
  TableEmitter(llvm::Module &module, const PackageDescription &package,
               llvm::StringRef only)
      : module(module), package(package), only(only), tables(module) {}

  llvm::Error emit();

private:
  llvm::Constant *int64(int64_t value) { return tables.int64(value); }

  llvm::Constant *reductionTable(const EntryDescription &entry);
  llvm::Expected<llvm::Constant *> glueEntry(const EntryDescription &entry,
                                             const Variant &variant);
  llvm::Expected<llvm::Constant *> packageTable(const Variant &variant);

  llvm::Module &module;
  const PackageDescription &package;
  llvm::StringRef only;
  PackageTables tables;
  std::vector<llvm::Constant *>
      operandTables; ///< by entry, shared by all variants
};

llvm::Constant *TableEmitter::reductionTable(const EntryDescription &entry) {
  std::vector<llvm::Constant *> rows;
  for (int64_t place : entry.parameterGradients) {
    llvm::StringRef shape = entry.operands[place].shape;
    auto has = [&](char axis) { return int64(shape.contains(axis)); };
    rows.push_back(tables.structure(
        {int64(place), has('L'), has('H'), has('K'), has('V')}));
  }
  return tables.array("reductions_" + entry.role, rows);
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
  llvm::Constant *table = tables.structure(
      {module.getFunction(item), module.getFunction(scratch),
       reduces ? static_cast<llvm::Constant *>(partials) : tables.nullPointer(),
       int64(entry.role == "init_parameters"),
       int64(static_cast<int64_t>(entry.parameterGradients.size())),
       reductionTable(entry)});
  return tables.global("glue_" + entry.role + "_" + variant.name, table);
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
    entries.push_back(tables.structure(
        {tables.text(entry.role),
         tables.int32(static_cast<int64_t>(entry.operands.size())),
         tables.int32(0), operands,
         tables.trampoline("glueWorkspaceBytes", *glue,
                           "workspace_bytes_" + suffix),
         tables.trampoline("glueLaunch", *glue, "launch_" + suffix),
         tables.nullPointer()}));
  }
  return tables.packageTable(package, variant.name, DECAY_HOST_MEMORY, entries);
}

llvm::Error TableEmitter::emit() {
  for (const EntryDescription &entry : package.entries)
    operandTables.push_back(tables.operandTable(
        entry, [](const OperandDescription &) { return DECAY_F32; }));
  std::vector<llvm::Constant *> rows;
  for (const Variant &variant : variants) {
    if (!only.empty() && only != variant.name)
      continue;
    llvm::Expected<llvm::Constant *> table = packageTable(variant);
    if (!table)
      return table.takeError();
    rows.push_back(tables.structure(
        {int64(static_cast<int64_t>(variant.hostFlag)), *table}));
  }
  tables.define(
      "glueVariants",
      llvm::ConstantArray::get(
          llvm::ArrayType::get(rows.front()->getType(), rows.size()), rows));
  tables.define("glueVariantCount", int64(static_cast<int64_t>(rows.size())));
  return llvm::Error::success();
}

} // namespace

llvm::Error emitPackageTables(llvm::Module &module,
                              const PackageDescription &package,
                              llvm::StringRef only) {
  return TableEmitter(module, package, only).emit();
}

} // namespace decay::cpu
