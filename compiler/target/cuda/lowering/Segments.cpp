//===- Segments.cpp - The kernels of cut sequences ------------------------===//
#include "compiler/target/cuda/lowering/Segments.h"
#include "compiler/target/cuda/lowering/AssignLayouts.h"
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

namespace NVVM = mlir::NVVM;

//===----------------------------------------------------------------------===//
// The schedule
//===----------------------------------------------------------------------===//

namespace {

struct ScheduleRow {
  llvm::StringRef entry;
  int64_t columns;
  bool scans;
  int64_t whole, cut, launch, joint, behind; ///< as in Schedule
};

constexpr ScheduleRow schedules[] = {
    {"forward", 64, false, 45, 60, 60, 2, 0},
    {"forward", 128, false, 75, 100, 60, 4, 0},
    {"backward", 64, false, 130, 160, 60, 4, 0},
    {"backward", 128, false, 310, 370, 60, 8, 0},
    {"forward", 64, true, 57, 101, 100, 4, 0},
    {"forward", 128, true, 64, 112, 100, 8, 0},
    {"backward", 64, true, 161, 221, 200, 8, 35},
    {"backward", 128, true, 186, 246, 200, 16, 70},
};

bool hasGradientSweep(chunk::KernelOp kernel) {
  return bool(sweepOf(kernel, /*descending=*/true));
}

} // namespace

Schedule scheduleOf(chunk::KernelOp kernel, llvm::StringRef entry,
                    const BlockShape &shape, int64_t blocks) {
  bool scans = !carriedScans(kernel).empty();
  for (const ScheduleRow &row : schedules)
    if (row.entry == entry && row.columns == shape.columns() &&
        row.scans == scans)
      return {blocks, row.whole, row.cut, row.launch, row.joint, row.behind};
  llvm_unreachable("every entry and width has a row");
}

KernelLaunch launchAround(KernelLaunch own, int64_t stage,
                          llvm::StringRef blocks) {
  own.stage = stage;
  own.schedule.reset();
  own.grid[2] = *parseExtent(blocks);
  return own;
}

std::vector<WorkspacePart> segmentParts(chunk::KernelOp kernel,
                                        const BlockShape &shape) {
  int64_t totalBytes = shape.columns() * floatBytes;
  int64_t stateBytes = totalBytes * shape.V;
  Extent joints = *parseExtent("N H J");
  std::vector<WorkspacePart> parts = {{localStates.str(), joints, stateBytes},
                                      {stateTotals.str(), joints, totalBytes}};
  if (hasGradientSweep(kernel)) {
    parts.push_back({localGradients.str(), joints, stateBytes});
    parts.push_back({gradientTotals.str(), joints, totalBytes});
  }
  for (size_t scan = 0; scan < carriedScans(kernel).size(); ++scan)
    parts.push_back({scanTotalsPart(scan), joints, totalBytes});
  for (size_t scan = 0; scan < carriedGradients(kernel).size(); ++scan)
    parts.push_back(
        {carryGradientsPart(scan), *parseExtent("N H G"), totalBytes});
  return parts;
}

//===----------------------------------------------------------------------===//
// In an entry's own kernel
//===----------------------------------------------------------------------===//

/// A token's place in its sequence, from that in its segment.
Value KernelEmitter::inSequence(Value token) {
  return segmentStart ? code.add(token, segmentStart) : token;
}

/// Of a sequence's segments the last that has tokens, or the first.
Value KernelEmitter::lastSegmentOf(Value length) {
  Value before = code.choose(code.atLeast(length, 1), code.add(length, -1),
                             code.integer(0));
  return code.divide(before, code.truncate(field(LaunchField::SegmentTokens)));
}

/// Full segments come first in the launch, so that the one with what they leave
/// goes beside them.
Value KernelEmitter::segmentOfBlock() {
  Value index = NVVM::BlockIdZOp::create(builder, code.place, code.i32());
  if (hasGradientSweep(kernel))
    return index;
  Value last = code.add(code.truncate(field(LaunchField::Segments)), -1);
  return code.sub(last, index);
}

/// The segment's rows in the place of the sequence's. The shorter segment is
/// the one whose effect all others wait for: the first, or the last where
/// gradients come from there. Of packed sequences those that are shorter have
/// empty segments at their ends.
void KernelEmitter::placeSegment() {
  Value each = code.truncate(field(LaunchField::SegmentTokens));
  Value start = code.mul(segment, each), end = code.add(start, each);
  if (!hasGradientSweep(kernel)) {
    Value whole = code.mul(code.add(lastSegment, 1), each);
    Value tokens = code.bitAnd(code.add(length, slotTokens - 1), -slotTokens);
    Value missing = code.sub(whole, tokens);
    end = code.sub(end, missing);
    start = code.choose(code.equal(segment, 0), code.integer(0),
                        code.sub(start, missing));
  }
  segmentStart = start;
  firstRow = code.add(firstRow, code.extend(start));
  Value left = code.sub(code.smaller(end, length), start);
  length = code.choose(code.atLeast(left, 0), left, code.integer(0));
}

