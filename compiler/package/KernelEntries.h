//===- KernelEntries.h - What a package's entries take ---------*- C++ -*-===//
#ifndef DECAY_COMPILER_PACKAGE_KERNELENTRIES_H
#define DECAY_COMPILER_PACKAGE_KERNELENTRIES_H

#include "compiler/package/PackageDescription.h"

#include "mlir/IR/BuiltinOps.h"

namespace decay {

/// One entry for each chunk.kernel of the module, with the kernel's operands;
/// in the order forward, backward, step, init_parameters.
std::vector<EntryDescription> entriesOfKernels(mlir::ModuleOp module);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_KERNELENTRIES_H
