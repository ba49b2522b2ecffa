//===- CudaDevice.h - An NVIDIA GPU as the runtime's device ----*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/StreamDevice.h"
#include "runtime/device/cuda/CudaDriver.h"

#include <memory>

namespace decay::runtime {

/// One GPU, its primary context and a stream of its own. The context is current
/// in the thread that made the device. `allocate` gives memory of the GPU,
/// which the host cannot read: upload and download move it.
class CudaDevice final : public StreamDevice {
public:
  /// A world error when driver or GPU are missing; a user error when there is
  /// no GPU of that number.
  static Result<std::unique_ptr<CudaDevice>> create(int ordinal = 0);
  ~CudaDevice() override;

  std::string describe() const override;
  int64_t workers() const override { return 1; }
  std::string_view target() const override { return "cuda"; }
  void *allocate(size_t bytes) override;
  void release(void *memory) override;
  /// In the calling thread, on the host.
  void parallelFor(
      int64_t count,
      const std::function<void(int64_t index, int64_t worker)> &task) override;
  /// There is none yet: an assertion.
  void multiply(const MatrixProduct &product) override;
  void *stream() override { return queue; }

  std::string card() const override;
  /// As NVIDIA's management library says it; without that library, the version
  /// of CUDA that the driver is for.
  std::string driverVersion() const override;
  int64_t cacheBytes() const override;
  Status upload(void *to, const void *from, size_t bytes) override;
  Status download(void *to, const void *from, size_t bytes) override;
  Status copy(void *to, const void *from, size_t bytes) override;
  Status synchronise() override;
  Result<std::vector<float>>
  timeEach(int64_t count, const std::function<Status(int64_t)> &work) override;

private:
  CudaDevice(const CudaDriver &driver, int ordinal)
      : driver(driver), ordinal(ordinal) {}
  Status start();

  const CudaDriver &driver;
  int ordinal;
  void *context = nullptr;
  void *queue = nullptr;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