Value KernelEmitter::jointPlace(llvm::StringRef part, Value joint,
                                int64_t bytes) {
  Value joints = code.add(code.truncate(field(LaunchField::Segments)), -1);
  Value row = code.add(code.mul(itemOfSequence(), joints), joint);
  return code.at(workspacePart(part),
                 code.mul(code.extend(row), code.wide(bytes)));
}

/// The state that a sweep begins with: the operand's, and upon it what the
/// segments in between do. Several are asked for at a time, as each takes long
/// to come.
Values KernelEmitter::stateBefore(int64_t operand, bool descending) {
  constexpr int64_t mostNumbers = 64;
  Values start = loadState(operand);
  if (!hasSegments)
    return start;
  int64_t totalBytes = shape.columns() * floatBytes;
  int64_t batch = std::max<int64_t>(1, mostNumbers / stateNumbers());
  Value left = code.sub(lastSegment, segment);
  Value count = code.choose(code.atLeast(left, 0), descending ? left : segment,
                            code.integer(0));
  Value rounds = code.divide(code.add(count, batch - 1), code.integer(batch));
  struct Effect {
    Value exists;
    Values local, totals; ///< totals: by row of the tile, and half
  };
  auto load = [&](Value index) {
    Effect effect{code.less(index, count), {}, {}};
    Value safe = code.choose(effect.exists, index, code.integer(0));
    Value joint = descending ? code.sub(code.add(lastSegment, -1), safe) : safe;
    effect.local =
        loadStateAt(jointPlace(descending ? localGradients : localStates, joint,
                               totalBytes * shape.V));
    Value totals = jointPlace(descending ? gradientTotals : stateTotals, joint,
                              totalBytes);
    for (int64_t row = 0; row < 2 * stateTileRows(); ++row)
      effect.totals.push_back(code.load(
          code.f32(),
          code.at(totals, code.mul(stateRow(row / 2, row % 2), floatBytes))));
    return effect;
  };
  return code.loop(
      rounds, start, [&](Value round, mlir::ValueRange carried) -> Values {
        llvm::SmallVector<Effect> effects;
        for (int64_t each = 0; each < batch; ++each)
          effects.push_back(load(code.add(code.mul(round, batch), each)));
        Values state(carried.begin(), carried.end());
        for (const Effect &effect : effects)
          for (auto [index, number] : llvm::enumerate(state)) {
            int64_t tileNumbers = stateTiles() * 4;
            int64_t row = index / tileNumbers * 2 + index % 4 / 2;
            number = code.choose(
                effect.exists,
                code.fma(effect.totals[row], number, effect.local[index]),
                number);
          }
        return state;
      });
}

/// Whether this segment has what the whole sequence comes to.
Value KernelEmitter::writesFinal(chunk::WriteOp op) {
  auto sweep = op.getTile().getDefiningOp<chunk::SweepOp>();
  assert(sweep && "a state comes from a sweep");
  // Found again: through the sweeps it would take a register.
  Value own = segmentOfBlock();
  if (sweep.getDescending())
    return code.equal(own, 0);
  Value packed = field(LaunchField::CuSeqlens);
  Values length = code.choose(
      code.notNull(packed),
      [&]() -> Values {
        Value place = code.at(packed, code.mul(sequence, 8));
        return {code.sub(code.load(code.i64(), code.at(place, int64_t(8))),
                         code.load(code.i64(), place))};
      },
      [&]() -> Values { return {field(LaunchField::T)}; });
  Value last = lastSegmentOf(code.truncate(length.front()));
  return code.equal(code.sub(own, last), 0);
}

//===----------------------------------------------------------------------===//
// What a segment does
//===----------------------------------------------------------------------===//

void KernelEmitter::emitStateGradient(chunk::StateGradientOp op) {
  Tile next = assigned(op.getDNext());
  next.numbers = advanceState(op.getQ(), op.getLambda(), op.getDState(),
                              op.getDO(), /*toEnd=*/false);
  tiles[op.getDNext()] = next;
}

