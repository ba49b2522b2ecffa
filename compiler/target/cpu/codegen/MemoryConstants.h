//===- MemoryConstants.h - Constants as operands in memory -----*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H
#define DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H

namespace llvm {
class Function;
}

namespace decay::cpu {

/// Makes arithmetic on vectors in inner loops read equal-element constants as
/// whole vectors: some before the loop, for as many registers as there are to
/// spare, the others where they are used. The back end then makes the load part
/// of the instruction that uses it; a constant of one element would take an
/// instruction and a register to spread. For processors whose instructions
/// cannot spread an operand themselves, and after all optimisations, which
/// would undo it.
void keepConstantsInMemory(llvm::Function &function);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CODEGEN_MEMORYCONSTANTS_H
