//===- MemoryConstants.cpp - Constants as operands in memory --------------===//
#include "compiler/target/cpu/codegen/MemoryConstants.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

namespace decay::cpu {

/// Instructions of one rounding, which take any operand from memory.
static bool takesMemory(const llvm::Instruction &instruction) {
  if (const auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction))
    return call->getIntrinsicID() == llvm::Intrinsic::fma ||
           call->getIntrinsicID() == llvm::Intrinsic::fmuladd;
  switch (instruction.getOpcode()) {
  case llvm::Instruction::FAdd:
  case llvm::Instruction::FSub:
  case llvm::Instruction::FMul:
  case llvm::Instruction::FDiv:
    return true;
  default:
    return false;
  }
}

static llvm::Constant *spreadNumber(llvm::Value *value) {
  auto *constant = llvm::dyn_cast<llvm::Constant>(value);
  if (!constant || !value->getType()->isVectorTy() || constant->isNullValue())
    return nullptr;
  return llvm::isa_and_nonnull<llvm::ConstantFP>(constant->getSplatValue())
             ? constant
             : nullptr;
}

static llvm::GlobalVariable *inMemory(llvm::Module &module,
                                      llvm::Constant *constant) {
  for (llvm::GlobalVariable &known : module.globals())
    if (known.hasPrivateLinkage() && known.hasInitializer() &&
        known.getInitializer() == constant)
      return &known;
  return new llvm::GlobalVariable(module, constant->getType(),
                                  /*isConstant=*/true,
                                  llvm::GlobalValue::PrivateLinkage, constant);
}

/// An fma overwrites one of its operands: of two constants the factor.
static bool isOverwritten(const llvm::Use &operand) {
  const auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(operand.getUser());
  return call && operand.getOperandNo() < 2 &&
         (spreadNumber(call->getArgOperand(2)) ||
          spreadNumber(call->getArgOperand(1 - operand.getOperandNo())));
}

/// The first constants of a loop stay in registers, for as many as leave the
/// loop's own values room.
class LoopConstants {
public:
  explicit LoopConstants(llvm::Loop &loop)
      : preheader(loop.getLoopPreheader()) {}

  llvm::Value *held(llvm::Constant *constant, llvm::GlobalVariable *place) {
    if (!preheader)
      return nullptr;
    if (llvm::Value *known = values.lookup(constant))
      return known;
    if (values.size() == most)
      return nullptr;
    llvm::IRBuilder<> builder(preheader->getTerminator());
    return values[constant] = builder.CreateLoad(constant->getType(), place);
  }

private:
  static constexpr unsigned most = 9;
  llvm::BasicBlock *preheader;
  llvm::DenseMap<llvm::Constant *, llvm::Value *> values;
};

static void keepConstantsOf(llvm::Loop &loop) {
  LoopConstants registers(loop);
  for (llvm::BasicBlock *block : loop.blocks())
    for (llvm::Instruction &instruction : *block) {
      if (!takesMemory(instruction))
        continue;
      for (llvm::Use &operand : instruction.operands()) {
        llvm::Constant *constant = spreadNumber(operand);
        if (!constant)
          continue;
        llvm::GlobalVariable *place = inMemory(*block->getModule(), constant);
        llvm::Value *value =
            isOverwritten(operand) ? nullptr : registers.held(constant, place);
        if (!value) {
          llvm::IRBuilder<> builder(&instruction);
          value = builder.CreateLoad(constant->getType(), place);
        }
        operand = value;
      }
    }
}

void keepConstantsInMemory(llvm::Function &function) {
  if (function.isDeclaration())
    return;
  llvm::DominatorTree dominators(function);
  llvm::LoopInfo loops(dominators);
  for (llvm::Loop *loop : loops.getLoopsInPreorder())
    if (loop->isInnermost())
      keepConstantsOf(*loop);
}

} // namespace decay::cpu