void KernelEmitter::emitProduct(chunk::ProductOp op) {
  Tile made = assigned(op.getResult());
  made.numbers = columnsOf(op.getResult(), [&] {
    Value own;
    for (Value number : masked(ownNumbers(tile(op.getTile())), 1))
      own = own ? code.fmul(own, number) : number;
    Value product = ownOf(tile(op.getAccumulator()).numbers);
    storeGroups({own}, op);
    code.barrier();
    for (Value part : loadGroups(1, op).front())
      product = code.fmul(product, part);
    return product;
  });
  tiles[op.getResult()] = made;
}

namespace {

/// A block does one segment's sweep over the states or, the later blocks,
/// over their gradients.
class SegmentEmitter final : public KernelEmitter {
public:
  SegmentEmitter(chunk::KernelOp kernel, BlockShape shape,
                 mlir::OpBuilder &builder)
      : KernelEmitter(kernel, shape, builder),
        hasGradients(hasGradientSweep(kernel)) {
    // One launch serves both kernels behind it.
    keptLaunch.reset();
  }
  ~SegmentEmitter() override {
    for (chunk::KernelOp alone : sweeps)
      alone.erase();
  }

private:
  KernelLaunch describe() override;
  llvm::StringRef suffix() const override { return "_segments"; }
  Value segmentOfBlock() override;
  void emitBody() override;
  void emitEffects();
  void emitEffect(bool ofGradients);

  bool hasGradients;
  Value joint, isState;
  /// Alive as long as tiles are found by their values.
  llvm::SmallVector<chunk::KernelOp> sweeps;
};

KernelLaunch SegmentEmitter::describe() {
  return launchAround(KernelEmitter::describe(), segmentsStage,
                      hasGradients ? "2 J" : "J");
}

/// A joint's state is made by the segment in front of it, its gradient by the
/// one behind.
Value SegmentEmitter::segmentOfBlock() {
  Value index = NVVM::BlockIdZOp::create(builder, code.place, code.i32());
  Value joints = code.add(code.truncate(field(LaunchField::Segments)), -1);
  joint = code.sub(code.add(joints, -1), index);
  if (!hasGradients)
    return joint;
  isState = code.less(index, joints);
  joint = code.choose(isState, index, code.sub(index, joints));
  return code.choose(isState, joint, code.add(joint, 1));
}

void SegmentEmitter::emitBody() {
  code.when(code.less(joint, lastSegment), [&] { emitEffects(); });
}

void SegmentEmitter::emitEffects() {
  if (!hasGradients)
    return emitEffect(false);
  auto effect = [&](bool ofGradients) -> Values {
    emitEffect(ofGradients);
    return {};
  };
  code.choose(
      isState,
      [&]() -> Values {
        // Nobody asks what segments do to a state that was kept.
        if (Value missing = isKeptMissing())
          code.when(missing, [&] { effect(false); });
        else
          effect(false);
        return {};
      },
      [&] { return effect(true); });
}

void SegmentEmitter::emitEffect(bool ofGradients) {
  chunk::KernelOp alone =
      sweeps.emplace_back(makeSegmentSweep(kernel, ofGradients));
  // Whatever the block of the entry's own kernel is.
  shape.bandRows = 0;
  assignLayouts(alone, tile::BlockAttr::get(kernel.getContext(), shape,
                                            tile::Scheme::columns));
  emitBlock(alone.getBody().front());
  chunk::SweepOp sweep = sweepOf(alone, ofGradients);
  int64_t totalBytes = shape.columns() * floatBytes;
  storeStateAt(tile(sweep.getResults().front()).numbers,
               jointPlace(ofGradients ? localGradients : localStates, joint,
                          totalBytes * shape.V));
  Value totals =
      jointPlace(ofGradients ? gradientTotals : stateTotals, joint, totalBytes);
  code.when(code.equal(group, 0), [&] {
    forColumns([&] {
      Value row = code.add(code.mul(columnWarp, shape.warpStep()),
                           code.add(code.mul(lane, shape.laneStep()),
                                    columnIndex * shape.columnStep()));
      code.store(ownOf(tile(sweep.getResults().back()).numbers),
                 code.at(totals, code.extend(code.mul(row, floatBytes))));
    });
  });
}

} // namespace

void emitSegments(chunk::KernelOp kernel, BlockShape shape,
                  mlir::OpBuilder &builder) {
  if (shape.precision != Precision::bf16 || !canBeCut(kernel))
    return;
  if (!carriedScans(kernel).empty())
    emitScanTotals(kernel, shape, builder);
  SegmentEmitter(kernel, shape, builder).emit();
  if (!carriedGradients(kernel).empty())
    emitScanCorrections(kernel, shape, builder);
}

} // namespace decay::cuda
