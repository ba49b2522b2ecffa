//===- ScanCorrections.cpp - Scans' gradients from later segments ---------===//
//
// Backward makes each segment's gradients as if nothing behind it had come of
// its scans. What has is linear in the gradient of what a scan comes to: this
// adds it, when all segments have said what they make of theirs.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/AssignLayouts.h"
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Segments.h"

namespace decay::cuda {

namespace NVVM = mlir::NVVM;
using ir::Axis;

std::string carryGradientsPart(size_t scan) {
  return "carry_gradients" + std::to_string(scan);
}

/// Of the scan, and the column at hand.
Value KernelEmitter::carryGradientPlace(size_t scan, Value ofSegment) {
  Value segments = code.truncate(field(LaunchField::Segments));
  Value row = code.add(code.mul(itemOfSequence(), segments), ofSegment);
  Value number = code.add(code.mul(row, shape.columns()), column);
  return code.at(workspacePart(carryGradientsPart(scan)),
                 code.mul(code.extend(number), code.wide(floatBytes)));
}

/// Of gradients of scans what a segment leaves for those in front of it.
void KernelEmitter::keepCarryGradient(chunk::WriteOp op) {
  auto sweep = op.getTile().getDefiningOp<chunk::SweepOp>();
  if (!hasSegments || !sweep)
    return;
  auto index = mlir::cast<mlir::OpResult>(op.getTile()).getResultNumber();
  chunk::ScanGradientOp gradient = scanGradientOf(sweep, index);
  if (!gradient)
    return;
  auto all = carriedGradients(kernel);
  size_t scan = llvm::find(all, gradient) - all.begin();
  code.when(code.equal(group, 0), [&] {
    forColumns([&] {
      code.store(ownOf(tile(op.getTile()).numbers),
                 carryGradientPlace(scan, segment));
    });
  });
}

namespace {

/// A block does a part of a segment which others stand behind.
class ScanCorrectionsEmitter final : public KernelEmitter {
public:
  ScanCorrectionsEmitter(chunk::KernelOp kernel, BlockShape shape,
                         mlir::OpBuilder &builder)
      : KernelEmitter(kernel, shape, builder) {
    keptLaunch.reset();
  }
  ~ScanCorrectionsEmitter() override { alone.erase(); }

private:
  KernelLaunch describe() override {
    return launchAround(KernelEmitter::describe(), correctionsStage,
                        std::to_string(parts) + " J");
  }
  llvm::StringRef suffix() const override { return "_corrections"; }
  Value segmentOfBlock() override {
    Value index = NVVM::BlockIdZOp::create(builder, code.place, code.i32());
    part = code.bitAnd(index, parts - 1);
    return code.shiftRight(index, 3);
  }
  void planSweep(chunk::SweepOp op) override { planScansAlone(op); }
  void emitBody() override;
  void emitCorrections();
  void loadInitialCarries(chunk::SweepOp op) override;
  void emitOperation(mlir::Operation &op) override;
  Value carryAt(chunk::ScanGradientOp gradient, Value chunk);
  Value carryOf(chunk::ScanGradientOp gradient, Value ofSegment);
  Value gradientBehind(chunk::ScanGradientOp gradient, size_t scan);
  void addInitial(size_t scan, Value found);
  void addRows(chunk::WriteOp op);
  void addTo(Value place, Value number);

  static constexpr int64_t parts = 8;

