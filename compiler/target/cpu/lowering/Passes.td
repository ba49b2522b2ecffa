//===- Passes.td - From chunk to functions of this target ------*- tablegen -*-===//

include "mlir/Pass/PassBase.td"

def LowerKernels : Pass<"lower-kernels", "mlir::ModuleOp"> {
  let summary = "Turns each chunk.kernel into one function per processor variant";
  let description = [{
    Tiles become buffers in a worker's scratch memory, whose rows are padded with zeros to
    whole vectors; every operation becomes loops of vector loads, arithmetic and stores, or a call of
    a recurrence core. Beside `@decay_<entry>_<variant>` stand `@decay_<entry>_scratch_floats`
    and `@decay_<entry>_partial_floats`. The functions keep the kernel's operand list as `decay.operands`.
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::func::FuncDialect", "mlir::LLVM::LLVMDialect",
                           "mlir::math::MathDialect", "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"];
}
