//===- GlueBitcode.h - The compiled glue, inside this library --*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_GLUE_GLUEBITCODE_H
#define DECAY_COMPILER_TARGET_CPU_GLUE_GLUEBITCODE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace decay::cpu {

struct GlueBitcode {
  llvm::StringRef name;
  llvm::StringRef bytes;
};

/// LLVM bitcode of each C file of this folder.
llvm::ArrayRef<GlueBitcode> glueBitcode();

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_GLUE_GLUEBITCODE_H
