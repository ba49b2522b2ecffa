//===- Launcher.h - Who runs the GPU kernels -------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_LAUNCHER_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_LAUNCHER_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>

namespace decay::runtime::gpu {

/// Runs kernels by name, one after the other: a GPU, or a test on the host.
class Launcher {
public:
  virtual ~Launcher() = default;

  /// A world error when there is none of that name.
  virtual Result<void *> find(const char *name) = 0;
  /// `record` is the kernel's record of Arguments.h.
  virtual void launch(void *kernel, int64_t blocks, int64_t blockRows,
                      int threads, void *record) = 0;
  virtual void clear(void *memory, size_t bytes) = 0;
};

} // namespace decay::runtime::gpu

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_LAUNCHER_H
