//===- DecayToChunk.cpp - The pass decay-to-chunk -------------------------===//
#include "compiler/conversion/decay_to_chunk/KernelBuilder.h"
#include "compiler/conversion/decay_to_chunk/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace decay {

#define GEN_PASS_DEF_DECAYTOCHUNK
#include "compiler/conversion/decay_to_chunk/Passes.h.inc"

namespace {

struct DecayToChunk : impl::DecayToChunkBase<DecayToChunk> {
  using DecayToChunkBase::DecayToChunkBase;

  void runOnOperation() override {
    auto functions =
        llvm::to_vector(getOperation().getOps<mlir::func::FuncOp>());
    for (mlir::func::FuncOp function : functions) {
      KernelBuilder(function, function.getName(), chunkLength).build();
      if (function.getName() == "forward")
        KernelBuilder(function, "step", 1).build();
      function.erase();
    }
  }
};

} // namespace
} // namespace decay
