//===- Devices.h - The devices that this build knows -----------*- C++ -*-===//
//
// The table is made by the build from the folders of runtime/device, so that
// nothing outside a device's folder names it. The first one is the default.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_DEVICES_H
#define DECAY_RUNTIME_DEVICE_DEVICES_H

#include "runtime/core/Status.h"
#include "runtime/device/Device.h"
#include "runtime/device/StreamDevice.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

struct DeviceOptions {
  int64_t workers = 0; ///< threads; 0: one for each core this process may use
  /// Of activations and products, where the device leaves the choice.
  std::optional<NumberType> activationType = {};
  /// Which of several alike, where a machine has several: a process's number
  /// among those that share it.
  int64_t ordinal = 0;
};

/// "" takes the default. User error for a name that is not in the table, world
/// error when the machine lacks something; the message says what to do.
Result<std::unique_ptr<Device>> createDevice(std::string_view name,
                                             const DeviceOptions &options = {});

/// Names, the default first.
std::vector<std::string> deviceNames();

/// The device that runs a target's packages on a stream, whether models can
/// use it or not. Errors as createDevice's.
Result<std::unique_ptr<StreamDevice>>
createStreamDevice(std::string_view target);

/// The targets of these devices.
std::vector<std::string> streamDeviceTargets();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_DEVICES_H
