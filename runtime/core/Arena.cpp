//===- Arena.cpp - Memory that is planned before it is taken --------------===//

#include "runtime/core/Arena.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr size_t alignment = 64;
constexpr std::string_view scratchGroup = "scratch";

size_t aligned(size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}
} // namespace

std::string formatBytes(size_t bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024)
    return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

Arena::~Arena() {
  if (memory)
    owner->release(memory);
}

Arena::Region Arena::plan(std::string_view group, std::string_view name,
                          size_t bytes) {
  assert(!memory && "the plan is closed once it is allocated");
  entries.push_back(
      {std::string(group), std::string(name), separateBytes, bytes, false});
  separateBytes += aligned(bytes);
  return {static_cast<int32_t>(entries.size()) - 1};
}

Arena::Region Arena::planScratch(std::string_view name, size_t bytes) {
  assert(!memory && "the plan is closed once it is allocated");
  entries.push_back(
      {std::string(scratchGroup), std::string(name), 0, bytes, true});
  scratchBytes = std::max(scratchBytes, aligned(bytes));
  return {static_cast<int32_t>(entries.size()) - 1};
}

std::vector<Arena::Group> Arena::groups() const {
  std::vector<Group> found;
  for (const Entry &entry : entries) {
    if (entry.scratch)
      continue;
    auto group = std::ranges::find(found, entry.group, &Group::name);
    if (group == found.end())
      group = found.insert(found.end(), {entry.group, 0});
    group->bytes += aligned(entry.bytes);
  }
  if (scratchBytes > 0)
    found.push_back({std::string(scratchGroup), scratchBytes});
  return found;
}

std::string Arena::report() const {
  std::string text;
  for (const Group &group : groups())
    text +=
        fmt::format("  {:<16}{:>12}\n", group.name, formatBytes(group.bytes));
  return text + fmt::format("  {:<16}{:>12}\n", "total", formatBytes(bytes()));
}

Status Arena::allocate(Device &device) {
  assert(!memory && "an arena is allocated once");
  memory =
      static_cast<std::byte *>(device.allocate(std::max(bytes(), alignment)));
  owner = &device;
  if (memory)
    return {};
  std::vector<Group> all = groups();
  auto largest = std::ranges::max_element(all, {}, &Group::bytes);
  return Status::world(fmt::format(
      "out of memory: {} asked for, of which '{}' takes {}; {}",
      formatBytes(bytes()), largest->name, formatBytes(largest->bytes),
      "use a smaller batch, a shorter sequence or a smaller model"));
}

void *Arena::data(Region region) const {
  assert(memory && "the plan is not allocated yet");
  const Entry &entry = entries.at(static_cast<size_t>(region.index));
  return memory + (entry.scratch ? separateBytes : entry.offset);
}

} // namespace decay::runtime
