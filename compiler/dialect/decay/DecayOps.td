//===- DecayOps.td - Operations of the decay dialect -----------*- tablegen -*-===//

#ifndef DECAY_DIALECT_DECAY_OPS
#define DECAY_DIALECT_DECAY_OPS

include "DecayDialect.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Decay_Op<string mnemonic, list<Trait> traits = []>
    : Op<Decay_Dialect, mnemonic, !listconcat(traits, [Pure])>;

def Decay_ConstantOp : Decay_Op<"constant"> {
  let summary = "One number, the same everywhere";
  let arguments = (ins F64Attr:$value);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
}

def Decay_IndexOp : Decay_Op<"index"> {
  let summary = "A number that the position in the model fixes";
  let description = [{
    `head`: 0 .. H-1, varies over head. `heads`: H. `layer`: the layer at hand,
    from 0. `layers`: L. All but `head` are fields without axes.
  }];
  let arguments = (ins StrAttr:$kind);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$kind attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Decay_MapOp : Decay_Op<"map"> {
  let summary = "A pointwise operator of dsl/operators/PointwiseOperators.def";
  let description = [{
    ```mlir
    %y = decay.map "sigmoid"(%x) : (!decay.field<token, head>) -> !decay.field<token, head>
    ```
    The result varies over the union of the operands' axes.
  }];
  let arguments = (ins StrAttr:$name, Variadic<Decay_FieldType>:$operands);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$name `(` $operands `)` attr-dict `:` functional-type($operands, $result)";
  let builders = [OpBuilder<(ins "llvm::StringRef":$name, "mlir::ValueRange":$operands)>];
  let hasVerifier = 1;
}

def Decay_BroadcastOp : Decay_Op<"broadcast"> {
  let summary = "The same number along the axes that the operand lacks";
  let arguments = (ins Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_SumOp : Decay_Op<"sum"> {
  let summary = "Sum over the axes that the result lacks: the adjoint of broadcasting";
  let arguments = (ins Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_ScanOp : Decay_Op<"scan"> {
  let summary = "A value carried along the tokens of a sequence";
  let description = [{
    `kind` cumsum: z_t = z_{t-1} + x_t; logcumsumexp: z_t = log(exp z_{t-1} + exp x_t);
    latest: z_t = x_t (so that `exclusive` is the term one token ago), with z_{-1} = `initial` (a field with `sequence` axis). Results: z_t (`inclusive`),
    z_{t-1} (`exclusive`) and z after the last token (`final`).
    In the language: `carry z = kind(x) from initial`, `prev(z)`.
  }];
  let arguments = (ins StrAttr:$kind, Decay_FieldType:$term, Decay_FieldType:$initial);
  let results = (outs Decay_FieldType:$inclusive, Decay_FieldType:$exclusive, Decay_FieldType:$final);
  let assemblyFormat = "$kind $term `from` $initial attr-dict `:` functional-type(operands, results)";
  let builders = [OpBuilder<(ins "llvm::StringRef":$kind, "mlir::Value":$term, "mlir::Value":$initial)>];
  let hasVerifier = 1;
}

def Decay_ScanGradientOp : Decay_Op<"scan_gradient"> {
  let summary = "The adjoint of decay.scan: one reverse sweep";
  let description = [{
    Given the gradients of the scan's three results, those of `term` and `initial`.
    With a_t = dinclusive_t + (dexclusive_{t+1} + a_{t+1} w_{t+1}), where w is 1 for cumsum,
    exp(z_{t-1} - z_t) for logcumsumexp and 0 for latest: dterm_t = a_t for cumsum and latest, a_t exp(x_t - z_t) for logcumsumexp.
    `exclusive` is the scan's z_{t-1}; both weights follow from x_t - z_{t-1} without cancellation.
  }];
  let arguments = (ins StrAttr:$kind, Decay_FieldType:$term, Decay_FieldType:$exclusive,
                       Decay_FieldType:$d_inclusive, Decay_FieldType:$d_exclusive, Decay_FieldType:$d_final);
  let results = (outs Decay_FieldType:$d_term, Decay_FieldType:$d_initial);
  let assemblyFormat = "$kind $term `,` $exclusive `gradients` $d_inclusive `,` $d_exclusive `,` $d_final attr-dict `:` functional-type(operands, results)";
  let builders = [OpBuilder<(ins "llvm::StringRef":$kind, "mlir::ValueRange":$operands)>];
  let hasVerifier = 1;
}

def Decay_AcrossLayersOp : Decay_Op<"across_layers"> {
  let summary = "softmax, cumsum or first along the layer axis of a cross-layer parameter";
  let description = "`first` is the value at layer 0, without the layer axis.";
  let arguments = (ins StrAttr:$kind, Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$kind $operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_AcrossLayersGradientOp : Decay_Op<"across_layers_gradient"> {
  let summary = "The adjoint of decay.across_layers";
  let description = "`result` is what the operation gave (softmax needs it).";
  let arguments = (ins StrAttr:$kind, Decay_FieldType:$result_value, Decay_FieldType:$d_result);
  let results = (outs Decay_FieldType:$d_operand);
  let assemblyFormat = "$kind $result_value `gradient` $d_result attr-dict `:` type($result_value) `,` type($d_result) `->` type($d_operand)";
  let hasVerifier = 1;
}

def Decay_AtLayerOp : Decay_Op<"at_layer"> {
  let summary = "The slice at the layer at hand: drops the layer axis";
  let arguments = (ins Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_FromLayerOp : Decay_Op<"from_layer"> {
  let summary = "The adjoint of decay.at_layer: the operand at the layer at hand, zero at all others";
  let arguments = (ins Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_RotateOp : Decay_Op<"rotate"> {
  let summary = "Positional encoding of q or k";
  let description = [{
    `kind` rope: channels c and c + K/2 turn by the angle p θ_c, θ_c = 10000^(-2c/K),
    where p is the token's absolute position (K even). lrpe_cosine: (x_c cos(p θ_c), x_c sin(p θ_c))
    with θ_c = 10000^(-c/K); the result gains the `pair` axis. `adjoint` applies the transposed map.
  }];
  let arguments = (ins StrAttr:$kind, Decay_FieldType:$operand, UnitAttr:$adjoint);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$kind $operand (`adjoint` $adjoint^)? attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Decay_RecurrenceOp : Decay_Op<"recurrence"> {
  let summary = "Linear attention with decay";
  let description = [{
    s_t = diag(λ_t) s_{t-1} + k_t v_tᵀ, o_t = s_tᵀ q_t, s_{-1} = `initial` (arXiv 2509.05282).
    q, k: token x head (x pair) x channel; λ: any of token, head, channel; v: token x head x value;
    `initial`, `final`: sequence x head (x pair) x channel x value.
  }];
  let arguments = (ins Decay_FieldType:$q, Decay_FieldType:$k, Decay_FieldType:$v,
                       Decay_FieldType:$lambda, Decay_FieldType:$initial);
  let results = (outs Decay_FieldType:$o, Decay_FieldType:$final);
  let assemblyFormat = [{
    `q` $q `k` $k `v` $v `lambda` $lambda `initial` $initial attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Decay_RecurrenceGradientOp : Decay_Op<"recurrence_gradient"> {
  let summary = "The adjoint of decay.recurrence: one reverse sweep";
  let description = [{
    With D_t = q_t do_tᵀ + diag(λ_{t+1}) D_{t+1} (D_T = gradient of `final`): dq_t = s_t do_t,
    dk_t = D_t v_t, dv_t = D_tᵀ k_t, dλ_t = Σ_v s_{t-1} ∘ D_t, d initial = diag(λ_0) D_0.
    dλ has the axes of λ (summed over pair, and over whatever else λ lacks).
  }];
  let arguments = (ins Decay_FieldType:$q, Decay_FieldType:$k, Decay_FieldType:$v,
                       Decay_FieldType:$lambda, Decay_FieldType:$initial,
                       Decay_FieldType:$d_o, Decay_FieldType:$d_final);
  let results = (outs Decay_FieldType:$d_q, Decay_FieldType:$d_k, Decay_FieldType:$d_v,
                      Decay_FieldType:$d_lambda, Decay_FieldType:$d_initial);
  let assemblyFormat = [{
    `q` $q `k` $k `v` $v `lambda` $lambda `initial` $initial `gradients` $d_o `,` $d_final attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "RecurrenceOp":$forward, "mlir::Value":$d_o, "mlir::Value":$d_final)>];
  let hasVerifier = 1;
}

def Decay_CheckRangeOp : Decay_Op<"check_range", [SameOperandsAndResultType]> {
  let summary = "λ as it is, after a run-time check that it lies in [0, 1]";
  let description = "Present where the checker could not prove it. A violation is the launch's status.";
  let arguments = (ins Decay_FieldType:$operand);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
}

def Decay_RandomOp : Decay_Op<"random"> {
  let summary = "One draw per element; in @init_parameters only";
  let description = [{
    `kind` uniform: [first, second); normal: mean first, deviation second. Philox4x32-10, key = seed,
    counter = (element index, `stream`): the same numbers on every device. `stream` is
    the parameter's ordinal.
  }];
  let arguments = (ins StrAttr:$kind, I64Attr:$stream, Decay_FieldType:$first, Decay_FieldType:$second);
  let results = (outs Decay_FieldType:$result);
  let assemblyFormat = "$kind `stream` $stream $first `,` $second attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // DECAY_DIALECT_DECAY_OPS
