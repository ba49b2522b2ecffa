//===- HostLauncher.h - Runs the GPU's native kernels on the host -*- C++
//-*-===//
#ifndef DECAY_TEST_SUPPORT_GPU_HOSTLAUNCHER_H
#define DECAY_TEST_SUPPORT_GPU_HOSTLAUNCHER_H

#include "runtime/kernels/native/cuda/Launcher.h"
#include "test/support/gpu/HostThreads.h"

#include <cstring>
#include <string>

namespace decay::runtime::gpu {

class HostLauncher final : public Launcher {
public:
  Result<void *> find(const char *name) override {
    auto found = hostKernels().find(name);
    if (found == hostKernels().end())
      return Status::world(std::string("no kernel ") + name);
    return reinterpret_cast<void *>(found->second);
  }
  void launch(void *kernel, int64_t blocks, int64_t blockRows, int threads,
              void *record) override {
    runOnHost(reinterpret_cast<HostKernel>(kernel), blocks, blockRows, threads,
              record);
  }
  void clear(void *memory, size_t bytes) override {
    std::memset(memory, 0, bytes);
  }
};

} // namespace decay::runtime::gpu

#endif // DECAY_TEST_SUPPORT_GPU_HOSTLAUNCHER_H
