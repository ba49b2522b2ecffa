//===- ChunkOps.td - HOW a design runs, for any target ---------*- tablegen -*-===//

#ifndef DECAY_DIALECT_CHUNK_OPS
#define DECAY_DIALECT_CHUNK_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Chunk_Dialect : Dialect {
  let name = "chunk";
  let cppNamespace = "::decay::chunk";
  let summary = "How a design runs: sweeps over chunks of tokens, for any target";
  let description = [{
    A `chunk.kernel` says what one item does, an item being one head of one sequence.
    Its values are tiles. Inside a `chunk.sweep` a tile with a token axis holds the C
    tokens of the chunk at hand (the last chunk may be shorter); tiles without it
    belong to the whole item. What is carried from chunk to chunk, what is stored and
    what is computed again is explicit; where tiles live is the target's business.
  }];
  let useDefaultTypePrinterParser = 1;
  // A tile is read and written as a field is.
  let dependentDialects = ["::decay::ir::DecayDialect"];
  let extraClassDeclaration = "void registerTypes();";
}

def Chunk_TileType : TypeDef<Chunk_Dialect, "Tile"> {
  let mnemonic = "tile";
  let summary = "fp32 numbers over some of: layer, token, pair, channel, value";
  let parameters = (ins "unsigned":$axes);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    bool has(ir::Axis axis) const;
    TileType with(ir::Axis axis) const;
    TileType without(ir::Axis axis) const;
  }];
}

class Chunk_Op<string mnemonic, list<Trait> traits = []> : Op<Chunk_Dialect, mnemonic, traits>;

def Chunk_KernelOp : Chunk_Op<"kernel", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock]> {
  let summary = "What one item (sequence, head) of an entry does";
  let description = [{
    `operands` is an array of dictionaries, one per operand of the launch in order: name, shape
    (axes as in the package ABI), access (0 read, 1 write), optional (0, 1), and for gradients of
    parameters reduce = true: the item writes its share, whose sum over items is the result.
    `chunk_length` is C.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ArrayAttr:$operands, I64Attr:$chunk_length);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `chunk_length` $chunk_length `operands` $operands attr-dict-with-keyword $body";
}

def Chunk_SweepOp : Chunk_Op<"sweep", [SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "Runs its body for each chunk of the sequence, ascending or descending";
  let description = "Block arguments are the carried tiles; the terminator yields their next values.";
  let hasCanonicalizer = 1; // UnusedCarries.cpp
  let arguments = (ins Variadic<Chunk_TileType>:$initial, UnitAttr:$descending);
  let results = (outs Variadic<Chunk_TileType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`descending` $descending^)? `(` $initial `)` attr-dict `:` functional-type($initial, $results) $body";
}

def Chunk_YieldOp : Chunk_Op<"yield", [Pure, Terminator]> {
  let summary = "Ends a sweep's body or a pointwise region";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins)>];
}

