//===- Schemes.cpp - How a block shares an item's work --------------------===//
#include "compiler/target/cuda/lowering/Schemes.h"
#include "compiler/target/cuda/lowering/RowTiles.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"

namespace decay::cuda {

using ir::Axis;
using mlir::Value;
using tile::BlockAttr;
using tile::Scheme;

int64_t pairsOf(chunk::KernelOp kernel) {
  bool hasPairs = false;
  kernel.walk([&](chunk::ReadOp op) {
    hasPairs |= mlir::cast<chunk::TileType>(op.getType()).has(Axis::Pair);
  });
  return hasPairs ? 2 : 1;
}

namespace {

//===----------------------------------------------------------------------===//
// Bands: what ScalarEmitter has code for
//===----------------------------------------------------------------------===//

/// Whether a gradient of q or k is written, made number by number.
bool servesWrite(chunk::WriteOp op) {
  if (!hasRows(op.getTile()))
    return true;
  if (!isMadeOfRows(op.getTile()))
    return false;
  int64_t gradients = 0;
  for (Value leaf : leavesOf(op.getTile())) {
    Value source = turnedOperand(leaf);
    if (auto made = source.getDefiningOp<chunk::RecurrenceGradientOp>())
      gradients += source == made.getDQ() || source == made.getDK();
    else if (!leaf.getDefiningOp<chunk::ReadOp>())
      return false;
  }
  return gradients == 1;
}

bool servesOperands(Value q, Value k, Value lambda) {
  chunk::ReadOp ofQ = sourceOf(q), ofK = sourceOf(k);
  return ofQ && ofK && ofQ != ofK && !tileType(lambda).has(Axis::Channel);
}

bool isState(Value value) {
  return tileType(value).has(Axis::Channel) && tileType(value).has(Axis::Value);
}

/// Of q and k as the recurrence takes them, and of their gradients as it leaves
/// them.
bool servesRotation(chunk::RotateOp op) {
  if (op.getKind() != "rope")
    return false;
  if (op.getAdjoint())
    return op.getOperand().hasOneUse() &&
           op.getOperand().getDefiningOp<chunk::RecurrenceGradientOp>();
  return llvm::all_of(op->getUsers(), [](mlir::Operation *user) {
    return mlir::isa<chunk::RecurrenceOp, chunk::StateOp,
                     chunk::RecurrenceGradientOp>(user);
  });
}

bool servesOperation(mlir::Operation *op) {
  if (mlir::isa<chunk::ScanOp, chunk::ScanGradientOp, chunk::SumOp,
                chunk::RepeatPairOp>(op))
    return false;
  if (auto rotate = mlir::dyn_cast<chunk::RotateOp>(op))
    return servesRotation(rotate);
  // v's rows are taken as they are.
  if (auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op))
    for (Value result : pointwise.getResults())
      if (tileType(result).has(Axis::Token) &&
          tileType(result).has(Axis::Value))
        return false;
  for (Value result : op->getResults())
    if (auto type = mlir::dyn_cast<chunk::TileType>(result.getType()))
      if (type.has(Axis::Channel) && !type.has(Axis::Token) &&
          !type.has(Axis::Value))
        return false;
  if (auto save = mlir::dyn_cast<chunk::SaveOp>(op))
    return isState(save.getTile());
  if (auto write = mlir::dyn_cast<chunk::WriteOp>(op))
    return servesWrite(write);
  if (auto made = mlir::dyn_cast<chunk::RecurrenceOp>(op))
    return servesOperands(made.getQ(), made.getK(), made.getLambda());
  if (auto made = mlir::dyn_cast<chunk::RecurrenceGradientOp>(op))
    return servesOperands(made.getQ(), made.getK(), made.getLambda());
  if (auto made = mlir::dyn_cast<chunk::StateOp>(op))
    return sourceOf(made.getK()) &&
           !tileType(made.getLambda()).has(Axis::Channel);
  return true;
}

bool serveBands(chunk::KernelOp kernel, const BlockShape &shape) {
  if (shape.pairs > 1 || shape.K != shape.V)
    return false;
  bool all = true;
  kernel.walk([&](mlir::Operation *op) {
    if (mlir::isa<chunk::ChunkDialect>(op->getDialect()))
      all &= servesOperation(op);
  });
  return all;
}

//===----------------------------------------------------------------------===//
// The choice
//===----------------------------------------------------------------------===//

bool isEven(chunk::KernelOp, const BlockShape &shape) {
  return tile::canBeHeadDims(shape.K, shape.V);
}

bool fitsBlock(chunk::KernelOp kernel, const BlockShape &shape) {
  return isEven(kernel, shape) && shape.columns() <= mostColumns;
}

/// Whether what backward has in shared memory is no more than there is
/// (Regions.cpp): scaled operands, raw columns, rows of v and of o's gradient,
/// what scans share, and what is small.
bool fitsColumns(chunk::KernelOp kernel, const BlockShape &shape) {
  constexpr int64_t operands = 8, rows = 2, numbersOfScan = 3, small = 4608;
  if (!fitsBlock(kernel, shape) || kernel.getSymName() != "backward")
    return fitsBlock(kernel, shape);
  llvm::SmallDenseSet<uint64_t> columns;
  int64_t scans = 0;
  kernel.walk([&](mlir::Operation *op) {
    auto read = mlir::dyn_cast<chunk::ReadOp>(op);
    if (read && tileType(read).has(Axis::Token) &&
        tileType(read).has(Axis::Channel))
      columns.insert(read.getOperand());
    scans += mlir::isa<chunk::ScanGradientOp>(op);
  });
  int64_t bytes =
      operands * BlockShape::tileBytes(shape.columns()) +
      static_cast<int64_t>(columns.size()) * BlockShape::tileBytes(shape.K) +
      rows * BlockShape::tileBytes(shape.V) +
      scans * numbersOfScan * groupCount * shape.columns() * floatBytes + small;
  return bytes <= sharedBytesOfAll - reservedSharedBytes;
}

template <int64_t columns> int64_t always(chunk::KernelOp, const BlockShape &) {
  return columns;
}

/// Two columns a thread save instructions, but leave half as many warps to wait
/// for each other: that pays where a block fills a multiprocessor (not at 64
/// channels: 0.655 ms for 0.603 with backward at (16, 2048, 16, 64), H200).
/// A rotation's gradient needs all tokens of both columns at once, which is
/// more than a thread's registers, as do those of two scans or of one along the
/// tokens alone, whose columns are not taken in turn (ColumnLoop.cpp); and a
/// backward kernel with long formulas twice is larger than the cache for
/// instructions (128 KiB).
int64_t columnsPerThread(chunk::KernelOp kernel, const BlockShape &shape) {
  bool isBackward = false, isLarge = false;
  int64_t scans = 0;
  kernel.walk([&](mlir::Operation *op) {
    isBackward |= mlir::isa<chunk::RecurrenceGradientOp>(op);
    isLarge |= mlir::isa<chunk::RotateOp, mlir::math::ExpM1Op>(op);
    if (auto scan = mlir::dyn_cast<chunk::ScanGradientOp>(op))
      isLarge |= scans++ > 0 || !tileType(scan.getDTerm()).has(Axis::Channel);
  });
  bool fits = !isBackward || !isLarge;
  return shape.columns() == mostColumns && fits ? 2 : 1;
}

/// Whether a thread shall have the channels that a rotation turns together: as
/// backward goes by quarters of a group then, no gradient of a group waits for
/// another. Forward and backward agree, for what is kept.
bool areApart(chunk::KernelOp kernel, const BlockShape &shape) {
  auto module = kernel->getParentOfType<mlir::ModuleOp>();
  if (auto backward = module.lookupSymbol<chunk::KernelOp>("backward"))
    kernel = backward;
  bool rotates = false, fits = shape.pairs == 1;
  kernel.walk([&](mlir::Operation *op) {
    if (auto rotate = mlir::dyn_cast<chunk::RotateOp>(op))
      rotates |= rotate.getKind() == "rope";
    if (auto gradient = mlir::dyn_cast<chunk::RecurrenceGradientOp>(op))
      fits &= tileType(gradient.getLambda()).has(Axis::Channel);
    fits &= !mlir::isa<chunk::ScanGradientOp, mlir::math::Log1pOp,
                       mlir::math::ExpM1Op>(op);
  });
  return rotates && fits;
}

/// Backward has products of four warps, at 128 channels two times four; bands
/// of 16 rows give its ascending sweep as many.
int64_t bandRows(chunk::KernelOp kernel, const BlockShape &shape) {
  bool isBackward = kernel.getSymName() == "backward";
  return isBackward || shape.K < mostColumns ? fewestBandRows
                                             : 2 * fewestBandRows;
}

struct SchemeRow {
  llvm::StringLiteral entry; ///< empty: any
  bool (*serves)(chunk::KernelOp kernel, const BlockShape &shape);
  Scheme scheme;
  int64_t (*columnsPerThread)(chunk::KernelOp kernel, const BlockShape &shape);
};

bool serveAll(chunk::KernelOp, const BlockShape &) { return true; }
bool serveTokens(chunk::KernelOp kernel, const BlockShape &shape) {
  return fitsBlock(kernel, shape) && shape.precision == Precision::fp32;
}
bool serveBandsOfChunk(chunk::KernelOp kernel, const BlockShape &shape) {
  return fitsBlock(kernel, shape) && serveBands(kernel, shape);
}

/// The first row that serves a kernel is taken.
constexpr SchemeRow schemes[] = {
    {"init_parameters", serveAll, Scheme::elements, always<1>},
    {"step", isEven, Scheme::step, always<1>},
    {"", serveTokens, Scheme::tokens, always<1>},
    {"", serveBandsOfChunk, Scheme::bands, always<1>},
    {"", fitsColumns, Scheme::columns, columnsPerThread},
};

} // namespace

