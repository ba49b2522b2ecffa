//===- Machine.h - LLVM's description of the processors --------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_CODEGEN_MACHINE_H
#define DECAY_COMPILER_TARGET_CPU_CODEGEN_MACHINE_H

#include <memory>

namespace llvm {
class TargetMachine;
}

namespace decay::cpu {

/// The baseline processor; functions override it by their attributes. Products
/// and sums may contract to fma; nothing else of IEEE arithmetic is relaxed.
std::unique_ptr<llvm::TargetMachine> createMachine();

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CODEGEN_MACHINE_H
