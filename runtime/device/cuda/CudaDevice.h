//===- CudaDevice.h - An NVIDIA GPU as the runtime's device ----*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/Device.h"
#include "runtime/device/cuda/CudaDriver.h"

#include <memory>

namespace decay::runtime {

/// One GPU, its primary context and a stream of its own. The context is current
/// in the thread that made the device. `allocate` gives memory of the GPU,
/// which the host cannot read: upload and download move it. What is queued on
/// the stream runs in order; nothing but download, elapsed and synchronise
/// waits.
class CudaDevice final : public Device {
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

  Status upload(void *to, const void *from, size_t bytes);
  Status download(void *to, const void *from, size_t bytes);
  Status synchronise();

  /// Milliseconds on the GPU of what `work` queues on the stream.
  Result<float> elapsed(const std::function<Status()> &work);

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
