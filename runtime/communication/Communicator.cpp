//===- Communicator.cpp - The communicators that this build knows ---------===//

#include "runtime/communication/Communicator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace decay::runtime {
// Each folder here defines its own; the build lists them.
#define DECAY_COMMUNICATOR(of, name, create)                                   \
  Result<std::unique_ptr<Communicator>> create(Device &device, Peers &peers);
#include "runtime/communication/Communicators.inc"
#undef DECAY_COMMUNICATOR

namespace {
constexpr const char *loopback = "loopback";

struct Entry {
  const char *device, *name;
  Result<std::unique_ptr<Communicator>> (*create)(Device &device, Peers &peers);
};
constexpr Entry table[] = {
#define DECAY_COMMUNICATOR(of, name, create) {of, name, create},
#include "runtime/communication/Communicators.inc"
#undef DECAY_COMMUNICATOR
};
} // namespace

std::vector<std::string> communicatorNames() {
  std::vector<std::string> names{loopback};
  for (const Entry &entry : table)
    names.emplace_back(entry.name);
  return names;
}

Result<std::unique_ptr<Communicator>>
createCommunicator(std::string_view name, std::string_view deviceName,
                   Device &device, Peers &peers) {
  // One rank alone has nothing to say to anybody.
  if (name == loopback || peers.size() == 1)
    return createLoopback(device, peers);
  for (const Entry &entry : table) {
    if (name == entry.name && deviceName != entry.device)
      return Status::user(
          fmt::format("job.communicator = {} is for --device={}; leave it out",
                      name, entry.device));
    if (name == entry.name || (name.empty() && deviceName == entry.device))
      return entry.create(device, peers);
  }
  if (name.empty())
    return createLoopback(device, peers);
  return Status::user(
      fmt::format("job.communicator is '{}', expected one of {}", name,
                  fmt::join(communicatorNames(), ", ")));
}

} // namespace decay::runtime
