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
} // namespace

std::vector<std::string> deviceNames() {
  std::vector<std::string> names;
  for (const Entry &entry : table)
    names.emplace_back(entry.name);
  return names;
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
