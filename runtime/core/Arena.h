//===- Arena.h - Memory that is planned before it is taken -----*- C++ -*-===//
//
// Two phases. First every part of the program names the regions it will need;
// then the plan can be printed, and all of it is allocated at once, or the
// program says so before its first step. Nothing is allocated later.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_ARENA_H
#define DECAY_RUNTIME_CORE_ARENA_H

#include "runtime/core/Status.h"
#include "runtime/device/Device.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

class Arena {
public:
  /// A region of the plan.
  struct Region {
    int32_t index = -1;
  };

  Arena() = default;
  ~Arena();
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  /// A region of its own, zeroed at allocation, aligned to 64 bytes.
  /// `group` is the line it is summed under in the report: "weights".
  Region plan(std::string_view group, std::string_view name, size_t bytes);
  Region planFloats(std::string_view group, std::string_view name,
                    int64_t count) {
    return plan(group, name, static_cast<size_t>(count) * sizeof(float));
  }

  Region planNumbers(std::string_view group, std::string_view name,
                     int64_t count, NumberType type) {
    return plan(group, name, static_cast<size_t>(count * bytesOf(type)));
  }

  /// Scratch memory: all scratch regions lie on top of each other, so that one
  /// is only valid until the next user writes to its own. Not zeroed.
  Region planScratch(std::string_view name, size_t bytes);

  /// Regions that are summed under one name.
  struct Group {
    std::string name;
    size_t bytes;
  };
  std::vector<Group> groups() const;

  /// The bytes that `allocate` will ask for.
  size_t bytes() const { return separateBytes + scratchBytes; }

  /// One line a group with its bytes, then the total; ends with a newline.
  std::string report() const;

  /// Takes everything planned, once. World error when there is too little
  /// memory: it says how much was asked for and which group is the largest.
  Status allocate(Device &device);

  void *data(Region region) const;
  float *floats(Region region) const {
    return static_cast<float *>(data(region));
  }
  Numbers numbers(Region region, NumberType type) const {
    return {data(region), type};
  }

private:
  struct Entry {
    std::string group, name;
    size_t offset, bytes;
    bool scratch;
  };

  std::vector<Entry> entries;
  size_t separateBytes = 0, scratchBytes = 0;
  Device *owner = nullptr;
  std::byte *memory = nullptr;
};

/// "512 B", "1.5 KiB", "24.0 GiB".
std::string formatBytes(size_t bytes);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_ARENA_H
