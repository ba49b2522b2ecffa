//===- Passes.td - Passes of the CPU target's codegen ----------*- tablegen -*-===//

#ifndef DECAY_CPU_CODEGEN_PASSES
#define DECAY_CPU_CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def ApproximateMath : Pass<"approximate-math", "mlir::ModuleOp"> {
  let summary = "Replace math functions on f32 by polynomials that vectorise";
  let description = [{
    exp, log, tanh, ... on scalars and vectors alike become arithmetic, so that no
    math library is called and all lanes stay busy. exp of vectors of eight f32
    asks for AVX2.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::vector::VectorDialect"];
}

#endif // DECAY_CPU_CODEGEN_PASSES
