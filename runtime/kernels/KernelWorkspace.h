//===- KernelWorkspace.h - Scratch memory that only grows ------*- C++ -*-===//
#ifndef DECAY_RUNTIME_KERNELS_KERNELWORKSPACE_H
#define DECAY_RUNTIME_KERNELS_KERNELWORKSPACE_H

#include "runtime/device/Device.h"

#include <utility>

namespace decay::runtime {

/// Scratch memory of one device for kernels that run one after the other. Its
/// content is worthless between calls. The device outlives it.
class KernelWorkspace {
public:
  explicit KernelWorkspace(Device &device) : device(&device) {}
  KernelWorkspace(KernelWorkspace &&other) noexcept
      : device(other.device), memory(std::exchange(other.memory, nullptr)),
        size(std::exchange(other.size, 0)) {}
  KernelWorkspace &operator=(KernelWorkspace &&other) noexcept {
    std::swap(device, other.device);
    std::swap(memory, other.memory);
    std::swap(size, other.size);
    return *this;
  }
  ~KernelWorkspace() { device->release(memory); }

  /// Makes at least `bytes` available at data(). A world error if memory is
  /// short; what was there before is then gone.
  Status reserve(int64_t bytes) {
    if (bytes <= size)
      return {};
    device->release(std::exchange(memory, nullptr));
    size = 0;
    memory = device->allocate(static_cast<size_t>(bytes));
    if (!memory)
      return Status::world("no memory for a workspace of " +
                           std::to_string(bytes) +
                           " bytes: make the batch or the sequences shorter");
    size = bytes;
    return {};
  }

  void *data() const { return memory; }
  int64_t bytes() const { return size; }

private:
  Device *device;
  void *memory = nullptr;
  int64_t size = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_KERNELWORKSPACE_H
