//===- Pipeline.h - The whole order of passes ------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_PIPELINE_PIPELINE_H
#define DECAY_COMPILER_PIPELINE_PIPELINE_H

#include "compiler/target/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <vector>

namespace decay {

/// From a freshly imported design (level "decay") to the target's last MLIR
/// level. The first phase is the import itself and has no passes.
std::vector<Phase> buildPipeline(const Target &target);

/// Runs the phases one by one; `after` sees the module at the end of each and
/// says whether to go on. A pass that fails is our mistake: the error is what
/// the pass said.
llvm::Error
runPipeline(mlir::ModuleOp module, llvm::ArrayRef<Phase> phases,
            llvm::function_ref<llvm::Expected<bool>(const Phase &)> after);

} // namespace decay

#endif // DECAY_COMPILER_PIPELINE_PIPELINE_H
