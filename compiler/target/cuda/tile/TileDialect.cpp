//===- TileDialect.cpp - Registration, and the attribute of a block -------===//
#include "compiler/target/cuda/tile/TileDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "compiler/target/cuda/tile/TileDialect.cpp.inc"
#include "compiler/target/cuda/tile/TileEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/target/cuda/tile/TileAttributes.cpp.inc"

namespace decay::cuda::tile {

namespace {

/// What a scheme has of each chunk.
struct SchemeRow {
  int64_t tokensPerThread;
  int64_t (*threads)(const BlockShape &shape);
};

int64_t threadsOfBands(const BlockShape &shape) {
  return shape.bands() * warpLanes;
}

/// In the order of the schemes.
constexpr SchemeRow schemes[] = {
    {groupTokens, [](const BlockShape &shape) { return shape.threads(); }},
    {2, threadsOfBands},
    {1, [](const BlockShape &shape) { return shape.stepThreads(); }},
    {0, [](const BlockShape &) { return elementThreads; }},
    {groupTokens, [](const BlockShape &shape) { return shape.threads(); }},
};
static_assert(std::size(schemes) == getMaxEnumValForScheme() + 1);

const SchemeRow &rowOf(Scheme scheme) {
  return schemes[static_cast<size_t>(scheme)];
}

} // namespace

BlockShape BlockAttr::getShape() const {
  BlockShape shape{getK(), getV(), getPairs()};
  shape.columnsPerThread = getColumnsPerThread();
  shape.precision = static_cast<cuda::Precision>(getPrecision());
  shape.bandRows = getBandRows();
  shape.isApart = getApart();
  return shape;
}

int64_t BlockAttr::tokensPerThread() const {
  return rowOf(getScheme()).tokensPerThread;
}

int64_t BlockAttr::columnsOf(chunk::TileType type) const {
  return type.has(ir::Axis::Channel) ? getColumnsPerThread() : 1;
}

BlockAttr BlockAttr::get(mlir::MLIRContext *context, const BlockShape &shape,
                         Scheme scheme) {
  return get(context, shape.K, shape.V, shape.pairs, scheme,
             shape.columnsPerThread, rowOf(scheme).threads(shape),
             static_cast<Precision>(shape.precision), shape.bandRows,
             shape.isApart);
}

mlir::LogicalResult
BlockAttr::verify(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
                  int64_t K, int64_t V, int64_t pairs, Scheme scheme,
                  int64_t columnsPerThread, int64_t threads,
                  Precision precision, int64_t bandRows, bool apart) {
  if (scheme != Scheme::elements && !canBeHeadDims(K, V))
    return emitError() << "expected multiples of 64 as K and V, found " << K
                       << " and " << V;
  if (pairs != 1 && pairs != 2)
    return emitError() << "expected 1 or 2 pairs, found " << pairs;
  int64_t mostColumns = scheme == Scheme::columns ? 2 : 1;
  if (columnsPerThread < 1 || columnsPerThread > mostColumns)
    return emitError() << "expected 1" << (mostColumns == 2 ? " or 2" : "")
                       << " columns per thread in a block of "
                       << stringifyScheme(scheme) << ", found "
                       << columnsPerThread;
  if (scheme != Scheme::step && scheme != Scheme::elements &&
      (scheme == Scheme::tokens) != (precision == Precision::fp32))
    return emitError() << "expected precision "
                       << (scheme == Scheme::tokens ? "fp32" : "bf16")
                       << " in a block of " << stringifyScheme(scheme)
                       << ", found " << stringifyPrecision(precision);
  bool fitsBands = bandRows == fewestBandRows ||
                   (bandRows == 2 * fewestBandRows && bandRows < K);
  if (scheme == Scheme::bands ? !fitsBands : bandRows != 0)
    return emitError() << "expected "
                       << (scheme == Scheme::bands ? "16 or 32" : "no")
                       << " rows of a band in a block of "
                       << stringifyScheme(scheme) << ", found " << bandRows;
  if (apart && (columnsPerThread != 2 || pairs != 1))
    return emitError() << "expected two columns per thread and one pair where "
                          "columns are apart, found "
                       << columnsPerThread << " and " << pairs;
  BlockShape shape{K, V, pairs};
  shape.columnsPerThread = columnsPerThread;
  shape.bandRows = bandRows;
  int64_t wanted = rowOf(scheme).threads(shape);
  if (threads != wanted)
    return emitError() << "expected " << wanted << " threads, found "
                       << threads;
  return mlir::success();
}

void TileDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/target/cuda/tile/TileAttributes.cpp.inc"
      >();
}

void TileDialect::initialize() { registerAttributes(); }

} // namespace decay::cuda::tile
