//===- Library.h - The shared library around the kernels -------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_LIBRARY_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_LIBRARY_H

#include "compiler/package/PackageDescription.h"
#include "compiler/target/cuda/codegen/Codegen.h"

namespace llvm {
class Module;
}

namespace decay::cuda {

/// What an entry's workspace is made of.
using WorkspaceOf =
    llvm::function_ref<llvm::Expected<std::vector<WorkspacePart>>(
        llvm::StringRef entry)>;

/// Adds the tables of a package to a module that has the glue in it. Entries
/// without kernels are left out. Fails when kernels and the package's entries
/// contradict each other.
llvm::Error emitPackageTables(llvm::Module &module,
                              const PackageDescription &package,
                              llvm::ArrayRef<KernelCode> kernels,
                              WorkspaceOf workspaceOf);

/// The object file of a package: glue, tables and the kernels' code (PTX where
/// there is no cubin), for this machine.
llvm::Expected<std::string> emitHostObject(const PackageDescription &package,
                                           llvm::ArrayRef<KernelCode> kernels,
                                           WorkspaceOf workspaceOf);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_LIBRARY_H
