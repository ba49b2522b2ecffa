//===- Passes.td - From decay to chunk -------------------------*- tablegen -*-===//

include "mlir/Pass/PassBase.td"

def DecayToChunk : Pass<"decay-to-chunk", "mlir::ModuleOp"> {
  let summary = "Turns each function of a design into a chunk.kernel";
  let description = [{
    @forward becomes one ascending sweep. @backward becomes an ascending sweep that keeps the
    carried values of each chunk, and a descending one that computes the chunk's inner
    values again from them: nothing but the raw inputs is ever saved. Values without a token
    axis move out of the sweeps. @step is @forward under another name: its T is 1.
  }];
  let options = [Option<"chunkLength", "chunk-length", "int64_t", "64", "C, tokens per chunk">];
  let dependentDialects = ["chunk::ChunkDialect", "mlir::arith::ArithDialect", "mlir::math::MathDialect"];
}

def FusePointwise : Pass<"fuse-pointwise", "chunk::KernelOp"> {
  let summary = "Merges chunk.pointwise operations over the same axes into one loop";
  let description = [{
    A pointwise operation joins the nearest earlier one of its block that varies over the same axes,
    if everything it reads is defined before that one or by it. Intermediate values
    that nothing else reads never reach memory.
  }];
  let dependentDialects = ["chunk::ChunkDialect"];
}

def KeepStates : Pass<"keep-states", "mlir::ModuleOp"> {
  let summary = "Lets @forward keep what it carries into each chunk, for @backward";
  let description = [{
    Each carried value becomes an optional operand of both, named after it ("kept_state"), with a place for each chunk
    (axis S). A caller that hands both launches the same memory spares @backward the sweep that makes the values again.
    Nothing changes if @backward reads what that sweep carries to its end.
  }];
  let dependentDialects = ["chunk::ChunkDialect"];
}
