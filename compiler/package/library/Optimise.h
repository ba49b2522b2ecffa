//===- Optimise.h - LLVM's own optimisations, once -------------*- C++ -*-===//
#ifndef DECAY_COMPILER_PACKAGE_LIBRARY_OPTIMISE_H
#define DECAY_COMPILER_PACKAGE_LIBRARY_OPTIMISE_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace decay {

enum class Loops {
  /// As lowering wrote them: vectorised, unrolled and tiled where it pays;
  /// doing it again would only cost time and registers.
  asWritten,
  /// As LLVM thinks best.
  byLlvm
};

/// LLVM's O2 pipeline for the machine.
void optimiseModule(llvm::Module &module, llvm::TargetMachine &machine,
                    Loops loops);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_LIBRARY_OPTIMISE_H
