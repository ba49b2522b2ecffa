//===- ScanSegments.cpp - What scans come to in a segment -----------------===//
#include "compiler/target/cuda/lowering/AssignLayouts.h"
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Segments.h"

namespace decay::cuda {

namespace NVVM = mlir::NVVM;

std::string scanTotalsPart(size_t scan) {
  return "scan_totals" + std::to_string(scan);
}

/// Of the scan, and the column at hand.
Value KernelEmitter::scanTotalPlace(size_t scan, Value joint) {
  Value row =
      jointPlace(scanTotalsPart(scan), joint, shape.columns() * floatBytes);
  return code.at(row, code.mul(column, floatBytes));
}

/// A carry and upon it the segments before.
Values KernelEmitter::carryInFront(chunk::ScanOp op, size_t scan,
                                   const Values &start) {
  return code.loop(
      segment, start, [&](Value joint, mlir::ValueRange carried) -> Values {
        Values next(carried.begin(), carried.end());
        auto advance = [&] {
          Value &own = next.size() > 1 ? next[columnIndex] : next.front();
          Value total = code.load(code.f32(), scanTotalPlace(scan, joint));
          own = scanBehind(op, own, total);
        };
        next.size() > 1 ? forColumns(advance) : advance();
        return next;
      });
}

/// Carries that are no operand's are the neutral ones of the launch that finds
/// what segments come to. Gradients begin with the operand's in the last
/// segment alone: what the others begin with is added later.
void KernelEmitter::loadInitialCarries(chunk::SweepOp op) {
  size_t scan = 0;
  for (auto [index, initial] : llvm::enumerate(op.getInitial())) {
    if (!initial.getDefiningOp<chunk::ReadOp>())
      continue;
    if (chunk::ScanOp of = scanOf(op, index))
      tile(initial).numbers = carryInFront(of, scan++, tile(initial).numbers);
    else if (scanGradientOf(op, index))
      for (Value &number : tile(initial).numbers)
        number = code.choose(code.equal(code.sub(segment, lastSegment), 0),
                             number, code.number(0));
  }
}

/// A sweep without a recurrence: several blocks fit in a multiprocessor, unless
/// threads exchange columns.
void KernelEmitter::planScansAlone(chunk::SweepOp op) {
  bool isExchanged =
      llvm::any_of(op.getBody().front(), [](mlir::Operation &each) {
        return mlir::isa<chunk::RotateOp, chunk::RepeatPairOp, chunk::SumOp>(
            each);
      });
  if (isExchanged)
    return KernelEmitter::planSweep(op);
  planStreams(op);
  planNumbers(op);
  regions.zero = reserve(16);
}

namespace {

/// A block does the scans of one segment.
class ScanTotalsEmitter final : public KernelEmitter {
public:
  ScanTotalsEmitter(chunk::KernelOp kernel, BlockShape shape,
                    mlir::OpBuilder &builder)
      : KernelEmitter(kernel, shape, builder) {
    keptLaunch.reset();
  }
  ~ScanTotalsEmitter() override { alone.erase(); }

private:
  KernelLaunch describe() override {
    return launchAround(KernelEmitter::describe(), scansStage, "J");
  }
  llvm::StringRef suffix() const override { return "_scans"; }
  /// A joint's totals are those of the segment in front of it.
  Value segmentOfBlock() override {
    return joint = NVVM::BlockIdZOp::create(builder, code.place, code.i32());
  }
  int32_t blocksWanted(int64_t) override { return 4; }
  void planSweep(chunk::SweepOp op) override { planScansAlone(op); }
  void emitBody() override {
    Value isWanted = code.less(joint, lastSegment);
    // What backward's scans begin with was kept with all the rest.
    if (Value missing =
            carriedGradients(kernel).empty() ? Value() : isKeptMissing())
      isWanted = code.both(isWanted, missing);
    code.when(isWanted, [&] { emitTotals(); });
  }
  void emitTotals();

  Value joint;
  /// Alive as long as tiles are found by their values.
  chunk::KernelOp alone;
};

void ScanTotalsEmitter::emitTotals() {
  alone = makeScanSweep(kernel);
  assignLayouts(alone, tile::BlockAttr::get(kernel.getContext(), shape,
                                            tile::Scheme::columns));
  emitBlock(alone.getBody().front());
  chunk::SweepOp sweep = sweepOf(alone, /*descending=*/false);
  code.when(code.equal(group, 0), [&] {
    for (auto [scan, result] : llvm::enumerate(sweep.getResults()))
      forColumns([&] {
        code.store(ownOf(tile(result).numbers), scanTotalPlace(scan, joint));
      });
  });
}

} // namespace

void emitScanTotals(chunk::KernelOp kernel, BlockShape shape,
                    mlir::OpBuilder &builder) {
  ScanTotalsEmitter(kernel, shape, builder).emit();
}

} // namespace decay::cuda
