//===- main.cpp - decay-translate: a target's levels from MLIR text ------===//
//
// What decayc does after a design has become MLIR, for text that was written by
// hand or kept from an earlier level.
//
//===----------------------------------------------------------------------===//
#include "compiler/package/KernelEntries.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/pipeline/Registration.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

namespace decay {
namespace {

namespace cl = llvm::cl;

cl::opt<std::string> input(cl::Positional, cl::desc("<MLIR text>"),
                           cl::init("-"));
cl::opt<std::string> targetName("target", cl::desc("the machine"),
                                cl::init(targets().front()->name().str()));
cl::opt<std::string>
    firstPhase("from", cl::desc("the target's phase to begin with (default: "
                                "its first; 'none': no phase)"));
cl::opt<std::string> level("emit", cl::desc("a phase or an artefact"),
                           cl::Required);

llvm::Error translate() {
  const Target *target = findTarget(targetName);
  if (!target)
    return llvm::createStringError("there is no target '" + targetName + "'");
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(input, &context);
  if (!module)
    return llvm::createStringError("cannot read '" + input + "'");
  llvm::ArrayRef<Phase> phases = target->phases();
  phases = phases.drop_while([](const Phase &phase) {
    return !firstPhase.empty() && phase.name != firstPhase;
  });
  bool phaseReached = false;
  if (llvm::Error error = runPipeline(
          *module, phases, [&](const Phase &phase) -> llvm::Expected<bool> {
            phaseReached = phase.name == level;
            return !phaseReached;
          }))
    return error;
  if (phaseReached) {
    module->print(llvm::outs());
    return llvm::Error::success();
  }
  if (llvm::none_of(target->artefacts(), [](const TargetArtefact &artefact) {
        return artefact.name == level;
      }))
    return llvm::createStringError("the target has no level '" + level + "'");
  PackageDescription package;
  package.entries = entriesOfKernels(*module);
  llvm::Expected<std::string> text = target->emit(*module, package, level);
  if (!text)
    return text.takeError();
  llvm::outs() << *text;
  return llvm::Error::success();
}

} // namespace
} // namespace decay

int main(int argumentCount, char **arguments) {
  llvm::cl::ParseCommandLineOptions(argumentCount, arguments,
                                    "A target's levels from MLIR text\n");
  if (llvm::Error error = decay::translate()) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
