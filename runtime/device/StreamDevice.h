//===- StreamDevice.h - A device that works through a queue ----*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_STREAMDEVICE_H
#define DECAY_RUNTIME_DEVICE_STREAMDEVICE_H

#include "runtime/device/Device.h"

#include <vector>

namespace decay::runtime {

/// A device with memory of its own, which the host cannot read, and a stream on
/// which work runs in order while the host goes on. Copies are queued too; only
/// download, synchronise and the times wait. World errors: what the device's
/// driver says, also of work that was queued before.
class StreamDevice : public Device {
public:
  /// As its maker calls it: "NVIDIA H100 80GB HBM3".
  virtual std::string card() const = 0;
  /// The version of its driver.
  virtual std::string driverVersion() const = 0;
  /// Bytes of the cache that all of the device shares.
  virtual int64_t cacheBytes() const = 0;

  /// Milliseconds on the device of what each of `count` calls of `work` queues,
  /// one after the other without a wait between them.
  virtual Result<std::vector<float>>
  timeEach(int64_t count, const std::function<Status(int64_t)> &work) = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_STREAMDEVICE_H
