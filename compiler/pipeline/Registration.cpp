//===- Registration.cpp - All dialects and passes of this build ----------===//
#include "compiler/pipeline/Registration.h"

#include "compiler/autodiff/Passes.h"
#include "compiler/conversion/decay_to_chunk/Passes.h"
#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/dialect/decay/DecayDialect.h"
#include "compiler/target/Target.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Transforms/Passes.h"

namespace decay {

void registerDialects(mlir::DialectRegistry &registry) {
  registry
      .insert<ir::DecayDialect, chunk::ChunkDialect, mlir::func::FuncDialect>();
  for (const Target *target : targets())
    target->registerDialects(registry);
}

void registerPasses() {
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  registerAutodiffPasses();
  registerDecayToChunkPasses();
  for (const Target *target : targets())
    target->registerPasses();
}

} // namespace decay
