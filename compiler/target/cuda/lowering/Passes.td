//===- Passes.td - From chunk to kernels of this target --------*- tablegen -*-===//

include "mlir/Pass/PassBase.td"

def AssignLayouts : Pass<"assign-layouts", "mlir::ModuleOp"> {
  let summary = "Says which thread of a block has which numbers, for each pair of head dims";
  let description = [{
    A chunk.kernel of each entry becomes one for each pair of head dims that the module's `decay.head_dims` lists (else the
    target's usual ones), and forward two: with and without kept states. Each gets `tile.entry` and `tile.block`, its tiles
    `tile.layouts`. How a block shares the work, how many columns a thread has and in what layout it has them are rows of
    the tables of `Schemes.cpp` and `AssignLayouts.cpp`. Pairs of head dims that no block can serve are left out.

    Before, gates become formulas of few instructions, and pointwise operations part from what waits for λ's gradient: both
    are in what the choices look at.
  }];
  let dependentDialects = ["::decay::cuda::tile::TileDialect", "mlir::arith::ArithDialect", "mlir::math::MathDialect"];
}

def LowerBlocks : Pass<"lower-blocks", "mlir::ModuleOp"> {
  let summary = "Turns each chunk.kernel with layouts into GPU kernels";
  let description = [{
    A thread block does one item, in the way and with the layouts that assign-layouts has chosen; a kernel without them is
    an error. The kernels stand in a gpu.module, with the attributes of `../Launches.h`.
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect", "mlir::NVVM::NVVMDialect",
                           "mlir::math::MathDialect", "mlir::scf::SCFDialect", "mlir::gpu::GPUDialect"];
}
