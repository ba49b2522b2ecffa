//===- NativeKernels.cpp - The kernels that this build knows ---*- C++ -*-===//
#include "runtime/kernels/native/NativeKernels.h"

#include <fmt/format.h>

namespace decay::runtime {
#define DECAY_NATIVE_KERNELS(device, create)                                   \
  Result<std::unique_ptr<NativeKernels>> create(Device &);
#include "runtime/kernels/native/NativeKernels.inc"
#undef DECAY_NATIVE_KERNELS

namespace {
struct Entry {
  std::string_view device;
  Result<std::unique_ptr<NativeKernels>> (*create)(Device &device);
};
constexpr Entry table[] = {
#define DECAY_NATIVE_KERNELS(device, create) {device, create},
#include "runtime/kernels/native/NativeKernels.inc"
#undef DECAY_NATIVE_KERNELS
};
} // namespace

Result<std::unique_ptr<NativeKernels>>
createNativeKernels(std::string_view name, Device &device) {
  for (const Entry &entry : table)
    if (name == entry.device)
      return entry.create(device);
  return Status::user(
      fmt::format("this build has no native kernels for device '{}'", name));
}

} // namespace decay::runtime
