//===- TileAttributes.td - Where the numbers of a tile are -----*- tablegen -*-===//

#ifndef DECAY_TARGET_CUDA_TILE_ATTRIBUTES
#define DECAY_TARGET_CUDA_TILE_ATTRIBUTES

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::decay::cuda::tile";
  let summary = "Which thread of a block has which numbers of a chunk's tiles, and where";
  let description = [{
    Attributes on operations of the chunk dialect, none of its own operations:

    - `tile.entry` and `tile.block`, on a chunk.kernel: which launch it is, and who does what in a thread block of it;
    - `tile.layouts`, on every operation with tiles as results: the layout of each of them;
    - `tile.arguments`, on a chunk.sweep: the layouts of the tiles that it carries, as its body has them.

    The verifier says for each operation what is missing, what does not fit a tile's axes, what the block does not have
    threads or columns for, and what an operation cannot take.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    static constexpr llvm::StringLiteral entryName = "tile.entry", blockName = "tile.block",
                                         layoutsName = "tile.layouts", argumentsName = "tile.arguments";
  }];
}

class Tile_Attr<string name, string nameInText> : AttrDef<Tile_Dialect, name> {
  let mnemonic = nameInText;
}

class Tile_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::decay::cuda::tile";
  let genSpecializedAttr = 0;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Tile_Kept : Tile_Enum<"Kept", "Whether a kernel keeps states for a later launch, or finds those of an earlier one", [
    I32EnumAttrCase<"none", 0>,    // no caller can give memory for it
    I32EnumAttrCase<"given", 1>,   // if the caller gives memory
    I32EnumAttrCase<"without", 2>, // for callers who give none; there is a kernel for the others
    I32EnumAttrCase<"with", 3>     // for callers who do
]>;

