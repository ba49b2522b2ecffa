//===- Signals.h - Being asked to stop -------------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_CORE_SIGNALS_H
#define DECAY_RUNTIME_CORE_SIGNALS_H

namespace decay::runtime {

/// From now on the first SIGINT or SIGTERM only raises a flag, so that a loop
/// can save its work and leave; the second one ends the process at once.
void catchStopSignals();

/// Whether a stop was asked for.
bool stopRequested();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_SIGNALS_H
