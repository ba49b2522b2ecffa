//===- Products.cpp - Matrix products of single warps ---------------------===//
//
// mma.sync m16n8k16, for A: its blocks are too small for four warps. In a
// fragment of a 16 x 16 matrix a lane has row lane / 4 (and 8 further down),
// columns 2 (lane mod 4) and the next (and 8 further on). The same four
// registers of an X, rows being tokens, serve as left operand and, in pairs
// (0, 2) and (1, 3), as the right one.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

Sums zeroSums(Lanes &code, int64_t count) {
  Value zero = code.number(0);
  return Sums(count, {zero, zero, zero, zero});
}

Fragment packed(Lanes &code, const std::array<Value, 4> &left,
                const std::array<Value, 4> &right) {
  return {code.pack(left[0], left[1]), code.pack(left[2], left[3]),
          code.pack(right[0], right[1]), code.pack(right[2], right[3])};
}

Fragments packed(Lanes &code, const Sums &sums) {
  Fragments made;
  for (size_t index = 0; index < sums.size(); index += 2)
    made.push_back(packed(code, sums[index], sums[index + 1]));
  return made;
}

/// This lane's address in a core region, for a 16 x 16 matrix of two blocks of
/// tokens and 16 columns that begins at (group, column 0). Of the four 8 x 8
/// matrices the second is further down the rows, the third further along.
Value KernelEmitter::coreOffset(Value tokenGroup, bool tokensAreRows) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value tokenBlock = tokensAreRows ? second : third;
  Value columnBlock = tokensAreRows ? third : second;
  Value within = code.add(code.mul(columnBlock, 8), code.bitAnd(lane, 7));
  Value block = code.add(code.mul(tokenGroup, 2), tokenBlock);
  return code.shiftLeft(code.add(code.mul(block, shape.columns()), within), 4);
}

/// Offset of A[row, column] in the swizzled weights.
Value weightOffset(Lanes &code, Value row, Value column) {
  Value piece = code.bitXor(code.shiftRight(column, 3), code.bitAnd(row, 7));
  return code.add(code.mul(row, chunkTokens * bfloatBytes),
                  code.add(code.shiftLeft(piece, 4),
                           code.shiftLeft(code.bitAnd(column, 7), 1)));
}

/// Work that warps share: job j goes to warp (first + j) mod warps.
void KernelEmitter::overJobs(int64_t first, int64_t count,
                             llvm::function_ref<void(Value job)> emit) {
  int64_t warps = shape.warps(), start = first % warps;
  Value own = code.add(warp, -start);
  if (start > 0)
    own = code.choose(code.less(own, 0), code.add(own, warps), own);
  for (int64_t round = 0; round < count; round += warps) {
    Value job = code.add(own, round);
    if (round + warps <= count)
      emit(job);
    else
      code.when(code.less(job, count), [&] { emit(job); });
  }
}

/// q · k of a token of the chunk, from all warps that have a part of it.
Value KernelEmitter::diagonalSum(Value token) {
  Value sum = code.number(0);
  for (int64_t part = 0; part < shape.columnWarps(); ++part)
    sum = code.fadd(sum, code.loadShared(code.f32(), code.shiftLeft(token, 2),
                                         regions.diagonal +
                                             part * chunkTokens * floatBytes));
  return sum;
}

/// X Xᵀ of one group and two levels, side by side: a sum has to wait for the
/// last one's product.
std::pair<Sums, Sums> KernelEmitter::multiplyTwoLevels(Value offset) {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  Sums sums[] = {zeroSums(code, 2), zeroSums(code, 2)};
  for (int64_t step = 0; step < shape.columns() / 16; ++step)
    for (int64_t level = 0; level < 2; ++level) {
      Fragment x = code.loadMatrix(
          offset, regions.levels + level * bytes + step * 256, true);
      code.multiply(x, x[0], x[2], sums[level][0]);
      code.multiply(x, x[1], x[3], sums[level][1]);
    }
  return {sums[0], sums[1]};
}

