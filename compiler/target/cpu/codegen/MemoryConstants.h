//===- MemoryConstants.h - Constants as operands in memory -----*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H
#define DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H

namespace llvm {
class Function;
}

namespace decay::cpu {

/// Makes arithmetic on vectors read equal-element constants as whole vectors,
/// each where it is used. The back end then makes the load part of the
/// instruction that uses it; a constant of one element would take an
/// instruction and a register to spread. For processors whose instructions
/// cannot spread an operand themselves, and after all optimisations, which
/// would undo it.
void keepConstantsInMemory(llvm::Function &function);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H
