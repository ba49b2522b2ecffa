//===- Passes.td - Passes of compiler/autodiff -----------------*- tablegen -*-===//

#ifndef DECAY_AUTODIFF_PASSES
#define DECAY_AUTODIFF_PASSES

include "mlir/Pass/PassBase.td"

def RewriteHazards : Pass<"rewrite-hazards", "mlir::ModuleOp"> {
  let summary = "Replace formulas that lose digits or overflow by stable ones";
  let description = [{
    1 - sigmoid(x) becomes sigmoid(-x), log(sigmoid(x)) logsigmoid(x), 1 - exp(x) -expm1(x),
    the step of a logcumsumexp a logsigmoid. Runs before `derive-gradient`.
  }];
  let dependentDialects = ["::decay::ir::DecayDialect"];
}

def DeriveGradient : Pass<"derive-gradient", "mlir::ModuleOp"> {
  let summary = "Add @backward, the reverse mode of @forward";
  let description = [{
    `@backward` takes @forward's arguments and the gradients of its results
    (`d_<result>`, role gradient); it gives the gradient of each argument of
    @forward, in that order, under the name `d_<argument>` (the initial state's is
    `d_initial_state`).
  }];
  let dependentDialects = ["::decay::ir::DecayDialect", "::mlir::func::FuncDialect"];
}

def Simplify : Pass<"simplify", "mlir::ModuleOp"> {
  let summary = "Fold constants and neutral elements; remove equal and dead operations";
  let dependentDialects = ["::decay::ir::DecayDialect"];
}

#endif // DECAY_AUTODIFF_PASSES
