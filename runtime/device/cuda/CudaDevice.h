//===- CudaDevice.h - An NVIDIA GPU as the runtime's device ----*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/StreamDevice.h"
#include "runtime/device/cuda/CudaDriver.h"
#include "runtime/device/cuda/Products.h"

#include <memory>

namespace decay::runtime {

/// One GPU, its primary context and a stream of its own. The context is current
/// in the thread that made the device. `allocate` gives memory of the GPU,
/// which the host cannot read: upload and download move it.
class CudaDevice final : public StreamDevice {
public:
  /// A world error when driver or GPU are missing; a user error when there is
  /// no GPU of that number. `workers` threads of the host serve parallelFor.
  static Result<std::unique_ptr<CudaDevice>> create(int ordinal = 0,
                                                    int64_t workers = 1);
  ~CudaDevice() override;

  std::string describe() const override;
  int64_t workers() const override { return threads; }
  std::string_view target() const override { return "cuda"; }
  NumberType activationType() const override { return activations; }
  void setActivationType(NumberType type) { activations = type; }
  double peakTeraflops() const override;
  ChunkLimits chunkLimits() const override { return {int64_t{1} << 29, 8192}; }
  bool isHostMemory() const override { return false; }
  size_t freeBytes() const override;
  /// Of the GPU, context and code included.
  size_t usedBytes() const override;
  void *allocate(size_t bytes) override;
  void release(void *memory) override;
  /// On the host.
  void parallelFor(
      int64_t count,
      const std::function<void(int64_t index, int64_t worker)> &task) override;
  /// Opens cuBLAS, whose workspace stays with the device: the same bits at
  /// every call. World errors: openCublas's, and memory.
  Status prepareProducts();
  /// After prepareProducts. What goes wrong is in every later
  /// synchronise.
  void multiply(const MatrixProduct &product) override;
  /// The first call queues `work`, the second records it as a graph, and from
  /// then on the graph is queued whole. Where activations are fp32, or the
  /// driver cannot record it, every call queues `work`.
  Status repeat(std::unique_ptr<Recording> &recording,
                const std::function<Status()> &work) override;
  void announce(WorkKind kind) override;
  /// By events around launches; nothing is queued as a graph meanwhile.
  Result<std::optional<PartTimes>>
  timeParts(const std::function<Status()> &work) override;
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

  /// Code in PTX or machine code, ready to launch; it stays loaded as long as
  /// the device. World errors: what the driver says of it.
  Result<void *> loadCode(const char *image);
  Result<void *> findKernel(void *code, const char *name);
  /// Queues a kernel that takes one record. What goes wrong is in every later
  /// synchronise.
  void launch(void *kernel, int64_t blocks, int64_t blockRows, int blockThreads,
              void *record);
  /// Queues zeros.
  void clear(void *memory, size_t bytes);

private:
  CudaDevice(const CudaDriver &driver, int ordinal, int64_t workers);
  class Timeline;
  Status start();
  void remember(Status status);

  const CudaDriver &driver;
  int ordinal;
  int64_t threads;
  NumberType activations = NumberType::BF16;
  void *context = nullptr;
  void *queue = nullptr;
  std::unique_ptr<Products> products;
  void *productMemory = nullptr;
  std::vector<void *> codes;
  std::unique_ptr<Timeline> timeline; ///< while parts are timed
  Status failure;                     ///< the first; nothing after it counts
};

/// Of dense products in bf16, by NVIDIA's data sheets; 0 for cards that are not
/// listed.
double peakTeraflopsOf(std::string_view card);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
