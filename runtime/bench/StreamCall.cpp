//===- StreamCall.cpp - Calls on tensors that rotate ----------------------===//

#include "runtime/bench/StreamCall.h"

#include <bit>
#include <fmt/format.h>
#include <random>

namespace decay::runtime {
namespace {

constexpr int64_t patternElements = 1 << 16, alignment = 256;
/// Small tensors would need thousands of sets to outgrow a cache.
constexpr int64_t mostSets = 64;

/// The patterns follow each other: bf16, fp32, fp32 above zero.
constexpr int64_t bf16Bytes = 2 * patternElements,
                  fp32Bytes = 4 * patternElements;

int64_t elementBytes(DecayType type) { return type == DECAY_BF16 ? 2 : 4; }

int64_t aligned(int64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

} // namespace

Result<DeviceMemory> DeviceMemory::allocate(Device &device, int64_t bytes) {
  std::unique_ptr<void, Release> memory(
      device.allocate(static_cast<size_t>(bytes)), Release{&device});
  if (!memory)
    return Status::world(
        fmt::format("no {} MB of memory on this device: make the shape smaller",
                    bytes / 1'000'000));
  return DeviceMemory(std::move(memory));
}

Result<RandomTensors> RandomTensors::create(StreamDevice &device) {
  std::mt19937 generator(42);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<uint16_t> halves;
  std::vector<float> numbers, positive;
  for (int64_t index = 0; index < patternElements; ++index) {
    float number = uniform(generator);
    // The upper half of an fp32 number is a bf16 number.
    halves.push_back(
        static_cast<uint16_t>(std::bit_cast<uint32_t>(number) >> 16));
    numbers.push_back(number);
    positive.push_back(0.75f + 0.25f * number);
  }
  DECAY_ASSIGN_OR_RETURN(
      DeviceMemory memory,
      DeviceMemory::allocate(device, bf16Bytes + 2 * fp32Bytes));
  char *to = memory.data();
  DECAY_RETURN_IF_ERROR(device.upload(to, halves.data(), bf16Bytes));
  DECAY_RETURN_IF_ERROR(
      device.upload(to + bf16Bytes, numbers.data(), fp32Bytes));
  DECAY_RETURN_IF_ERROR(
      device.upload(to + bf16Bytes + fp32Bytes, positive.data(), fp32Bytes));
  DECAY_RETURN_IF_ERROR(device.synchronise());
  return RandomTensors(device, std::move(memory));
}

Status RandomTensors::fill(char *to, int64_t elements, DecayType type,
                           bool positive) const {
  const char *from = memory.data();
  if (type != DECAY_BF16)
    from += positive ? bf16Bytes + fp32Bytes : bf16Bytes;
  for (int64_t done = 0; done < elements; done += patternElements) {
    int64_t count = std::min(patternElements, elements - done);
    DECAY_RETURN_IF_ERROR(
        device->copy(to + done * elementBytes(type), from,
                     static_cast<size_t>(count * elementBytes(type))));
  }
  return {};
}

bool StreamCall::takesPart(KernelRole role, const KernelOperandInfo &info) {
  return role == KernelRole::Step ? info.name != "lambda"
                                  : isTrainingOperand(info);
}

int64_t StreamCall::bytesOf(const KernelLibrary &library, KernelRole role,
                            const KernelOperandInfo &info,
                            const DecayDims &dims) {
  return takesPart(role, info)
             ? elementBytes(info.type) *
                   info.shape.elements(dims, library.manifest().stateWidth)
             : 0;
}

Result<StreamCall::Launch> StreamCall::makeLaunch(KernelRole role,
                                                  const RandomTensors &random) {
  int64_t bytes = 0;
  for (const KernelOperandInfo &info : library.operands(role))
    bytes += aligned(bytesOf(library, role, info, dims));
  DECAY_ASSIGN_OR_RETURN(DeviceMemory memory,
                         DeviceMemory::allocate(device, bytes));
  Launch launch{role, std::move(memory), KernelWorkspace(device), {}};
  char *at = launch.memory.data();
  for (const KernelOperandInfo &info : library.operands(role)) {
    int64_t taken = bytesOf(library, role, info, dims);
    if (taken == 0)
      continue;
    int64_t elements = taken / elementBytes(info.type);
    bool positive =
        info.name.starts_with("initial_") && info.name != "initial_state";
    if (!info.written)
      DECAY_RETURN_IF_ERROR(random.fill(at, elements, info.type, positive));
    launch.operands.push_back({info.name, at, elements, 0, info.type});
    at += aligned(taken);
  }
  DECAY_RETURN_IF_ERROR(initialise(launch));
  return launch;
}

Status StreamCall::initialise(Launch &launch) {
  constexpr KernelRole role = KernelRole::InitParameters;
  std::vector<KernelOperand> parameters;
  for (const KernelOperandInfo &info : library.operands(role))
    for (const KernelOperand &operand : launch.operands)
      if (operand.name == info.name)
        parameters.push_back(operand);
  if (parameters.empty())
    return {};
  DECAY_RETURN_IF_ERROR(
      library.launch(role, parameters, dims, launch.workspace, device));
  return library.readFault(role, launch.workspace, device);
}

Status StreamCall::prepare(const RandomTensors &random) {
  int64_t bytes = 0;
  for (KernelRole role : roles)
    for (const KernelOperandInfo &info : library.operands(role))
      bytes += bytesOf(library, role, info, dims);
  int64_t count = 2 + device.cacheBytes() / std::max<int64_t>(bytes, 1);
  for (int64_t set = 0; set < std::min(count, mostSets); ++set) {
    sets.emplace_back();
    for (KernelRole role : roles) {
      DECAY_ASSIGN_OR_RETURN(Launch launch, makeLaunch(role, random));
      sets.back().launches.push_back(std::move(launch));
    }
    DECAY_RETURN_IF_ERROR(shareKept(sets.back()));
  }
  return device.synchronise();
}

/// Gives both launches of training the memory that forward fills for backward.
Status StreamCall::shareKept(Set &set) {
  if (roles.size() < 2)
    return {};
  int64_t stateWidth = library.manifest().stateWidth, bytes = 0;
  auto sizeOf = [&](const KernelOperandInfo &info) {
    return elementBytes(info.type) * info.shape.elements(dims, stateWidth);
  };
  for (const KernelOperandInfo &info : library.operands(roles.front()))
    bytes += info.isKept() ? aligned(sizeOf(info)) : 0;
  if (bytes == 0)
    return {};
  DECAY_ASSIGN_OR_RETURN(DeviceMemory memory,
                         DeviceMemory::allocate(device, bytes));
  char *at = memory.data();
  for (const KernelOperandInfo &info : library.operands(roles.front()))
    if (info.isKept()) {
      for (Launch &launch : set.launches)
        launch.operands.push_back({info.name, at,
                                   info.shape.elements(dims, stateWidth), 0,
                                   info.type});
      at += aligned(sizeOf(info));
    }
  set.kept = std::move(memory);
  return {};
}

Status StreamCall::run(int64_t index) {
  Set &set = sets[static_cast<size_t>(index % setCount())];
  for (Launch &launch : set.launches)
    DECAY_RETURN_IF_ERROR(library.launch(launch.role, launch.operands, dims,
                                         launch.workspace, device));
  return {};
}

Status StreamCall::readFaults() {
  for (Set &set : sets)
    for (Launch &launch : set.launches)
      DECAY_RETURN_IF_ERROR(
          library.readFault(launch.role, launch.workspace, device));
  return {};
}

} // namespace decay::runtime
