//===- Regions.cpp - What lies where in shared memory ---------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

int64_t KernelEmitter::reserve(int64_t bytes) {
  int64_t start = sharedBytes;
  sharedBytes += (bytes + 127) / 128 * 128;
  mostSharedBytes = std::max(mostSharedBytes, sharedBytes);
  return start;
}

/// Regions of shared memory. What one phase of a chunk is done with serves the
/// next: each line says what lies where, in the order of time.
void KernelEmitter::planRegions(chunk::SweepOp op) {
  int64_t columns = shape.columns(), tileOf = BlockShape::tileBytes(columns);
  // What products of four warps read comes first: its place is a multiple of
  // 1024 bytes.
  regions.levels = reserve(4 * tileOf);
  regions.wide = reserve(2 * tileOf);
  regions.queries = reserve(tileOf);
  regions.keys = reserve(tileOf);
  // The levels' operands are done with when the state is needed.
  regions.state = regions.levels;
  if (hasGradient)
    planOverColumns(op);
  else
    regions.weights = reserve(BlockShape::tileBytes(chunkTokens));
  regions.zero = reserve(floatBytes);
  regions.totals = reserve(groupCount * columns * floatBytes);
  regions.chunkTotal = reserve(columns * floatBytes);
  regions.diagonal = reserve(shape.columnWarps() * chunkTokens * floatBytes);
  if (!hasGradient)
    return;
  regions.diagonalGradient = reserve(chunkTokens * floatBytes);
  regions.stateProducts = reserve(shape.columnWarps() * columns * floatBytes);
  if (shape.isApart)
    regions.turns = reserve(blockThreads() * 2 * floatBytes);
  planLastQuarters();
}

/// A thread's two columns take more registers than it has: of as many streams
/// as there is room for, the pairs that are needed last wait here. Local memory
/// is further away, as shared memory leaves no first-level cache.
void KernelEmitter::planLastQuarters() {
  int64_t bytes = blockThreads() * quarterTokens * 2 * bfloatBytes;
  int64_t scanBytes = groupCount * shape.columns() * floatBytes;
  // What the emission of the chunk may still ask for: a number or two of each
  // group for a scan, and what else is small.
  int64_t later = 1024;
  kernel.walk([&](mlir::Operation *op) {
    later += mlir::isa<chunk::ScanOp>(op)           ? scanBytes
             : mlir::isa<chunk::ScanGradientOp>(op) ? 2 * scanBytes
                                                    : 0;
  });
  int64_t room = sharedBytesOfAll - reservedSharedBytes - later;
  bool isWanted = shape.columnsPerThread > 1 && !keepsColumns;
  for (Stream &stream : streams)
    if (isWanted && !shapeOf(stream.operand).contains('V') &&
        sharedBytes + bytes <= room)
      stream.lastQuarter = reserve(bytes);
}

void KernelEmitter::planOverColumns(chunk::SweepOp op) {
  int64_t small = BlockShape::tileBytes(chunkTokens);
  // The raw columns are done with when the tree is built: the state's rows and
  // the weights lie over them until the next chunk is asked for.
  int64_t free = 0, start = streams.front().shared;
  for (const Stream &stream : streams)
    if (!shapeOf(stream.operand).contains('V'))
      free += BlockShape::tileBytes(stream.width);
  assert(start == 0 && "columns come first");
  int64_t end = start + free;
  auto place = [&](int64_t bytes) {
    if (start + bytes > end)
      return reserve(bytes);
    int64_t found = start;
    start += bytes;
    return found;
  };
  regions.state = place(shape.columns() * shape.V * bfloatBytes);
  regions.weights = place(small);
  regions.weightGradient = place(small);
}

} // namespace decay::cuda
