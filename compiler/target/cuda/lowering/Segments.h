//===- Segments.h - Sequences cut into segments ----------------*- C++ -*-===//
//
// Few heads with long sequences leave most of a card idle, so sequences are cut
// into segments, each an item of its own. A launch before finds what each
// segment does to a state: S behind it = total ∘ S in front + local, the total
// being one number per channel. The entry's kernel starts each segment from the
// operand's state with those of the segments before it applied in their order,
// in fp32. Backward does the same from the end for the state's gradient.
//
// Where scans are carried, a launch before that one finds what they come to in
// each segment. Their gradients are linear in those of what they come to, so
// backward makes them as if these were zero, and a launch behind it adds what
// those of the segments behind make of them.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/Launches.h"
#include "compiler/target/cuda/lowering/BlockShape.h"

namespace decay::cuda {

/// Whether a kernel's sequences can be cut: sweeps carry states, sums that
/// start at zero, and scans whose terms need no other scan, nor in backward
/// parameters.
bool canBeCut(chunk::KernelOp kernel);

/// The scan whose carry is that argument of the sweep's body, if any.
chunk::ScanOp scanOf(chunk::SweepOp sweep, unsigned index);
/// Those of all sweeps.
llvm::SmallVector<chunk::ScanOp> carriedScans(chunk::KernelOp kernel);
/// The same for their gradients.
chunk::ScanGradientOp scanGradientOf(chunk::SweepOp sweep, unsigned index);
llvm::SmallVector<chunk::ScanGradientOp>
carriedGradients(chunk::KernelOp kernel);
/// The carry that changes nothing, for a kind of scan.
float neutralOf(llvm::StringRef kind);

/// A launch around an entry's own, at its stage: so many blocks for each item,
/// and no schedule.
KernelLaunch launchAround(KernelLaunch own, int64_t stage,
                          llvm::StringRef blocks);

/// A row of the schedule's table. `blocks` fit in a multiprocessor.
Schedule scheduleOf(chunk::KernelOp kernel, llvm::StringRef entry,
                    const BlockShape &shape, int64_t blocks);

/// Parts of the workspace with a row per joint: of what the segment in front of
/// it does to the state, and of what the one behind it does to the gradient.
inline constexpr llvm::StringLiteral localStates = "local_states",
                                     stateTotals = "state_totals",
                                     localGradients = "local_gradients",
                                     gradientTotals = "gradient_totals";
/// With a row per joint: what each carried scan comes to in the segment in
/// front of it.
std::string scanTotalsPart(size_t scan);
/// With a row per segment: the gradient of what the scan begins with.
std::string carryGradientsPart(size_t scan);
std::vector<WorkspacePart> segmentParts(chunk::KernelOp kernel,
                                        const BlockShape &shape);

/// A sweep from a state of zero, and the product of λ over it, as a kernel
/// beside `kernel` that the caller erases: its first and last result, what
/// scans come to between them. Over the states, or descending over their
/// gradients.
chunk::KernelOp makeSegmentSweep(chunk::KernelOp kernel, bool descending);

/// The same for the carried scans alone, each from what changes nothing.
chunk::KernelOp makeScanSweep(chunk::KernelOp kernel);

/// Backward with the scans' gradients alone, of zeros but for what they begin
/// with, which the caller sets. It writes what is to be added.
chunk::KernelOp makeScanCorrections(chunk::KernelOp kernel);

/// The sweep of what the above make.
chunk::SweepOp sweepOf(chunk::KernelOp kernel, bool descending);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H
