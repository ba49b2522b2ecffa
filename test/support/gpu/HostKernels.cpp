//===- HostKernels.cpp - The GPU's native kernels for the host ------------===//

#define DECAY_HOST_THREADS
#include "runtime/kernels/native/cuda/Kernels.cu"
