//===- Segments.h - Sequences cut into segments ----------------*- C++ -*-===//
//
// Few heads with long sequences leave most of a card idle, so sequences are cut
// into segments, each an item of its own. A launch before finds what each
// segment does to a state: S behind it = total ∘ S in front + local, the total
// being one number per channel. The entry's kernel starts each segment from the
// operand's state with those of the segments before it applied in their order,
// in fp32. Backward does the same from the end for the state's gradient.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/Launches.h"
#include "compiler/target/cuda/lowering/BlockShape.h"

namespace decay::cuda {

/// Whether a kernel's sequences can be cut: sweeps carry states, and sums that
/// start at zero. A carried scan is neither: λ would depend on all that stands
/// before the segment, and its gradient on all that comes behind.
bool canBeCut(chunk::KernelOp kernel);

/// A row of the schedule's table. `blocks` fit in a multiprocessor.
Schedule scheduleOf(llvm::StringRef entry, const BlockShape &shape,
                    int64_t blocks);

/// Parts of the workspace with a row per joint: of what the segment in front of
/// it does to the state, and of what the one behind it does to the gradient.
inline constexpr llvm::StringLiteral localStates = "local_states",
                                     stateTotals = "state_totals",
                                     localGradients = "local_gradients",
                                     gradientTotals = "gradient_totals";
std::vector<WorkspacePart> segmentParts(chunk::KernelOp kernel,
                                        const BlockShape &shape);

/// A sweep from a state of zero, and the product of λ over it, as a kernel
/// beside `kernel` that the caller erases: its only results. Over the states,
/// or descending over their gradients.
chunk::KernelOp makeSegmentSweep(chunk::KernelOp kernel, bool descending);

/// The sweep of what the above makes.
chunk::SweepOp sweepOf(chunk::KernelOp kernel, bool descending);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_SEGMENTS_H