/// The diagonal blocks of A: a job is two levels of one group. Levels 1 and 2
/// are the diagonal blocks of 4 x 4; levels 4 and 8 the rest under the
/// diagonal.
void KernelEmitter::multiplyLevels() {
  int64_t bytes = BlockShape::tileBytes(shape.columns());
  Value inBlock = code.shiftRight(lane, 2);
  Value firstColumn = code.shiftLeft(code.bitAnd(lane, 3), 1);
  Value zero = code.number(0);
  overJobs(0, 2 * groupCount, [&](Value job) {
    Value own = code.bitAnd(job, 3), isUpper = code.shiftRight(job, 2);
    Value isWide = code.equal(isUpper, 1);
    Value offset = code.add(coreOffset(own, /*tokensAreRows=*/true),
                            code.mul(isUpper, 2 * bytes));
    auto [near, far] = multiplyTwoLevels(offset);
    Value start = code.mul(own, groupTokens);
    auto store = [&](int64_t half, int64_t place, Value low, Value high) {
      Value target =
          weightOffset(code, code.add(code.add(start, inBlock), half * 8),
                       code.add(code.add(start, firstColumn), place * 8));
      code.storeShared(code.pack(low, high), target, regions.weights);
    };
    auto emitNear = [&]() -> Values {
      for (int64_t half = 0; half < 2; ++half) {
        Value diagonal =
            diagonalSum(code.add(code.add(start, inBlock), half * 8));
        Value pair[2];
        for (int64_t each = 0; each < 2; ++each) {
          Value y = code.add(firstColumn, each);
          Value apart = code.bitXor(inBlock, y);
          Value number =
              code.choose(code.equal(apart, 1), near[half][2 * half + each],
                          far[half][2 * half + each]);
          number = code.choose(code.less(y, inBlock), number, zero);
          pair[each] = code.choose(code.equal(apart, 0), diagonal, number);
        }
        // The 4 x 4 block below the diagonal is the other job's.
        Value owns =
            code.either(code.less(inBlock, 4), code.atLeast(firstColumn, 4));
        code.when(owns, [&] { store(half, half, pair[0], pair[1]); });
      }
      store(0, 1, zero, zero);
      return {};
    };
    auto emitFar = [&]() -> Values {
      Value below =
          code.both(code.atLeast(inBlock, 4), code.less(firstColumn, 4));
      for (int64_t half = 0; half < 2; ++half)
        code.when(below, [&] {
          store(half, half, near[half][2 * half], near[half][2 * half + 1]);
        });
      store(1, 0, far[0][2], far[0][3]);
      return {};
    };
    code.choose(isWide, emitFar, emitNear);
  });
}

/// The blocks of A between groups: levels 16 (two) and 32 (four). Warps that
/// had less to do begin.
void KernelEmitter::multiplyHalves(int64_t firstJob) {
  constexpr int64_t jobs = 6;
  int64_t columns = shape.columns();
  auto emitJob = [&](Value job) {
    Value isWide = code.atLeast(job, 2);
    Value inWide = code.add(job, -2);
    Value row = code.choose(
        isWide, code.add(code.bitAnd(code.shiftRight(inWide, 1), 1), 2),
        code.add(code.mul(job, 2), 1));
    Value column =
        code.choose(isWide, code.bitAnd(inWide, 1), code.mul(job, 2));
    Value region = code.choose(
        isWide, code.integer(BlockShape::tileBytes(columns)), code.integer(0));
    Value rowOffsets = code.add(coreOffset(row, true), region);
    Value columnOffsets = code.add(coreOffset(column, true), region);
    // Even and odd steps apart, as a sum has to wait for the last product.
    Sums sums = zeroSums(code, 4);
    for (int64_t step = 0; step < columns / 16; ++step) {
      Fragment a = code.loadMatrix(rowOffsets, regions.wide + step * 256, true);
      Fragment b =
          code.loadMatrix(columnOffsets, regions.wide + step * 256, true);
      code.multiply(a, b[0], b[2], sums[step % 2 * 2]);
      code.multiply(a, b[1], b[3], sums[step % 2 * 2 + 1]);
    }
    for (int64_t place = 0; place < 2; ++place)
      for (int64_t each = 0; each < 4; ++each)
        sums[place][each] = code.fadd(sums[place][each], sums[place + 2][each]);
    for (int64_t place = 0; place < 2; ++place)
      for (int64_t half = 0; half < 2; ++half) {
        Value i = code.add(
            code.add(code.mul(row, groupTokens), code.shiftRight(lane, 2)),
            half * 8);
        Value j = code.add(code.add(code.mul(column, groupTokens),
                                    code.shiftLeft(code.bitAnd(lane, 3), 1)),
                           place * 8);
        Value pair =
            code.pack(sums[place][2 * half], sums[place][2 * half + 1]);
        code.storeShared(pair, weightOffset(code, i, j), regions.weights);
      }
  };
  overJobs(firstJob, jobs, emitJob);
}

/// A state as bf16: of each tile of 16 columns this thread's words, those of
/// its first row in two tiles of eight, then those of its second.
Values KernelEmitter::packedState(const Values &state) {
  Values words;
  for (size_t first = 0; first < state.size(); first += 8)
    for (size_t pair : {0, 4, 2, 6})
      words.push_back(code.pack(state[first + pair], state[first + pair + 1]));
  return words;
}

