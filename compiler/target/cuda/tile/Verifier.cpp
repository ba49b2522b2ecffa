//===- Verifier.cpp - Layouts that fit tiles and blocks -------------------===//
#include "compiler/target/cuda/tile/Verifier.h"

#include "mlir/IR/Builders.h"

namespace decay::cuda::tile {

using ir::Axis;
using ir::axisBit;
using mlir::LogicalResult;

namespace {

constexpr unsigned bit(Scheme scheme) {
  return 1u << static_cast<unsigned>(scheme);
}

constexpr unsigned productSchemes = bit(Scheme::columns) | bit(Scheme::bands);
constexpr unsigned chunkSchemes = productSchemes | bit(Scheme::tokens);
constexpr unsigned tokenSchemes = chunkSchemes | bit(Scheme::step);
constexpr unsigned allSchemes = tokenSchemes | bit(Scheme::elements);

constexpr unsigned token = axisBit(Axis::Token), layer = axisBit(Axis::Layer),
                   channel = axisBit(Axis::Channel),
                   value = axisBit(Axis::Value);

/// Which tiles and blocks a form is for.
struct FormRow {
  Form form;
  unsigned schemes;
  unsigned needed, forbidden; ///< axes
  llvm::StringLiteral tiles;  ///< the same in words
};

constexpr FormRow forms[] = {
    {Form::thread, allSchemes, 0, token | value,
     "neither tokens nor values nor layers"},
    {Form::columns, tokenSchemes, token, layer | value,
     "tokens, without layers and values"},
    {Form::rows, tokenSchemes, token, layer,
     "tokens and either channels or values"},
    {Form::accumulators, productSchemes, channel | value, token | layer,
     "channels and values, without tokens"},
    {Form::pieces, bit(Scheme::step), channel | value, token | layer,
     "channels and values, without tokens"},
    {Form::saved, chunkSchemes, channel | value, token | layer,
     "channels and values, without tokens"},
    {Form::layers, allSchemes, layer, token | value, "layers, without tokens"},
    {Form::slices, bit(Scheme::tokens), channel | value, token | layer,
     "channels and values, without tokens"},
};
static_assert(std::size(forms) == formCount);

bool fitsAxes(const FormRow &row, chunk::TileType type, Scheme scheme) {
  unsigned axes = type.getAxes();
  if ((axes & row.needed) != row.needed || (axes & row.forbidden))
    return false;
  if (row.form == Form::rows)
    return type.has(Axis::Channel) != type.has(Axis::Value);
  // A thread of an initialiser has one layer.
  return row.form != Form::thread || !type.has(Axis::Layer) ||
         scheme == Scheme::elements;
}

/// The blocks that have rows in a place, in the order of the places.
constexpr unsigned placeSchemes[] = {productSchemes,    chunkSchemes,
                                     chunkSchemes,      chunkSchemes,
                                     bit(Scheme::step), bit(Scheme::tokens)};
static_assert(std::size(placeSchemes) == getMaxEnumValForPlace() + 1);

/// A layout, a tile, and how an error names it.
LogicalResult verifyLayout(mlir::Operation *op, BlockAttr block,
                           mlir::Attribute layout, mlir::Value of,
                           const llvm::Twine &name) {
  auto type = mlir::dyn_cast<chunk::TileType>(of.getType());
  std::optional<Form> form = formOf(layout);
  if (!type || !form)
    return op->emitError() << name << ": expected a layout of a tile, found "
                           << layout << " of " << of.getType();
  const FormRow &row = forms[static_cast<size_t>(*form)];
  if (!fitsAxes(row, type, block.getScheme()))
    return op->emitError() << name << ": expected a tile over " << row.tiles
                           << " for " << layout << ", found " << type;
  auto rows = mlir::dyn_cast<RowsAttr>(layout);
  Place place = rows ? rows.getPlace() : Place::shared;
  unsigned schemes =
      rows ? placeSchemes[static_cast<size_t>(place)] : row.schemes;
  // Elsewhere what has channels is in columns.
  bool isMade = rows && (place == Place::in_place || place == Place::fused);
  if (isMade && type.has(Axis::Channel))
    schemes &= bit(Scheme::bands);
  if (!(schemes & bit(block.getScheme())))
    return op->emitError() << name << ": expected a layout that a block of "
                           << stringifyScheme(block.getScheme())
                           << " has, found " << layout;
  Choice choice{place};
  if (auto own = mlir::dyn_cast<AccumulatorsAttr>(layout))
    choice.turned = own.getTurned() && block.getScheme() == Scheme::bands;
  else if (auto own = mlir::dyn_cast<SlicesAttr>(layout))
    choice.views = own.getViews() == 2 ? 2 : 1;
  mlir::Attribute wanted = layoutIn(block, type, *form, choice);
  if (layout != wanted)
    return op->emitError() << name << ": expected " << wanted
                           << " as the kernel's block has it, found " << layout;
  return mlir::success();
}

/// A list of layouts, one for each of some values.
LogicalResult verifyLayouts(mlir::Operation *op, BlockAttr block,
                            llvm::StringRef attribute, mlir::ValueRange values,
                            llvm::StringRef what) {
  mlir::Attribute given = op->getAttr(attribute);
  if (!given && values.empty())
    return mlir::success();
  auto layouts = mlir::dyn_cast_or_null<mlir::ArrayAttr>(given);
  if (!layouts)
    return op->emitError() << "expected '" << attribute
                           << "', a list of layouts, as the kernel has '"
                           << TileDialect::blockName << "'";
  if (layouts.size() != values.size())
    return op->emitError() << "expected " << values.size() << " layouts in '"
                           << attribute << "', one for each " << what
                           << ", found " << layouts.size();
  for (auto [index, layout] : llvm::enumerate(layouts))
    if (failed(verifyLayout(op, block, layout, values[index],
                            what + llvm::Twine(" ") + llvm::Twine(index))))
      return mlir::failure();
  return mlir::success();
}

bool hasLayouts(mlir::Operation *op) {
  return mlir::isa_and_nonnull<chunk::ChunkDialect>(op->getDialect()) &&
         !mlir::isa<chunk::KernelOp, chunk::YieldOp>(op);
}

LogicalResult verifyBody(mlir::Block &body, BlockAttr block) {
  for (mlir::Operation &op : body) {
    if (!hasLayouts(&op))
      continue;
    if (failed(verifyLayouts(&op, block, TileDialect::layoutsName,
                             op.getResults(), "result")))
      return mlir::failure();
    auto sweep = mlir::dyn_cast<chunk::SweepOp>(op);
    if (!sweep) {
      if (failed(verifyOperands(&op, block)))
        return mlir::failure();
      continue;
    }
    // What a sweep must be, its own verifier says later.
    if (!sweep.getBody().hasOneBlock() ||
        !sweep.getBody().front().mightHaveTerminator())
      continue;
    mlir::Block &inner = sweep.getBody().front();
    if (failed(verifyLayouts(&op, block, TileDialect::argumentsName,
                             inner.getArguments(), "argument")) ||
        failed(verifyBody(inner, block)) || failed(verifySweep(sweep)))
      return mlir::failure();
  }
  return mlir::success();
}

/// One of the two that a kernel has both of.
template <typename Expected>
LogicalResult verifyOnKernel(mlir::Operation *op, mlir::NamedAttribute given,
                             llvm::StringRef other) {
  if (!mlir::isa<chunk::KernelOp>(op))
    return op->emitError() << "expected '" << given.getName().getValue()
                           << "' on a chunk.kernel";
  if (!mlir::isa<Expected>(given.getValue()))
    return op->emitError() << "expected #tile." << Expected::getMnemonic()
                           << " as '" << given.getName().getValue()
                           << "', found " << given.getValue();
  if (!op->hasAttr(other))
    return op->emitError() << "expected '" << other << "' beside '"
                           << given.getName().getValue() << "'";
  return mlir::success();
}

struct EntryRow {
  llvm::StringLiteral entry;
  unsigned schemes;
  llvm::StringLiteral blocks; ///< the same in words
};

constexpr EntryRow entries[] = {
    {"forward", chunkSchemes, "columns, bands or tokens"},
    {"backward", chunkSchemes, "columns, bands or tokens"},
    {"step", bit(Scheme::step), "step"},
    {"init_parameters", bit(Scheme::elements), "elements"},
};

LogicalResult verifyEntry(mlir::Operation *op, llvm::StringRef entry,
                          Scheme scheme) {
  for (const EntryRow &row : entries) {
    if (row.entry != entry)
      continue;
    if (row.schemes & bit(scheme))
      return mlir::success();
    return op->emitError() << "expected a block of " << row.blocks
                           << " for the entry " << entry << ", found one of "
                           << stringifyScheme(scheme);
  }
  return op->emitError() << "expected forward, backward, step or "
                            "init_parameters as the entry, found "
                         << entry;
}

/// A list of layouts is judged with the kernel around it.
LogicalResult verifyInKernel(mlir::Operation *op, llvm::StringRef name) {
  if (name == TileDialect::argumentsName && !mlir::isa<chunk::SweepOp>(op))
    return op->emitError() << "expected '" << name << "' on a chunk.sweep";
  if (!hasLayouts(op))
    return op->emitError() << "expected '" << name
                           << "' on an operation that makes tiles";
  auto kernel = op->getParentOfType<chunk::KernelOp>();
  if (!kernel || !kernel->hasAttr(TileDialect::blockName))
    return op->emitError() << "expected a chunk.kernel with '"
                           << TileDialect::blockName << "' around '" << name
                           << "'";
  return mlir::success();
}

} // namespace

LogicalResult
TileDialect::verifyOperationAttribute(mlir::Operation *op,
                                      mlir::NamedAttribute given) {
  llvm::StringRef name = given.getName().getValue();
  if (name == entryName)
    return verifyOnKernel<EntryAttr>(op, given, blockName);
  if (name == layoutsName || name == argumentsName)
    return verifyInKernel(op, name);
  if (name != blockName)
    return op->emitError() << "expected '" << entryName << "', '" << blockName
                           << "', '" << layoutsName << "' or '" << argumentsName
                           << "', found '" << name << "'";
  if (failed(verifyOnKernel<BlockAttr>(op, given, entryName)))
    return mlir::failure();
  auto entry = mlir::dyn_cast<EntryAttr>(op->getAttr(entryName));
  auto block = mlir::cast<BlockAttr>(given.getValue());
  // What else it is, its own turn says.
  if (entry && failed(verifyEntry(op, entry.getEntry(), block.getScheme())))
    return mlir::failure();
  // Of a kernel without a body there is nothing to say.
  mlir::Region &body = mlir::cast<chunk::KernelOp>(op).getBody();
  return body.empty() ? mlir::success() : verifyBody(body.front(), block);
}

} // namespace decay::cuda::tile
