//===- ScalarGroups.cpp - The adjoint's products of four warps ------------===//
//
// Of sums over tokens a warp has its group's 16 rows, of states 16 rows of each
// 64, and four warps share the columns. dA ∘ D and A lie in cores of 8 x 8, a
// column of cores after the other; so does S as it was saved, rows being
// columns of v.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

namespace decay::cuda {

namespace {

constexpr int64_t coreBytes = 128, coresDown = chunkTokens / 8;

} // namespace

/// Which 16 rows of 64 this warp has.
Value ScalarEmitter::ownGroup() { return code.bitAnd(warp, groupCount - 1); }

/// The first of the rows of sums over tokens that this lane has numbers of.
Value ScalarEmitter::firstOwnRow() {
  Value row = code.shiftRight(lane, 2);
  return hasGradient ? code.add(row, code.mul(ownGroup(), groupTokens)) : row;
}

/// The first of K's or V's columns that this warp and its three have.
Value ScalarEmitter::firstColumn() {
  return code.mul(columnWarp, groupColumns());
}

void ScalarEmitter::synchroniseForProducts() {
  code.fenceShared();
  synchronise();
}

GroupFactor ScalarEmitter::weightsAlong() {
  return factorAt(Value(), places.weights,
                  {.leading = coresDown * coreBytes,
                   .stride = coreBytes,
                   .isAcross = false,
                   .stepBytes = 2 * coresDown * coreBytes});
}

GroupFactor ScalarEmitter::weightsAcross() {
  return factorAt(Value(), places.weights,
                  {.leading = coreBytes,
                   .stride = coresDown * coreBytes,
                   .isAcross = true,
                   .stepBytes = 2 * coreBytes});
}

/// S, rows being these warps' channels, summed along v.
GroupFactor ScalarEmitter::acrossSaved() {
  return factorAt(code.mul(firstColumn(), coreBytes / 8), places.state,
                  {.leading = savedTile(1, 0),
                   .stride = savedTile(0, 1),
                   .isAcross = true,
                   .stepBytes = savedTile(2, 0)});
}

/// sums + left right: this warp's 16 tokens, its group's columns.
Sums ScalarEmitter::multiplyTokens(const GroupFactor &left,
                                   const GroupFactor &right, int64_t steps,
                                   const Sums &sums) {
  Values before;
  for (const auto &four : sums)
    before.append(four.begin(), four.end());
  code.beginProducts();
  Values made = code.multiplyGroup(groupColumns(), left, right, steps, before);
  code.commitProducts();
  return unflatten(code.waitProducts(made, 0));
}

/// A tile of 16 x 16 tokens, by groups.
void ScalarEmitter::storeWeightTile(const Fragment &words, Value row,
                                    Value column) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value down = code.add(code.mul(row, 2), second);
  Value along = code.add(code.mul(column, 2), third);
  Value core = code.add(code.mul(along, coresDown), down);
  code.storeMatrix(words,
                   code.add(code.mul(core, coreBytes),
                            code.shiftLeft(code.bitAnd(lane, 7), 4)),
                   places.weights, false);
}

/// A, of which this warp has kept its tiles' words.
void ScalarEmitter::storeWeightTiles(const Values &words) {
  auto tiles = static_cast<int64_t>(words.size()) / 4;
  for (int64_t each = 0; each < tiles; ++each)
    storeWeightTile({words[4 * each], words[4 * each + 1], words[4 * each + 2],
                     words[4 * each + 3]},
                    ownGroup(), code.add(code.mul(columnWarp, tiles), each));
}

/// Σ S ∘ dS of this warp's part.
void ScalarEmitter::storeStateProduct(const Values &gradient) {
  // Of four tiles the second has the next channels, the third the next columns.
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value row = code.add(code.shiftRight(firstColumn(), 3), third);
  Value channels = code.add(code.mul(ownGroup(), 2), second);
  Value offset = code.add(code.add(code.mul(row, savedTile(1, 0)),
                                   code.mul(channels, savedTile(0, 1))),
                          code.shiftLeft(code.bitAnd(lane, 7), 4));
  Value sum = code.number(0);
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); place += 2) {
      Fragment words = code.loadMatrix(
          offset, places.state + savedTile(place, tileRow * coresDown), true);
      for (int64_t word = 0; word < 4; ++word) {
        const Value *pair = &gradient[(tileRow * stateTiles() + place) * 4 +
                                      word / 2 * 4 + word % 2 * 2];
        sum = code.fma(pair[0], code.unpackLow(words[word]), sum);
        sum = code.fma(pair[1], code.unpackHigh(words[word]), sum);
      }
    }
  sum = sumOfLanes(sum, {1, 2, 4, 8, 16});
  code.when(code.equal(lane, 0), [&] {
    code.storeShared(sum, code.shiftLeft(warp, 2), places.totalGradient);
  });
}