def Chunk_ReadOp : Chunk_Op<"read", [Pure]> {
  let summary = "This item's part of an operand: the rows of the chunk at hand, or the whole";
  let description = "An absent optional operand reads as zero.";
  let arguments = (ins I64Attr:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($result)";
}

def Chunk_WriteOp : Chunk_Op<"write"> {
  let summary = "Writes this item's part of an operand; nothing if it is absent";
  let arguments = (ins Chunk_TileType:$tile, I64Attr:$operand);
  let assemblyFormat = "$tile `to` $operand attr-dict `:` type($tile)";
}

def Chunk_FillOp : Chunk_Op<"fill", [Pure]> {
  let summary = "A tile of zeros, to accumulate into";
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Chunk_IndexOp : Chunk_Op<"index", [Pure]> {
  let summary = "head, heads, layer or layers, as a number";
  let arguments = (ins StrAttr:$kind);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$kind attr-dict `:` type($result)";
}

def Chunk_RandomOp : Chunk_Op<"random", [Pure]> {
  let summary = "decay.random for this head's part of a parameter";
  let description = "`shape` is the parameter's, from which an element's index follows.";
  let arguments = (ins StrAttr:$kind, I64Attr:$stream, StrAttr:$shape, Chunk_TileType:$first, Chunk_TileType:$second);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$kind `stream` $stream `shape` $shape $first `,` $second attr-dict `:` functional-type(operands, results)";
}

def Chunk_PointwiseOp : Chunk_Op<"pointwise", [Pure, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "One loop over a tile's elements: a fused chain of pointwise operators";
  let description = [{
    The region works on f32 scalars (arith and math); operands are broadcast to the results' axes,
    which are all alike.
  }];
  let arguments = (ins Variadic<Chunk_TileType>:$inputs);
  let results = (outs Variadic<Chunk_TileType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` $inputs `)` attr-dict `:` functional-type($inputs, $results) $body";
  let hasVerifier = 1;
}

def Chunk_ScanOp : Chunk_Op<"scan", [Pure]> {
  let summary = "decay.scan over the chunk's tokens";
  let arguments = (ins StrAttr:$kind, Chunk_TileType:$term, Chunk_TileType:$carry);
  let results = (outs Chunk_TileType:$inclusive, Chunk_TileType:$exclusive, Chunk_TileType:$next);
  let assemblyFormat = "$kind $term `,` $carry attr-dict `:` functional-type(operands, results)";
}

def Chunk_ScanGradientOp : Chunk_Op<"scan_gradient", [Pure]> {
  let summary = "decay.scan_gradient over the chunk's tokens, last token first";
  let description = [{
    `carry` is the gradient of z after the chunk, `next` that of z before it:
    a_t = d_inclusive_t + g_t, d_term_t = a_t e_t, g_{t-1} = d_exclusive_t + a_t w_t, with e = w = 1 for
    cumsum, e = sigmoid(x_t - z_{t-1}) and w = sigmoid(z_{t-1} - x_t) for logcumsumexp.
  }];
  let arguments = (ins StrAttr:$kind, Chunk_TileType:$term, Chunk_TileType:$exclusive,
                       Chunk_TileType:$d_inclusive, Chunk_TileType:$d_exclusive, Chunk_TileType:$carry);
  let results = (outs Chunk_TileType:$d_term, Chunk_TileType:$next);
  let assemblyFormat = "$kind operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_RotateOp : Chunk_Op<"rotate", [Pure]> {
  let summary = "decay.rotate of the chunk's rows";
  let arguments = (ins StrAttr:$kind, Chunk_TileType:$operand, UnitAttr:$adjoint);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$kind $operand (`adjoint` $adjoint^)? attr-dict `:` functional-type(operands, results)";
}

def Chunk_RecurrenceOp : Chunk_Op<"recurrence", [Pure]> {
  let summary = "The recurrence over the chunk's tokens: outputs, and the state behind it";
  let description = [{
    λ is a tile over token (scalar decay) or over all of q's axes. `state` is the state before the
    chunk. The way of computing it (product tree or token by token) is the target's choice from a
    table; the product tree is described in the README.
  }];
  let arguments = (ins Chunk_TileType:$q, Chunk_TileType:$k, Chunk_TileType:$v, Chunk_TileType:$lambda, Chunk_TileType:$state);
  let results = (outs Chunk_TileType:$o, Chunk_TileType:$next);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_StateOp : Chunk_Op<"state", [Pure]> {
  let summary = "The state behind the chunk alone: backward's first sweep";
  let arguments = (ins Chunk_TileType:$k, Chunk_TileType:$v, Chunk_TileType:$lambda, Chunk_TileType:$state);
  let results = (outs Chunk_TileType:$next);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_StateGradientOp : Chunk_Op<"state_gradient", [Pure]> {
  let summary = "The gradient of the state before the chunk alone: d_next of chunk.recurrence_gradient";
  let arguments = (ins Chunk_TileType:$q, Chunk_TileType:$d_o, Chunk_TileType:$lambda, Chunk_TileType:$d_state);
  let results = (outs Chunk_TileType:$d_next);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_ProductOp : Chunk_Op<"product", [Pure]> {
  let summary = "The accumulator times the product of a tile over the chunk's tokens";
  let arguments = (ins Chunk_TileType:$accumulator, Chunk_TileType:$tile);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$accumulator `,` $tile attr-dict `:` functional-type(operands, results)";
}

def Chunk_RecurrenceGradientOp : Chunk_Op<"recurrence_gradient", [Pure]> {
  let summary = "The adjoint of chunk.recurrence";
  let description = [{
    `state` is the state before the chunk, `d_state` the gradient of the state behind it; `d_next` that
    of the state before it. d_lambda has λ's axes.
  }];
  let arguments = (ins Chunk_TileType:$q, Chunk_TileType:$k, Chunk_TileType:$v, Chunk_TileType:$lambda,
                       Chunk_TileType:$state, Chunk_TileType:$d_state, Chunk_TileType:$d_o);
  let results = (outs Chunk_TileType:$d_q, Chunk_TileType:$d_k, Chunk_TileType:$d_v, Chunk_TileType:$d_lambda,
                      Chunk_TileType:$d_next);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_SaveOp : Chunk_Op<"save"> {
  let summary = "Keeps a carried tile for the chunk at hand, until a later sweep restores it";
  let description = [{
    `kept` is an operand of the launch where callers may give memory that outlives it. A kernel that writes it keeps the
    tile there if it is given; one that reads it finds the tile there and leaves out the sweep that would make it again.
  }];
  let arguments = (ins Chunk_TileType:$tile, I64Attr:$slot, OptionalAttr<I64Attr>:$kept);
  let assemblyFormat = "$tile `in` $slot attr-dict `:` type($tile)";
}

def Chunk_RestoreOp : Chunk_Op<"restore", [Pure]> {
  let summary = "The tile that an earlier sweep kept for the chunk at hand, or another launch (chunk.save)";
  let arguments = (ins I64Attr:$slot, OptionalAttr<I64Attr>:$kept);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$slot attr-dict `:` type($result)";
}

def Chunk_SpreadOp : Chunk_Op<"spread", [Pure]> {
  let summary = "A λ that no token changes, as one number per token of a chunk";
  let description = [{
    fp32 holds λ to 2^-25, and after n tokens the error of λ^n is n times that: always to the same side.
    So each token's number is rounded with what the tokens before it lost (error diffusion), and the
    product over any stretch of a chunk is right to one rounding. `complement` is 1 - λ from its own formula.
    λ under 1/2 is repeated as it is. Used by every sweep, so that all see the same numbers.
  }];
  let arguments = (ins Chunk_TileType:$lambda, Chunk_TileType:$complement);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_RepeatPairOp : Chunk_Op<"repeat_pair", [Pure]> {
  let summary = "The same channels for both halves of lrpe_cosine";
  let arguments = (ins Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type(operands, results)";
}

def Chunk_SumOp : Chunk_Op<"sum", [Pure]> {
  let summary = "Sum over channel, pair or layer, per token where there are tokens";
  let arguments = (ins Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type(operands, results)";
}

def Chunk_AccumulateOp : Chunk_Op<"accumulate", [Pure]> {
  let summary = "The accumulator plus the sum of a tile over the chunk's tokens";
  let arguments = (ins Chunk_TileType:$accumulator, Chunk_TileType:$tile);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$accumulator `,` $tile attr-dict `:` functional-type(operands, results)";
}

def Chunk_AcrossLayersOp : Chunk_Op<"across_layers", [Pure]> {
  let summary = "decay.across_layers of this head's part";
  let arguments = (ins StrAttr:$kind, Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$kind $operand attr-dict `:` functional-type(operands, results)";
}

def Chunk_AcrossLayersGradientOp : Chunk_Op<"across_layers_gradient", [Pure]> {
  let summary = "decay.across_layers_gradient of this head's part";
  let arguments = (ins StrAttr:$kind, Chunk_TileType:$result_value, Chunk_TileType:$d_result);
  let results = (outs Chunk_TileType:$d_operand);
  let assemblyFormat = "$kind operands attr-dict `:` functional-type(operands, results)";
}

def Chunk_AtLayerOp : Chunk_Op<"at_layer", [Pure]> {
  let summary = "The slice at the layer at hand";
  let arguments = (ins Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type(operands, results)";
}

def Chunk_FromLayerOp : Chunk_Op<"from_layer", [Pure]> {
  let summary = "The operand at the layer at hand, zero at all others";
  let arguments = (ins Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type(operands, results)";
}

def Chunk_CheckRangeOp : Chunk_Op<"check_range", [SameOperandsAndResultType]> {
  let summary = "Names the first token and channel where the tile leaves [0, 1]";
  let arguments = (ins Chunk_TileType:$operand);
  let results = (outs Chunk_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
}

#endif // DECAY_DIALECT_CHUNK_OPS
