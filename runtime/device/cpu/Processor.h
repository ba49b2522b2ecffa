//===- Processor.h - What this processor can run ---------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CPU_PROCESSOR_H
#define DECAY_RUNTIME_DEVICE_CPU_PROCESSOR_H

#include "runtime/abi/DecayPackage.h"

namespace decay::runtime {

/// Asked of the processor once, when a package is loaded.
DecayHost detectHost();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CPU_PROCESSOR_H
