//===- Optimise.cpp - LLVM's own optimisations, once ----------------------===//
#include "compiler/package/library/Optimise.h"

#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

namespace decay {

void optimiseModule(llvm::Module &module, llvm::TargetMachine &machine,
                    Loops form) {
  llvm::PipelineTuningOptions tuning;
  if (form == Loops::asWritten) {
    tuning.LoopVectorization = tuning.SLPVectorization = false;
    tuning.LoopUnrolling = tuning.LoopInterleaving = false;
  }
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

} // namespace decay
