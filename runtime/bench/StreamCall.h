//===- StreamCall.h - Calls on tensors that rotate -------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_STREAMCALL_H
#define DECAY_RUNTIME_BENCH_STREAMCALL_H

#include "runtime/bench/KernelBench.h"
#include "runtime/device/StreamDevice.h"

namespace decay::runtime {

/// Memory of a device, given back at the end.
class DeviceMemory {
public:
  /// A world error when there is not so much.
  static Result<DeviceMemory> allocate(Device &device, int64_t bytes);
  char *data() const { return static_cast<char *>(memory.get()); }

private:
  struct Release {
    Device *device;
    void operator()(void *memory) const { device->release(memory); }
  };
  explicit DeviceMemory(std::unique_ptr<void, Release> memory)
      : memory(std::move(memory)) {}
  std::unique_ptr<void, Release> memory;
};

/// Random numbers on the device, to fill tensors with: in [-1, 1), and for
/// carried sums of positive terms in [0.5, 1).
class RandomTensors {
public:
  static Result<RandomTensors> create(StreamDevice &device);
  Status fill(char *to, int64_t elements, DecayType type, bool positive) const;

private:
  RandomTensors(StreamDevice &device, DeviceMemory memory)
      : device(&device), memory(std::move(memory)) {}
  StreamDevice *device;
  DeviceMemory memory;
};

/// The launches of one direction, each on tensors of its own, in so many sets
/// that a set is gone from the device's cache when its turn comes again.
class StreamCall {
public:
  StreamCall(const KernelLibrary &library, StreamDevice &device,
             const DecayDims &dims, BenchDirection direction)
      : library(library), device(device), dims(dims),
        roles(rolesOf(direction)) {}

  /// Parameters as a model starts with them, other inputs random.
  Status prepare(const RandomTensors &random);
  /// Queues the launches on set `index` modulo the number of sets.
  Status run(int64_t index);
  /// What went wrong in the launches so far.
  Status readFaults();
  int64_t setCount() const { return static_cast<int64_t>(sets.size()); }

  /// Of one launch.
  static bool takesPart(KernelRole role, const KernelOperandInfo &info);
  static int64_t bytesOf(const KernelLibrary &library, KernelRole role,
                         const KernelOperandInfo &info, const DecayDims &dims);

private:
  struct Launch {
    KernelRole role;
    DeviceMemory memory;
    KernelWorkspace workspace;
    std::vector<KernelOperand> operands;
  };
  /// One of each role, and what the first keeps for the second.
  struct Set {
    std::vector<Launch> launches;
    std::optional<DeviceMemory> kept;
  };
  Result<Launch> makeLaunch(KernelRole role, const RandomTensors &random);
  Status shareKept(Set &set);
  Status initialise(Launch &launch);

  const KernelLibrary &library;
  StreamDevice &device;
  DecayDims dims;
  std::vector<KernelRole> roles;
  std::vector<Set> sets;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_STREAMCALL_H
