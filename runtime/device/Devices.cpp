//===- Devices.cpp - The devices that this build knows --------------------===//

#include "runtime/device/Devices.h"

#include "runtime/core/Diagnostic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace decay::runtime {
// Each device's folder defines its own; the build lists them.
#define DECAY_DEVICE(name, create)                                             \
  Result<std::unique_ptr<Device>> create(const DeviceOptions &options);
#include "runtime/device/Devices.inc"
#undef DECAY_DEVICE
#define DECAY_STREAM_DEVICE(target, create)                                    \
  Result<std::unique_ptr<StreamDevice>> create();
#include "runtime/device/StreamDevices.inc"
#undef DECAY_STREAM_DEVICE

namespace {
struct Entry {
  const char *name;
  Result<std::unique_ptr<Device>> (*create)(const DeviceOptions &options);
};
constexpr Entry table[] = {
#define DECAY_DEVICE(name, create) {name, create},
#include "runtime/device/Devices.inc"
#undef DECAY_DEVICE
};

struct StreamEntry {
  const char *target;
  Result<std::unique_ptr<StreamDevice>> (*create)();
};
constexpr StreamEntry streamTable[] = {
#define DECAY_STREAM_DEVICE(target, create) {target, create},
#include "runtime/device/StreamDevices.inc"
#undef DECAY_STREAM_DEVICE
};
} // namespace

std::string_view toString(WorkKind kind) {
  constexpr std::string_view names[workKinds] = {
      "products", "recurrence", "norms", "glu", "loss", "optimizer", "other"};
  return names[static_cast<size_t>(kind)];
}

std::vector<std::string> deviceNames() {
  std::vector<std::string> names;
  for (const Entry &entry : table)
    names.emplace_back(entry.name);
  return names;
}

std::vector<std::string> streamDeviceTargets() {
  std::vector<std::string> targets;
  for (const StreamEntry &entry : streamTable)
    targets.emplace_back(entry.target);
  return targets;
}

Result<std::unique_ptr<StreamDevice>>
createStreamDevice(std::string_view target) {
  for (const StreamEntry &entry : streamTable)
    if (target == entry.target)
      return entry.create();
  return Status::user(
      fmt::format("no device with a stream runs packages for '{}'; this build "
                  "has them for: {}",
                  target, fmt::join(streamDeviceTargets(), ", ")));
}

Result<std::unique_ptr<Device>> createDevice(std::string_view name,
                                             const DeviceOptions &options) {
  for (const Entry &entry : table)
    if (name.empty() || name == entry.name)
      return entry.create(options);
  return Status::user(fmt::format("unknown device '{}'; this build has: {}",
                                  name, fmt::join(deviceNames(), ", ")));
}

} // namespace decay::runtime
