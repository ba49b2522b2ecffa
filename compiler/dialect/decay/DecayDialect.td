//===- DecayDialect.td - WHAT a design computes ----------------*- tablegen -*-===//

#ifndef DECAY_DIALECT_DECAY_DIALECT
#define DECAY_DIALECT_DECAY_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Decay_Dialect : Dialect {
  let name = "decay";
  let cppNamespace = "::decay::ir";
  let summary = "What a design computes, token by token, for every target";
  let description = [{
    A module holds the functions of one design: `@forward`, `@init_parameters` and,
    after `derive-gradient`, `@backward`. Their values are fields: numbers that vary
    over named axes. There is no order of evaluation, no memory and no size in it.

    Function arguments carry `decay.name`, and `decay.role` = projection | parameter |
    initial | gradient; results carry `decay.name`.
  }];
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = "void registerTypes();";
}

def Decay_FieldType : TypeDef<Decay_Dialect, "Field"> {
  let mnemonic = "field";
  let summary = "A real number for each point of its axes";
  let description = [{
    `axes` is a sorted subset of: `sequence` (N), `layer` (L), `token` (B and T),
    `head` (H), `pair` (2, the two halves of lrpe_cosine), `channel` (K),
    `value` (V). Operands of a pointwise operation are broadcast to the union of
    their axes. The empty field is a single number.

    ```mlir
    !decay.field<token, head, channel>   // a projection, [B, T, H, K]
    !decay.field<sequence, head, channel, value>  // a state, [N, H, K, V]
    ```
  }];
  // A bit set over ir::Axis, in the order of the list above.
  let parameters = (ins "unsigned":$axes);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    bool has(Axis axis) const;
    /// The field over these axes and one more, or one less.
    FieldType with(Axis axis) const;
    FieldType without(Axis axis) const;
  }];
}

#endif // DECAY_DIALECT_DECAY_DIALECT
