//===- Backend.cpp - From a checked design to a level or a package -------===//
#include "compiler/driver/Backend.h"

#include "compiler/package/KernelEntries.h"
#include "compiler/package/PackageWriter.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/pipeline/Registration.h"
#include "dsl/import/DesignImporter.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace decay {
namespace {

/// One design on its way down.
class Compilation {
public:
  Compilation(const Frontend &frontend, llvm::StringRef snapshots)
      : frontend(frontend), snapshots(snapshots),
        context(mlir::MLIRContext::Threading::DISABLED),
        package(describePackage(frontend.design, frontend.target->name().str(),
                                frontend.precision, frontend.hash)) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    module = dsl::importDesign(context, frontend.design);
    mlir::ModuleOp top = *module;
    if (!frontend.headDims.empty()) {
      llvm::SmallVector<int64_t> flat;
      for (auto [K, V] : frontend.headDims)
        flat.append({K, V});
      top->setAttr(headDimsAttribute,
                   mlir::DenseI64ArrayAttr::get(&context, flat));
    }
    if (frontend.precision != target().precisions().front())
      top->setAttr(precisionAttribute,
                   mlir::StringAttr::get(&context, frontend.precision));
    if (frontend.forThisMachineOnly) {
      target().narrowToThisMachine(top, frontend.variant);
    }
  }

  /// Runs all phases up to the one of that name, or all.
  llvm::Error lower(llvm::StringRef last = "");

  mlir::ModuleOp top() { return *module; }
  const PackageDescription &description() const { return package; }
  const Target &target() const { return *frontend.target; }
  std::string text();

private:
  llvm::Error keepSnapshot(const Phase &phase);

  const Frontend &frontend;
  llvm::StringRef snapshots;
  mlir::MLIRContext context;
  PackageDescription package;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int snapshotCount = 0;
};

std::string Compilation::text() {
  std::string text;
  llvm::raw_string_ostream out(text);
  module->print(out);
  return text + "\n";
}

llvm::Error Compilation::keepSnapshot(const Phase &phase) {
  if (snapshots.empty())
    return llvm::Error::success();
  if (llvm::Error error = makeDirectory(snapshots))
    return error;
  llvm::SmallString<128> path(snapshots);
  llvm::sys::path::append(
      path,
      llvm::formatv("{0:D2}-{1}.mlir", snapshotCount++, phase.name).str());
  return writeFileAtomically(path, text());
}

llvm::Error Compilation::lower(llvm::StringRef last) {
  return runPipeline(*module, buildPipeline(target()),
                     [&](const Phase &phase) -> llvm::Expected<bool> {
                       if (llvm::Error error = keepSnapshot(phase))
                         return error;
                       // Only as kernels do the entries show their operands.
                       if (auto entries = entriesOfKernels(*module);
                           !entries.empty())
                         package.entries = std::move(entries);
                       return phase.name != last;
                     });
}

} // namespace

llvm::Expected<std::string> emitLevel(const Frontend &frontend,
                                      llvm::StringRef level,
                                      llvm::StringRef snapshots) {
  Compilation compilation(frontend, snapshots);
  if (llvm::Error error = compilation.lower(level))
    return error;
  if (llvm::is_contained(
          llvm::map_range(compilation.target().artefacts(),
                          [](const TargetArtefact &a) { return a.name; }),
          level))
    return compilation.target().emit(compilation.top(),
                                     compilation.description(), level);
  return compilation.text();
}

llvm::Expected<std::string> makePackage(const Frontend &frontend,
                                        llvm::StringRef directory,
                                        llvm::StringRef snapshots) {
  if (llvm::Error error = makeDirectory(directory))
    return error;
  Compilation compilation(frontend, snapshots);
  if (llvm::Error error = compilation.lower())
    return error;
  std::string remarks;
  mlir::ScopedDiagnosticHandler listener(
      compilation.top().getContext(), [&](mlir::Diagnostic &diagnostic) {
        remarks += "remark: " + diagnostic.str() + "\n";
        return mlir::success();
      });
  llvm::Expected<PackageCode> code = compilation.target().emitLibrary(
      compilation.top(), compilation.description(), directory);
  if (!code)
    return code.takeError();
  if (llvm::Error error =
          writePackage(compilation.description(), *code,
                       PackagePaths(directory, frontend.design.name)))
    return error;
  return remarks;
}

} // namespace decay
