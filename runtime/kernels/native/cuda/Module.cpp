//===- Module.cpp - The native kernels' code on a device ------------------===//

#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/kernels/native/cuda/CudaKernels.h"

namespace decay::runtime {

/// Written by the build from Kernels.cu.
extern const char nativeKernelCode[];

namespace {
class DeviceLauncher final : public gpu::Launcher {
public:
  DeviceLauncher(CudaDevice &device, void *code) : device(device), code(code) {}

  Result<void *> find(const char *name) override {
    return device.findKernel(code, name);
  }
  void launch(void *kernel, int64_t blocks, int64_t blockRows, int threads,
              void *record) override {
    device.launch(kernel, blocks, blockRows, threads, record);
  }
  void clear(void *memory, size_t bytes) override {
    device.clear(memory, bytes);
  }

private:
  CudaDevice &device;
  void *code;
};
} // namespace

Result<std::unique_ptr<NativeKernels>> createCudaKernels(Device &device) {
  auto &gpu = static_cast<CudaDevice &>(device);
  DECAY_ASSIGN_OR_RETURN(void *code, gpu.loadCode(nativeKernelCode));
  DECAY_ASSIGN_OR_RETURN(
      auto kernels,
      CudaKernels::create(device, std::make_unique<DeviceLauncher>(gpu, code)));
  return std::unique_ptr<NativeKernels>(std::move(kernels));
}

} // namespace decay::runtime