  Value part;
  Value chunks;     ///< of a part
  Value firstChunk; ///< of this part, in the segment
  Value isLast;     ///< of the segment's parts the one at its end
  /// Alive as long as tiles are found by their values.
  chunk::KernelOp alone;
};

/// A part's rows in the place of the segment's.
void ScanCorrectionsEmitter::emitBody() {
  Value all = code.shiftRight(code.add(length, chunkTokens - 1), 6);
  chunks = code.shiftRight(code.add(all, parts - 1), 3);
  firstChunk = code.mul(part, chunks);
  Value start = code.shiftLeft(firstChunk, 6), rows = code.shiftLeft(chunks, 6);
  Value left = code.sub(length, start);
  isLast = code.atLeast(code.sub(rows, left), 0);
  firstRow = code.add(firstRow, code.extend(start));
  segmentStart = code.add(segmentStart, start);
  length = code.choose(isLast, left, rows);
  Value exists =
      code.both(code.less(segment, lastSegment), code.atLeast(left, 1));
  code.when(exists, [&] { emitCorrections(); });
}

void ScanCorrectionsEmitter::emitCorrections() {
  alone = makeScanCorrections(kernel);
  assignLayouts(alone, tile::BlockAttr::get(kernel.getContext(), shape,
                                            tile::Scheme::columns));
  emitBlock(alone.getBody().front());
  chunk::SweepOp sweep = sweepOf(alone, /*descending=*/true);
  code.when(code.equal(code.add(segment, part), 0), [&] {
    for (auto [scan, result] : llvm::enumerate(sweep.getResults()))
      addInitial(scan, result);
  });
}

/// z in front of a chunk, counted from this part's first one, as it was saved
/// for backward.
Value ScanCorrectionsEmitter::carryAt(chunk::ScanGradientOp gradient,
                                      Value chunk) {
  auto scan = gradient.getExclusive().getDefiningOp<chunk::ScanOp>();
  auto saved = scan.getCarry().getDefiningOp<chunk::RestoreOp>();
  chunk::TileType type = saved.getResult().getType();
  Value place = savedPlace({saved.getSlot(), saved.getKept(), type}, chunk);
  return code.load(code.f32(), carriedPlace(place, type.has(Axis::Channel)));
}

Value ScanCorrectionsEmitter::carryOf(chunk::ScanGradientOp gradient,
                                      Value ofSegment) {
  Value each = code.truncate(field(LaunchField::SegmentTokens));
  Value tokens = code.mul(code.sub(ofSegment, segment), each);
  return carryAt(gradient, code.sub(code.shiftRight(tokens, 6), firstChunk));
}

/// The gradient of z behind this part, of the column at hand: from the last
/// segment on, each adds its own to what it lets pass, as do the parts.
Value ScanCorrectionsEmitter::gradientBehind(chunk::ScanGradientOp gradient,
                                             size_t scan) {
  auto own = [&](Value ofSegment) {
    return code.load(code.f32(), carryGradientPlace(scan, ofSegment));
  };
  Value between = code.add(code.sub(lastSegment, segment), -1);
  Value behind =
      code.loop(between, Values{own(lastSegment)},
                [&](Value round, mlir::ValueRange carried) -> Values {
                  Value at = code.sub(code.add(lastSegment, -1), round);
                  Value passed = gradientInFront(
                      gradient, carried.front(), carryOf(gradient, at),
                      carryOf(gradient, code.add(at, 1)));
                  return {code.fadd(own(at), passed)};
                })
          .front();
  Value end = code.choose(isLast, code.integer(0), chunks);
  Value passed = gradientInFront(gradient, behind, carryAt(gradient, end),
                                 carryOf(gradient, code.add(segment, 1)));
  return code.choose(isLast, behind, passed);
}

void ScanCorrectionsEmitter::loadInitialCarries(chunk::SweepOp op) {
  auto gradients = carriedGradients(kernel);
  for (auto [scan, initial] : llvm::enumerate(op.getInitial())) {
    Values &numbers = tile(initial).numbers;
    auto load = [&] { return gradientBehind(gradients[scan], scan); };
    numbers = numbers.size() > 1 ? perColumn(load) : Values{load()};
  }
}

/// To the gradient of the sequence's first carry.
void ScanCorrectionsEmitter::addInitial(size_t scan, Value found) {
  chunk::ScanGradientOp gradient = carriedGradients(kernel)[scan];
  for (auto write : kernel.getOps<chunk::WriteOp>()) {
    auto sweep = write.getTile().getDefiningOp<chunk::SweepOp>();
    auto result = mlir::dyn_cast<mlir::OpResult>(write.getTile());
    if (!sweep || scanGradientOf(sweep, result.getResultNumber()) != gradient)
      continue;
    auto operand = static_cast<int64_t>(write.getOperand());
    bool perChannel = shapeOf(operand).contains('K');
    Value owner =
        code.both(code.equal(group, 0), perChannel ? code.less(column, shape.K)
                                                   : code.equal(column, 0));
    auto add = [&] {
      Value place = numberPlace(operand, Value());
      Value sum =
          code.fadd(code.load(code.f32(), place), ownOf(tile(found).numbers));
      code.store(sum, place);
    };
    code.when(code.both(owner, code.notNull(dataOf(operand))),
              [&] { perChannel ? forColumns(add) : add(); });
  }
}

void ScanCorrectionsEmitter::addTo(Value place, Value number) {
  Value sum = code.fadd(code.widen(code.load(code.i16(), place)), number);
  code.store(code.narrow(sum), place);
}

/// To what backward wrote.
void ScanCorrectionsEmitter::addRows(chunk::WriteOp op) {
  const Tile &from = tile(op.getTile());
  auto operand = static_cast<int64_t>(op.getOperand());
  bool perChannel = shapeOf(operand).contains('K');
  overRows(operand, [&](int64_t token, Value place, Value) {
    if (!perChannel || shape.columnsPerThread == 1)
      return addTo(place, numberAt(from, token));
    Values both = perColumn([&] { return numberAt(from, token); });
    if (shape.isApart) {
      for (auto [index, number] : llvm::enumerate(both))
        addTo(code.at(place, static_cast<int64_t>(index) * shape.columnStep() *
                                 shape.elementBytes()),
              number);
      return;
    }
    Value before = code.load(code.i32(), place);
    code.store(code.pack(code.fadd(code.unpackLow(before), both[0]),
                         code.fadd(code.unpackHigh(before), both[1])),
               place);
  });
}

void ScanCorrectionsEmitter::emitOperation(mlir::Operation &op) {
  if (auto write = mlir::dyn_cast<chunk::WriteOp>(op))
    return addRows(write);
  KernelEmitter::emitOperation(op);
}

} // namespace

void emitScanCorrections(chunk::KernelOp kernel, BlockShape shape,
                         mlir::OpBuilder &builder) {
  ScanCorrectionsEmitter(kernel, shape, builder).emit();
}

} // namespace decay::cuda
