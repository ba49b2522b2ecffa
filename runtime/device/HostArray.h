//===- HostArray.h - A device's numbers, where the host reads them -*- C++
//-*-===//
#ifndef DECAY_RUNTIME_DEVICE_HOSTARRAY_H
#define DECAY_RUNTIME_DEVICE_HOSTARRAY_H

#include "runtime/device/Device.h"

#include <vector>

namespace decay::runtime {

/// `count` fp32 numbers of a device: its memory itself where the host can reach
/// that, otherwise a copy of it. The device and its memory outlive the array.
class HostArray {
public:
  /// Reads nothing yet; a copy begins as zeros.
  HostArray(Device &device, float *there, int64_t count)
      : device(device), there(there), count(count) {
    if (!device.isHostMemory())
      copy.resize(static_cast<size_t>(count));
  }

  /// World errors: what the device says.
  Status read() {
    if (device.isHostMemory())
      return {};
    return device.download(copy.data(), there, bytes());
  }
  Status write() {
    if (device.isHostMemory())
      return {};
    return device.upload(there, copy.data(), bytes());
  }

  float *data() { return device.isHostMemory() ? there : copy.data(); }

private:
  size_t bytes() const { return static_cast<size_t>(count) * sizeof(float); }

  Device &device;
  float *there;
  int64_t count;
  std::vector<float> copy;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_HOSTARRAY_H
