//===- CompileCores.h - The cores as an object file ------------*- C++ -*-===//
//
// No design changes a core, and together they are two thirds of a package's
// code: they are compiled once, when Decay is built.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_PREBUILT_COMPILECORES_H
#define DECAY_COMPILER_TARGET_CPU_PREBUILT_COMPILECORES_H

#include "compiler/target/cpu/Variants.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <memory>

namespace decay::cpu {

/// Optimised LLVM IR of allCores() of a variant, for one of LLVM's processors:
/// the variant's own, or one that stands in for it. The cores are hidden
/// functions, each in a section of its own.
std::unique_ptr<llvm::Module> compileCores(const Variant &variant,
                                           llvm::StringRef processor,
                                           llvm::LLVMContext &context);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_PREBUILT_COMPILECORES_H
