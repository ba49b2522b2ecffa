//===- KernelEntries.cpp - What a package's entries take -----------------===//
#include "compiler/package/KernelEntries.h"

#include "compiler/dialect/chunk/ChunkDialect.h"

namespace decay {

static constexpr const char *roles[] = {"forward", "backward", "step",
                                        "init_parameters"};

static EntryDescription entryOf(chunk::KernelOp kernel) {
  EntryDescription entry{kernel.getSymName().str(), {}, {}};
  for (auto operand : kernel.getOperands().getAsRange<mlir::DictionaryAttr>()) {
    auto text = [&](llvm::StringRef key) {
      return operand.getAs<mlir::StringAttr>(key).getValue().str();
    };
    auto flag = [&](llvm::StringRef key) {
      return operand.getAs<mlir::IntegerAttr>(key).getInt() != 0;
    };
    if (operand.get("reduce"))
      entry.parameterGradients.push_back(
          static_cast<int64_t>(entry.operands.size()));
    entry.operands.push_back(
        {text("name"), text("shape"), flag("access"), flag("optional")});
  }
  return entry;
}

std::vector<EntryDescription> entriesOfKernels(mlir::ModuleOp module) {
  std::vector<EntryDescription> entries;
  for (const char *role : roles)
    if (auto kernel = module.lookupSymbol<chunk::KernelOp>(role))
      entries.push_back(entryOf(kernel));
  return entries;
}

} // namespace decay
