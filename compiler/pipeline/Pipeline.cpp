//===- Pipeline.cpp - The whole order of passes ---------------------------===//
//
// Design    parseDesign, checkDesign, importDesign: text -> decay      (dsl/)
// Backward  formulas made safe, then their reverse mode: still decay
// Chunk     how it runs, for any target
// Target    the target's own levels, down to its last in MLIR
// Object    machine code, by the target
// Package   the shared library, its header and its manifest  (compiler/package)
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Pipeline.h"

#include "compiler/autodiff/Passes.h"
#include "compiler/conversion/decay_to_chunk/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/raw_ostream.h"

namespace decay {
namespace {

void nothing(mlir::OpPassManager &) {}

void backward(mlir::OpPassManager &passes) {
  // First, so that gradients are derived from formulas that keep their digits.
  passes.addPass(createRewriteHazards());
  passes.addPass(createDeriveGradient());
  // The chain rule leaves zeros, ones and equal operations behind.
  passes.addPass(createSimplify());
}

void chunk(mlir::OpPassManager &passes) {
  // Sweeps over chunks: what is carried, what is kept, what is computed again.
  passes.addPass(createDecayToChunk());
  // What no sweep reads goes first, or loops would be made for it.
  passes.addPass(mlir::createCanonicalizerPass());
  // One loop for a token's whole formula: nothing of the decay reaches memory.
  passes.addNestedPass<chunk::KernelOp>(createFusePointwise());
  // Formulas that met in one loop share their exponentials.
  passes.addPass(mlir::createCSEPass());
  passes.addPass(mlir::createCanonicalizerPass());
}

constexpr Phase commonPhases[] = {
    {"decay", "the design as checked: what it computes", nothing},
    {"backward", "the gradient beside it, as ordinary operations", backward},
    {"chunk", "how it runs on any target: sweeps, tiles, what is kept", chunk},
};

} // namespace

std::vector<Phase> buildPipeline(const Target &target) {
  std::vector<Phase> phases(std::begin(commonPhases), std::end(commonPhases));
  llvm::append_range(phases, target.phases());
  return phases;
}

llvm::Error
runPipeline(mlir::ModuleOp module, llvm::ArrayRef<Phase> phases,
            llvm::function_ref<llvm::Expected<bool>(const Phase &)> after) {
  std::string said;
  mlir::ScopedDiagnosticHandler listener(module.getContext(),
                                         [&](mlir::Diagnostic &diagnostic) {
                                           said += diagnostic.str() + "\n";
                                           return mlir::success();
                                         });
  for (const Phase &phase : phases) {
    mlir::PassManager passes(module.getContext());
    phase.addPasses(passes);
    if (mlir::failed(passes.run(module)))
      return llvm::createStringError("internal error in phase '" + phase.name +
                                     "': " + said);
    llvm::Expected<bool> goOn = after(phase);
    if (!goOn)
      return goOn.takeError();
    if (!*goOn)
      break;
  }
  return llvm::Error::success();
}

} // namespace decay
