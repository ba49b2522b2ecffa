//===- GroupProducts.cpp - What products of four warps read ---------------===//
//
// Rows of tokens or of the state lie in panels of 64 columns, 128 bytes a row
// and swizzled; scaled operands in cores (Tree.cpp), which are the core
// matrices of a layout without a swizzle. Either can be read along its rows or
// across, so nothing is transposed. Source: PTX ISA, wgmma, canonical layouts.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

namespace {

constexpr int64_t panelColumns = panelBytes / bfloatBytes;
constexpr int64_t coreBytes = 128, eightRows = 8 * panelBytes;

} // namespace

/// Byte offset of 16 bytes of a row-wise tile: the pieces of a row are
/// swizzled, so that the same piece of eight rows lies in eight places.
Value KernelEmitter::panelOffset(Value row, Value piece, int64_t rows) {
  Value within = code.bitAnd(code.bitXor(piece, row), 7);
  Value panel = code.mul(code.shiftRight(piece, 3), rows * panelBytes);
  return code.add(
      panel, code.add(code.mul(row, panelBytes), code.shiftLeft(within, 4)));
}

/// `layout` has isAcross and strides.
GroupFactor KernelEmitter::factorAt(Value offset, int64_t region,
                                    const FactorLayout &layout) {
  Value own = offset ? code.add(offset, sameZero) : sameZero;
  Value address = mlir::LLVM::PtrToIntOp::create(
      builder, code.place, code.i32(), code.shared(own, region));
  Value start = code.shiftRight(code.bitAnd(address, 0x3ffff), 4);
  constexpr int64_t swizzled = int64_t(1) << 30;
  return {code.add(start, layout.leading >> 4 << 16),
          layout.stride >> 4 | (layout.isSwizzled ? swizzled : 0),
          layout.isAcross, layout.stepBytes};
}

/// Rows from `first` on, summed along their columns.
GroupFactor KernelEmitter::alongRows(int64_t region, Value first,
                                     int64_t rows) {
  Value offset = first ? code.mul(first, panelBytes) : Value();
  GroupFactor factor = factorAt(offset, region,
                                {.stride = eightRows,
                                 .isSwizzled = true,
                                 .isAcross = false,
                                 .stepBytes = groupTokens * bfloatBytes});
  factor.stepsInPanel = panelColumns / groupTokens;
  factor.panelBytes = rows * panelBytes;
  return factor;
}

/// Columns from `first` on, summed along the rows.
GroupFactor KernelEmitter::acrossRows(int64_t region, Value first,
                                      int64_t rows) {
  Value offset;
  if (first) {
    Value panel = code.mul(code.shiftRight(first, 6), rows * panelBytes);
    offset = code.add(panel,
                      code.shiftLeft(code.bitAnd(first, panelColumns - 1), 1));
  }
  return factorAt(offset, region,
                  {.leading = rows * panelBytes,
                   .stride = eightRows,
                   .isSwizzled = true,
                   .isAcross = true,
                   .stepBytes = groupTokens * panelBytes});
}

/// Of cores: tokens, summed along their columns.
GroupFactor KernelEmitter::tokensOfCores(int64_t region) {
  return factorAt(Value(), region,
                  {.leading = coreBytes,
                   .stride = shape.columns() * 16,
                   .isAcross = true,
                   .stepBytes = 2 * coreBytes});
}

/// Of cores: columns from `first` on, summed along the tokens.
GroupFactor KernelEmitter::columnsOfCores(int64_t region, int64_t first) {
  int64_t blockBytes = shape.columns() * 16;
  return factorAt(Value(), region + first * 16,
                  {.leading = blockBytes,
                   .stride = coreBytes,
                   .isAcross = false,
                   .stepBytes = 2 * blockBytes});
}

/// Everything that products behind the barrier read is written.
void KernelEmitter::barrierBeforeProducts() {
  code.fenceShared();
  code.barrier();
  forgetLanes();
  if (!forgetsWarp())
    sameZero =
        code.fromFirstLane(code.loadShared(code.i32(), Value(), regions.zero));
}