def Tile_EntryAttr : Tile_Attr<"Entry", "entry"> {
  let summary = "The entry of the package that a kernel is a launch of";
  let description = [{
    `entry`: forward, backward, step or init_parameters; a kernel's own name says its head dims as well. `kept`: `none`, or
    `given` where one kernel serves callers with and without memory for kept states, or `without` and `with` where each has
    a kernel of its own.
  }];
  let parameters = (ins StringRefParameter<"name of the entry">:$entry, EnumParameter<Tile_Kept>:$kept);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_Precision : Tile_Enum<"Precision", "Elements of the caller's tensors with tokens, and of states that are saved", [
    I32EnumAttrCase<"bf16", 0>,
    I32EnumAttrCase<"fp32", 1>
]>;

def Tile_Scheme : Tile_Enum<"Scheme", "How a thread block shares an item's work", [
    I32EnumAttrCase<"columns", 0>, // a thread has tokens of its channels
    I32EnumAttrCase<"bands", 1>,   // a warp has a band of the state and all tokens
    I32EnumAttrCase<"step", 2>,    // one token: a thread has pieces of the state
    I32EnumAttrCase<"elements", 3>, // no tokens: a thread has an element of each parameter
    I32EnumAttrCase<"tokens", 4>    // token by token, in fp32: a thread has slices of the state
]>;

def Tile_BlockPrecision : EnumParameter<Tile_Precision> {
  let defaultValue = "::decay::cuda::tile::Precision::bf16";
}

def Tile_BlockAttr : Tile_Attr<"Block", "block"> {
  let summary = "Who does what in a thread block";
  let description = [{
    `K`, `V`: channels of k and of v in a head, multiples of 64 but for `elements`. `pairs`: halves of the state, 2 under lrpe_cosine, else 1. `columns`: K pairs.
    `scheme`:
    - `columns`: four groups of 16 tokens; a thread has `columnsPerThread` neighbouring channels of a group;
    - `bands`: one λ per token and head; each warp has all tokens and a band of the state;
    - `step`: one token; a thread has 16 bytes of several rows of the state;
    - `elements`: initialisers; a thread has one layer, head and channel;
    - `tokens`: fp32; what is pointwise as in `columns`, the recurrence token by token from rows in shared memory.
    `precision`: fp32 only in blocks of `tokens`, `step` and `elements`; left out if bf16.
    `bandRows`: of the state, in a warp: 16 or 32; only in `bands`.
    `apart`: a thread's two channels are c and c + K / 2, which rope turns together, instead of two neighbours.
    `threads`: of the block; what the others come to, so an error if it differs.
  }];
  let parameters = (ins "int64_t":$K, "int64_t":$V, "int64_t":$pairs, EnumParameter<Tile_Scheme>:$scheme,
                        "int64_t":$columnsPerThread, "int64_t":$threads, Tile_BlockPrecision:$precision,
                        DefaultValuedParameter<"int64_t", "0">:$bandRows, DefaultValuedParameter<"bool", "false">:$apart);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [
    // With as many threads as that needs.
    AttrBuilder<(ins "const BlockShape &":$shape, "Scheme":$scheme)>
  ];
  let extraClassDeclaration = [{
    BlockShape getShape() const;
    /// Tokens of a chunk that a thread has numbers of; 0 if there are none.
    int64_t tokensPerThread() const;
    /// Columns of a tile with a channel axis that a thread has.
    int64_t columnsOf(chunk::TileType type) const;
  }];
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

def Tile_ThreadAttr : Tile_Attr<"Thread", "thread"> {
  let summary = "fp32 in registers: one number for each of a thread's columns";
  let description = [{
    For tiles without tokens, and without v's channels. `columns`: numbers of a thread, one for each channel that it has; 1 (or
    left out) for what has no channels. All threads that stand for a channel have its number.
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "1">:$columns);
  let assemblyFormat = "(`<` struct($columns)^ `>`)?";
}

def Tile_ColumnsAttr : Tile_Attr<"Columns", "columns"> {
  let summary = "fp32 in registers: a thread's tokens of each of its columns";
  let description = [{
    For tiles with tokens. `tokens`: neighbouring tokens of a thread: 16 in a block of `columns`, 2 of `bands`, 1 of `step`.
    `columns`: neighbouring channels of a thread; 1 (or left out) for what has no channels, which all threads of a group have.
  }];
  let parameters = (ins "int64_t":$tokens, DefaultValuedParameter<"int64_t", "1">:$columns);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_Place : Tile_Enum<"Place", "Where rows are", [
    I32EnumAttrCase<"shared", 0>,   // bf16 in shared memory, as they were copied
    I32EnumAttrCase<"in_place", 1>, // made over the rows that they follow from
    I32EnumAttrCase<"fused", 2>,    // nowhere: made with what follows from them
    I32EnumAttrCase<"written", 3>,  // in the caller's tensor
    I32EnumAttrCase<"registers", 4>, // a thread's piece of the only row
    I32EnumAttrCase<"plain", 5>      // fp32 in shared memory
]>;

def Tile_RowsAttr : Tile_Attr<"Rows", "rows"> {
  let summary = "A row for each token of the chunk, of bf16 but where its place says otherwise";
  let description = [{
    For tiles with tokens and either channels or v's channels, which matrix products read. `width`: elements of a row, K or V.
    `place`:
    - `shared`: in shared memory as they were copied; of a row's 16 byte pieces number p is at p xor (token mod 8);
    - `in_place`: likewise, where the only operand was that they are made of, as soon as a product asks for them;
    - `fused`: in none; each number is made where one that follows from it is, or is written;
    - `written`: the operation that makes the numbers writes them to the caller's tensor, and keeps none;
    - `registers`: of a step's only row a thread has fp32 numbers;
    - `plain`: fp32 in shared memory, one row after the other.
  }];
  let parameters = (ins "int64_t":$width, EnumParameter<Tile_Place>:$place);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_AccumulatorsAttr : Tile_Attr<"Accumulators", "accumulators"> {
  let summary = "fp32 in registers: what matrix instructions add to";
  let description = [{
    For states. A warp has `tileRows` tiles of 16 rows, each of `tiles` times 8 columns, of which a lane has four numbers:
    rows lane / 4 and 8 further on, columns 2 (lane mod 4) and the next. Rows are channels of k, columns those of v: four
    warps have 64 rows together, 16 each, and a warp's tiles are 64 rows apart. If `turned`, rows are columns of v and a
    warp's tiles follow each other.
  }];
  let parameters = (ins "int64_t":$tileRows, "int64_t":$tiles, DefaultValuedParameter<"bool", "false">:$turned);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_PiecesAttr : Tile_Attr<"Pieces", "pieces"> {
  let summary = "fp32 in registers: four neighbouring numbers of several rows";
  let description = [{
    For a step's state. `count`: pieces of a thread, at the same four channels of v; their rows are as far apart as the block
    has rows at once.
  }];
  let parameters = (ins "int64_t":$count);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_SlicesAttr : Tile_Attr<"Slices", "slices"> {
  let summary = "fp32 in registers: for one index of an axis of the state, a slice of the other";
  let description = [{
    For states in blocks of `tokens`. `views`: 1, where a thread has a column of v and numbers along the channels; 2, in
    backward, where it has, before these, a channel and as many numbers along v. `pieces`: of four neighbouring numbers, in
    each view.
  }];
  let parameters = (ins "int64_t":$views, "int64_t":$pieces);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_SavedAttr : Tile_Attr<"Saved", "saved"> {
  let summary = "In the workspace or the caller's memory, of the block's precision, until it is used";
  let description = "For states that an earlier sweep or launch has saved; in the order in which chunk.save left the numbers.";
}

def Tile_LayersAttr : Tile_Attr<"Layers", "layers"> {
  let summary = "fp32: a number for each layer, made when it is asked for";
  let description = "For tiles over layers, of which a model has any number. All threads ask for the same layer.";
}

#endif // DECAY_TARGET_CUDA_TILE_ATTRIBUTES
