//===- Passes.td - Passes of the CUDA target's codegen ---------*- tablegen -*-===//

#ifndef DECAY_CUDA_CODEGEN_PASSES
#define DECAY_CUDA_CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def PtxMath : Pass<"ptx-math", "mlir::ModuleOp"> {
  let summary = "Replace math functions and divisions by approximate instructions and polynomials";
  let description = [{
    exp, log, tanh, ... and the quotient of f32 become a few instructions each, so that no
    library of device functions is linked. The errors are in PtxMath.cpp, beside each formula;
    `fastmath<afn>` on exp, log and log2 takes the shorter formula; in a module of precision fp32
    exp has fp32's digits and quotients are exact. On f64 there are exp, exp2,
    sin and cos, for angles. A math operation that has no form here and no instruction is an
    error: LLVM would end the process.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

#endif // DECAY_CUDA_CODEGEN_PASSES