/// Each token's sum of these and a row-wise tile's numbers, in fp32: these
/// warps' columns' part.
void ScalarEmitter::storeRowProducts(const Sums &sums, int64_t rows,
                                     int64_t region) {
  Value row = code.add(code.mul(ownGroup(), groupTokens), rowInTile());
  Value piece =
      code.add(code.shiftRight(firstColumn(), 3), code.shiftRight(lane, 4));
  Value total[2] = {code.number(0), code.number(0)};
  for (int64_t place = 0; place < tilesInRow(); place += 2) {
    Fragment x = code.loadMatrix(
        rowOffset(row, code.add(piece, place), shape.K), rows, false);
    for (int64_t word = 0; word < 4; ++word) {
      const auto &four = sums[place + word / 2];
      int64_t half = word % 2;
      total[half] =
          code.fma(four[2 * half], code.unpackLow(x[word]), total[half]);
      total[half] =
          code.fma(four[2 * half + 1], code.unpackHigh(x[word]), total[half]);
    }
  }
  Value token = code.shiftLeft(
      code.add(code.mul(columnWarp, chunkTokens), firstOwnRow()), 2);
  for (int64_t half = 0; half < 2; ++half) {
    Value sum = sumOfLanes(total[half], {1, 2});
    code.when(code.equal(code.bitAnd(lane, 3), 0), [&] {
      code.storeShared(sum, token, region + half * 8 * floatBytes);
    });
  }
}

/// A state as bf16 rows, one a channel.
void ScalarEmitter::storeImage(const Values &state) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value first = code.shiftRight(firstColumn(), 3);
  Value row =
      code.add(code.add(code.mul(ownGroup(), groupTokens), code.mul(third, 8)),
               code.bitAnd(lane, 7));
  Values words = packedState(state);
  size_t next = 0;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    for (int64_t place = 0; place < stateTiles(); place += 2, next += 4)
      code.storeMatrix(
          {words[next], words[next + 1], words[next + 2], words[next + 3]},
          panelOffset(code.add(row, tileRow * chunkTokens),
                      code.add(code.add(first, second), place), shape.K),
          places.state, false);
}

/// q scaled to the chunk's start, where it lies.
void ScalarEmitter::scaleQueries() {
  int64_t bytes = BlockShape::tileBytes(shape.K);
  for (int64_t from = 0; from < bytes; from += blockThreads() * 16) {
    Value offset = code.add(code.shiftLeft(thread, 4), from);
    Value row = code.bitAnd(code.shiftRight(offset, 7), chunkTokens - 1);
    Value factor =
        code.loadShared(code.f32(), code.shiftLeft(row, 2), places.before);
    Value words =
        code.loadShared(code.vector(4, code.i32()), offset, places.queries);
    Values scaled;
    for (int64_t word = 0; word < 4; ++word) {
      Value pair = mlir::LLVM::ExtractElementOp::create(
          builder, code.place, words, code.integer(word));
      scaled.push_back(code.pack(code.fmul(code.unpackLow(pair), factor),
                                 code.fmul(code.unpackHigh(pair), factor)));
    }
    code.storeShared(pieceOf(scaled), offset, places.queries);
  }
}

/// dS <- tot dS + (q scaled)ᵀ do.
Values ScalarEmitter::advanceByGroups(const Values &gradient, int64_t output) {
  Value total = code.loadShared(code.f32(), Value(), places.total);
  Values made;
  for (Value number : gradient)
    made.push_back(code.fmul(number, total));
  int64_t tileNumbers = stateTiles() * 4;
  code.beginProducts();
  Values sums;
  for (int64_t tileRow = 0; tileRow < stateTileRows(); ++tileRow)
    sums.append(code.multiplyGroup(
        groupColumns(),
        acrossRows(places.queries, code.integer(tileRow * chunkTokens),
                   chunkTokens),
        acrossRows(output, firstColumn(), chunkTokens), groupCount,
        Values(
            llvm::ArrayRef(made).slice(tileRow * tileNumbers, tileNumbers))));
  code.commitProducts();
  return code.waitProducts(sums, 0);
}

} // namespace decay::cuda
