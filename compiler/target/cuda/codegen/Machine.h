//===- Machine.h - From LLVM IR to PTX -------------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_MACHINE_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_MACHINE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace llvm {
class Module;
}

namespace decay::cuda {

inline constexpr llvm::StringLiteral processorName = "sm_90a";

/// Gives a module the triple and the data layout of the processor. Call it once
/// before threads do anything here.
void prepareForMachine(llvm::Module &module);

/// Optimises a module with one kernel and writes it as PTX. May be called from
/// many threads at once, for modules of different contexts.
llvm::Expected<std::string> emitPtx(llvm::Module &module);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_MACHINE_H