/// Where this lane's ldmatrix address of a tile of the state's rows is, in the
/// order of packedState.
Value KernelEmitter::stateRowsOffset(
    int64_t tileRow, int64_t tile, llvm::function_ref<Value(Value row)> place) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value row =
      code.add(code.add(code.mul(group, groupTokens), code.mul(third, 8)),
               code.add(code.bitAnd(lane, 7), tileRow * chunkTokens));
  Value first = code.mul(columnWarp, shape.stateColumns() / 8);
  Value piece = code.add(code.add(first, second), tile);
  return panelOffset(place ? place(row) : row, piece, shape.columns());
}

/// The state as bf16 rows, one for each column of k.
void KernelEmitter::storeStateRows(const Values &words,
                                   llvm::function_ref<Value(Value row)> place) {
  size_t next = 0;
  for (int64_t tileRow = 0; tileRow < shape.stateTileRows(); ++tileRow)
    for (int64_t tile = 0; tile < shape.stateTiles(); tile += 2, next += 4)
      code.storeMatrix(
          {words[next], words[next + 1], words[next + 2], words[next + 3]},
          stateRowsOffset(tileRow, tile, place), regions.state, false);
}

/// Of the 16 rows that a lane's ldmatrix address is one of.
Value KernelEmitter::rowInTile() { return code.bitAnd(lane, 15); }

/// The operand that a sweep writes the output to.
std::optional<int64_t> KernelEmitter::outputOperand(Value o) {
  for (mlir::Operation *user : o.getUsers())
    if (auto write = mlir::dyn_cast<chunk::WriteOp>(user))
      return write.getOperand();
  return std::nullopt;
}

/// To where v's rows were.
void KernelEmitter::storeOutputRows(const Fragments &output, int64_t region) {
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value row = code.add(code.mul(group, groupTokens),
                       code.add(code.mul(second, 8), code.bitAnd(lane, 7)));
  Value first =
      code.add(code.mul(columnWarp, shape.outputColumns() / 8), third);
  for (auto [index, fragment] : llvm::enumerate(output))
    code.storeMatrix(fragment,
                     rowOffset(row,
                               code.add(first, 2 * static_cast<int64_t>(index)),
                               shape.V),
                     region, false);
}

/// Through the warp's own corner of shared memory, so that rows go out in
/// pieces of 16 bytes.
void KernelEmitter::storeOutput(const Fragments &output, int64_t operand,
                                int64_t region) {
  int64_t width = shape.outputColumns(), pieces = width / 8;
  Value second = code.bitAnd(code.shiftRight(lane, 3), 1);
  Value third = code.shiftRight(lane, 4);
  Value corner = code.mul(warp, groupTokens * width * bfloatBytes);
  // Pieces are swizzled by what rows share: few pieces, several rows per 128
  // bytes.
  auto offsetOf = [&](Value row, Value piece) {
    int64_t shared = std::min<int64_t>(pieces, 8);
    Value line = code.shiftRight(code.mul(row, shared), 3);
    Value mixed = code.bitXor(piece, code.bitAnd(line, shared - 1));
    return code.add(code.add(corner, code.mul(row, width * bfloatBytes)),
                    code.shiftLeft(mixed, 4));
  };
  Value row = code.add(code.mul(second, 8), code.bitAnd(lane, 7));
  for (auto [index, fragment] : llvm::enumerate(output))
    code.storeMatrix(
        fragment,
        offsetOf(row, code.add(third, 2 * static_cast<int64_t>(index))), region,
        false);
  code.warpBarrier();
  Value data = dataOf(operand), stride = strideOf(operand);
  Value start = code.add(code.mul(head, shape.V), code.mul(columnWarp, width));
  for (int64_t first = 0; first < groupTokens * pieces; first += warpLanes) {
    Value index = code.add(lane, first);
    Value from = code.divide(index, code.integer(pieces));
    Value piece = code.bitAnd(index, pieces - 1);
    Value token = code.add(code.mul(group, groupTokens), from);
    Value words = code.loadShared(code.vector(4, code.i32()),
                                  offsetOf(from, piece), region);
    Value writes = code.both(code.less(token, tokens), code.notNull(data));
    Value position =
        code.add(firstRow, code.extend(code.add(firstToken, token)));
    Value element = code.add(start, code.mul(piece, 8));
    Value bytes = code.add(code.mul(position, stride),
                           code.extend(code.mul(element, bfloatBytes)));
    Value place = code.at(data, bytes);
    // In backward the registers that it takes are worth more.
    if (hasGradient)
      code.when(writes, [&] { code.store(words, place); });
    else
      code.storeWhere(writes, words, place);
  }
}

} // namespace decay::cuda
