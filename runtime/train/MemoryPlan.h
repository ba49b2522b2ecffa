//===- MemoryPlan.h - What training takes, before it is taken --*- C++ -*-===//
//
// All that a run allocates, by what it is for and by the settings that change
// it. It is said, and compared with what the device has, before the first step;
// `expectedBytes` is then what the device should have in use.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_MEMORYPLAN_H
#define DECAY_RUNTIME_TRAIN_MEMORYPLAN_H

#include "runtime/core/Arena.h"
#include "runtime/device/Device.h"
#include "runtime/nn/models/LanguageModel.h"

#include <string>
#include <vector>

namespace decay::runtime {

class MemoryPlan {
public:
  /// Asks the device what it has free and in use: before anything of the plan
  /// is allocated.
  explicit MemoryPlan(const Device &device)
      : used(device.usedBytes()), free(device.freeBytes()) {}

  void add(const Arena &arena);
  /// Its arena and the packages' workspace.
  void add(const LanguageModel &model);

  /// Of the plan alone.
  size_t bytes() const;
  /// Of the plan and what was in use before.
  size_t expectedBytes() const { return used + bytes(); }

  /// A line for each group: bytes, and the settings that change them; then the
  /// total, beside what is free and in use. Ends with a newline.
  std::string report() const;

  /// World error when it is more than the device has free: both figures, the
  /// largest group and what to change.
  Status check() const;

private:
  std::vector<Arena::Group> groups;
  size_t used, free;
};

/// "36.4 GiB in use after the first step, 36.2 GiB expected (0.5 % more)";
/// empty where the device says nothing of its memory.
std::string memoryVerdict(size_t usedBytes, size_t expectedBytes);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_MEMORYPLAN_H
