//===- CoreObjects.h - The cores that decayc carries -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_PREBUILT_COREOBJECTS_H
#define DECAY_COMPILER_TARGET_CPU_PREBUILT_COREOBJECTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace decay::cpu {

/// An ELF object file with every core of a variant, for a processor.
struct CoreObject {
  llvm::StringRef variant, processor, bytes;
};

/// Each variant for its own processor and for those of narrower ones, which
/// stand in for it. Written by `prebuild_cores` when Decay is built.
llvm::ArrayRef<CoreObject> coreObjects();

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_PREBUILT_COREOBJECTS_H
