//===- CudaDevice.cpp - An NVIDIA GPU as the runtime's device -------------===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/core/Arena.h"

#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace decay::runtime {
namespace {
constexpr int multiprocessors = 16, cacheSize = 38, computeMajor = 75,
              computeMinor = 76;
constexpr unsigned nonBlocking = 1;

uint64_t addressOf(const void *memory) {
  return reinterpret_cast<uint64_t>(memory);
}

/// Destroyed at the end of a scope.
class Event {
public:
  explicit Event(const CudaDriver &driver)
      : driver(driver), result(driver.createEvent(&handle, 0)) {}
  Event(Event &&other) noexcept
      : driver(other.driver), handle(std::exchange(other.handle, nullptr)),
        result(other.result) {}
  ~Event() {
    if (handle)
      driver.destroyEvent(handle);
  }
  Status record(void *queue) const {
    DECAY_RETURN_IF_ERROR(driver.check(result, "cannot make an event"));
    return driver.check(driver.recordEvent(handle, queue),
                        "cannot record an event");
  }
  Status await() const {
    return driver.check(driver.awaitEvent(handle),
                        "a launch before this failed");
  }
  Result<float> since(const Event &earlier) const {
    float milliseconds = 0;
    DECAY_RETURN_IF_ERROR(
        driver.check(driver.elapsed(&milliseconds, earlier.handle, handle),
                     "cannot read an event"));
    return milliseconds;
  }

private:
  const CudaDriver &driver;
  void *handle = nullptr;
  int result;
};
} // namespace

Result<std::unique_ptr<CudaDevice>> CudaDevice::create(int ordinal) {
  DECAY_ASSIGN_OR_RETURN(const CudaDriver *driver, openCudaDriver());
  int count = 0;
  DECAY_RETURN_IF_ERROR(
      driver->check(driver->deviceCount(&count), "cannot count the GPUs"));
  if (ordinal < 0 || ordinal >= count)
    return Status::user(fmt::format("there is no GPU {}, expected 0 to {}",
                                    ordinal, count - 1));
  std::unique_ptr<CudaDevice> device(new CudaDevice(*driver, ordinal));
  DECAY_RETURN_IF_ERROR(device->start());
  return device;
}

Status CudaDevice::start() {
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.retainContext(&context, ordinal),
                   fmt::format("cannot use GPU {}", ordinal)));
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.makeCurrent(context), "cannot make the GPU current"));
  return driver.check(driver.createStream(&queue, nonBlocking),
                      "cannot make a stream");
}

CudaDevice::~CudaDevice() {
  if (queue)
    driver.destroyStream(queue);
  if (context)
    driver.releaseContext(ordinal);
}

std::string CudaDevice::describe() const {
  int count = 0, major = 0, minor = 0, version = 0;
  size_t memory = 0;
  driver.deviceAttribute(&count, multiprocessors, ordinal);
  driver.deviceAttribute(&major, computeMajor, ordinal);
  driver.deviceAttribute(&minor, computeMinor, ordinal);
  driver.deviceMemory(&memory, ordinal);
  driver.version(&version);
  return fmt::format("cuda: {}, {} multiprocessors of compute capability "
                     "{}.{}, {}, driver for CUDA {}.{}",
                     card(), count, major, minor, formatBytes(memory),
                     version / 1000, version % 1000 / 10);
}

std::string CudaDevice::card() const {
  char name[128] = "unknown GPU";
  driver.deviceName(name, sizeof name, ordinal);
  return name;
}

std::string CudaDevice::driverVersion() const {
  if (std::string text = managedDriverVersion(); !text.empty())
    return text;
  int version = 0;
  driver.version(&version);
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

int64_t CudaDevice::cacheBytes() const {
  int bytes = 0;
  driver.deviceAttribute(&bytes, cacheSize, ordinal);
  return bytes;
}

void *CudaDevice::allocate(size_t bytes) {
  uint64_t address = 0;
  if (driver.allocate(&address, std::max<size_t>(bytes, 1)) != 0)
    return nullptr;
  if (driver.fill(address, 0, bytes, queue) != 0 ||
      driver.synchronise(queue) != 0) {
    driver.release(address);
    return nullptr;
  }
  return reinterpret_cast<void *>(address);
}

void CudaDevice::release(void *memory) {
  // The driver waits until nothing uses the memory any more.
  if (memory)
    driver.release(addressOf(memory));
}

void CudaDevice::parallelFor(
    int64_t count,
    const std::function<void(int64_t index, int64_t worker)> &task) {
  for (int64_t index = 0; index < count; ++index)
    task(index, 0);
}

void CudaDevice::multiply(const MatrixProduct &) {
  assert(false && "this device has no matrix products yet");
}

Status CudaDevice::upload(void *to, const void *from, size_t bytes) {
  return driver.check(driver.copyToDevice(addressOf(to), from, bytes, queue),
                      "cannot copy to the GPU");
}

Status CudaDevice::download(void *to, const void *from, size_t bytes) {
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.copyToHost(to, addressOf(from), bytes, queue),
                   "cannot copy from the GPU"));
  return synchronise();
}

Status CudaDevice::copy(void *to, const void *from, size_t bytes) {
  return driver.check(
      driver.copyOnDevice(addressOf(to), addressOf(from), bytes, queue),
      "cannot copy on the GPU");
}

Status CudaDevice::synchronise() {
  return driver.check(driver.synchronise(queue), "a launch before this failed");
}

Result<std::vector<float>>
CudaDevice::timeEach(int64_t count,
                     const std::function<Status(int64_t)> &work) {
  std::vector<Event> events;
  for (int64_t index = 0; index <= count; ++index)
    events.emplace_back(driver);
  DECAY_RETURN_IF_ERROR(events.front().record(queue));
  for (int64_t index = 0; index < count; ++index) {
    DECAY_RETURN_IF_ERROR(work(index));
    DECAY_RETURN_IF_ERROR(events[static_cast<size_t>(index) + 1].record(queue));
  }
  DECAY_RETURN_IF_ERROR(events.back().await());
  std::vector<float> times;
  for (size_t index = 1; index < events.size(); ++index) {
    DECAY_ASSIGN_OR_RETURN(float time, events[index].since(events[index - 1]));
    times.push_back(time);
  }
  return times;
}

Result<std::unique_ptr<StreamDevice>> createCudaDevice() {
  DECAY_ASSIGN_OR_RETURN(std::unique_ptr<CudaDevice> device,
                         CudaDevice::create());
  return std::unique_ptr<StreamDevice>(std::move(device));
}

} // namespace decay::runtime