/// Above the diagonal A's blocks of 16 x 16 are zeros.
void KernelEmitter::clearUpperWeights() {
  constexpr int64_t pieces = chunkTokens / 8;
  Value zeros = mlir::LLVM::PoisonOp::create(builder, code.place,
                                             code.vector(4, code.i32()));
  for (int64_t word = 0; word < 4; ++word)
    zeros = mlir::LLVM::InsertElementOp::create(
        builder, code.place, zeros, code.integer(0), code.integer(word));
  for (int64_t from = 0; from < chunkTokens * pieces; from += blockThreads()) {
    Value index = code.add(thread, from);
    Value row = code.shiftRight(index, 3), piece = code.bitAnd(index, 7);
    Value isAbove =
        code.less(code.shiftRight(row, 4), code.shiftRight(piece, 1));
    code.when(isAbove, [&] {
      code.storeShared(zeros, panelOffset(row, piece, chunkTokens),
                       regions.weights);
    });
  }
}

Sums KernelEmitter::unflatten(mlir::ValueRange list) {
  Sums sums;
  for (size_t index = 0; index < list.size(); index += 4)
    sums.push_back(
        {list[index], list[index + 1], list[index + 2], list[index + 3]});
  return sums;
}

/// A v, or Aᵀ v: one group's rows, some columns.
Values KernelEmitter::multiplyWeights(const Tile &v, bool transposed) {
  int64_t width = shape.outputColumns();
  GroupFactor weights = transposed
                            ? acrossRows(regions.weights, Value(), chunkTokens)
                            : alongRows(regions.weights, Value(), chunkTokens);
  return code.multiplyGroup(
      width, weights,
      acrossRows(v.shared, code.mul(columnWarp, width), chunkTokens),
      groupCount);
}

/// sums + (q ∘ pre) S, or (k ∘ suf) S.
Values KernelEmitter::addFromState(const Values &sums, int64_t queries) {
  int64_t width = shape.outputColumns();
  Value first = code.mul(columnWarp, width);
  return code.multiplyGroup(width, tokensOfCores(queries),
                            acrossRows(regions.state, first, shape.columns()),
                            shape.columns() / 16, sums);
}

/// Rows of tokens times the state's rows, transposed: [64, columns], this
/// warp's group and its columns.
Values KernelEmitter::multiplyByState(const Tile &rows) {
  Value first = code.mul(columnWarp, shape.warpColumns());
  return code.multiplyGroup(
      shape.warpColumns(), alongRows(rows.shared, Value(), chunkTokens),
      alongRows(regions.state, first, shape.columns()), shape.V / 16);
}

/// The state at the chunk's end of what it was before it: tot S.
Values KernelEmitter::decayedState(const Values &state) {
  Values made;
  int64_t tileNumbers = shape.stateTiles() * 4;
  for (int64_t tileRow = 0; tileRow < shape.stateTileRows(); ++tileRow) {
    Value factors[2];
    for (int64_t half = 0; half < 2; ++half)
      factors[half] = code.loadShared(
          code.f32(), code.shiftLeft(statePlace(tileRow, half), 2),
          regions.chunkTotal);
    for (int64_t index = 0; index < tileNumbers; ++index)
      made.push_back(code.fmul(state[tileRow * tileNumbers + index],
                               factors[index % 4 / 2]));
  }
  return made;
}

/// Begins tot S + (k ∘ suf)ᵀ v, for this warp's rows and some columns.
Values KernelEmitter::beginNextState(const Values &before, int64_t keys,
                                     const Tile &v) {
  Values state = decayedState(before);
  code.beginProducts();
  int64_t width = shape.stateColumns(), tileNumbers = shape.stateTiles() * 4;
  Value first = code.mul(columnWarp, width);
  Values made;
  for (int64_t tileRow = 0; tileRow < shape.stateTileRows(); ++tileRow)
    made.append(
        code.multiplyGroup(width, columnsOfCores(keys, tileRow * chunkTokens),
                           acrossRows(v.shared, first, chunkTokens), groupCount,
                           Values(llvm::ArrayRef(state).slice(
                               tileRow * tileNumbers, tileNumbers))));
  code.commitProducts();
  return made;
}

} // namespace decay::cuda
