//===- Assembler.h - ptxas, a program of NVIDIA's --------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_ASSEMBLER_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_ASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace decay::cuda {

/// Where ptxas is: the first of DECAY_PTXAS (the program or its folder),
/// CUDA_HOME/bin, PATH and /usr/local/cuda/bin. Empty: there is none, or
/// DECAY_PTXAS is set to nothing. Fails when DECAY_PTXAS names what is not
/// there.
llvm::Expected<std::string> findAssembler();

struct Assembled {
  std::string cubin;
  std::string said; ///< what ptxas -v printed
};

/// Runs ptxas on one kernel. May be called from many threads at once.
llvm::Expected<Assembled> assemble(llvm::StringRef assembler,
                                   llvm::StringRef kernel, llvm::StringRef ptx);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_ASSEMBLER_H
