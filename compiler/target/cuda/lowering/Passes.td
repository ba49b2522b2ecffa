//===- Passes.td - From chunk to kernels of this target --------*- tablegen -*-===//

include "mlir/Pass/PassBase.td"

def LowerBlocks : Pass<"lower-blocks", "mlir::ModuleOp"> {
  let summary = "Turns each chunk.kernel into GPU kernels, one for each pair of head dims";
  let description = [{
    A thread block does one item. The kernels stand in a gpu.module, with the attributes of
    `../Launches.h`.
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect", "mlir::NVVM::NVVMDialect",
                           "mlir::math::MathDialect", "mlir::scf::SCFDialect", "mlir::gpu::GPUDialect"];
}
