//===- Limits.h - The last defence against a design that never ends -------===//
#ifndef DECAY_COMPILER_TOOLS_DECAYC_LIMITS_H
#define DECAY_COMPILER_TOOLS_DECAYC_LIMITS_H

namespace decay {

/// From here on this process may use 30 s of processor time and 1 GiB of memory
/// for each design. Beyond, it says so and ends: 1 for time, 3 for memory.
void limitResources();

/// The next design has its full time again.
void restartClock();

} // namespace decay

#endif // DECAY_COMPILER_TOOLS_DECAYC_LIMITS_H