std::optional<BlockAttr> chooseBlock(chunk::KernelOp kernel, int64_t K,
                                     int64_t V, Precision precision) {
  BlockShape shape{K, V, pairsOf(kernel), precision};
  for (const SchemeRow &row : schemes) {
    bool isOther = !row.entry.empty() && row.entry != kernel.getSymName();
    if (isOther || !row.serves(kernel, shape))
      continue;
    shape.columnsPerThread = row.columnsPerThread(kernel, shape);
    if (row.scheme == Scheme::bands)
      shape.bandRows = bandRows(kernel, shape);
    shape.isApart = row.scheme == Scheme::columns && areApart(kernel, shape);
    if (shape.isApart)
      shape.columnsPerThread = 2;
    return BlockAttr::get(kernel.getContext(), shape, row.scheme);
  }
  return std::nullopt;
}

bool agreeOnKept(mlir::ModuleOp module, int64_t K, int64_t V,
                 Precision precision) {
  llvm::SmallVector<Scheme> found;
  for (const char *entry : {"forward", "backward"})
    if (auto kernel = module.lookupSymbol<chunk::KernelOp>(entry))
      if (auto block = chooseBlock(kernel, K, V, precision))
        found.push_back(block->getScheme());
  return llvm::all_equal(found);
}

} // namespace decay::cuda
