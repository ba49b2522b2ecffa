//===- CudaDevice.cpp - An NVIDIA GPU as the runtime's device -------------===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/core/Arena.h"

#include <cassert>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr int multiprocessors = 16, computeMajor = 75, computeMinor = 76;
constexpr unsigned nonBlocking = 1;

uint64_t addressOf(const void *memory) {
  return reinterpret_cast<uint64_t>(memory);
}

/// Destroyed at the end of a scope.
struct Event {
  explicit Event(const CudaDriver &driver)
      : driver(driver), result(driver.createEvent(&handle, 0)) {}
  Event(const Event &) = delete;
  ~Event() {
    if (handle)
      driver.destroyEvent(handle);
  }
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
  char name[128] = "unknown GPU";
  int count = 0, major = 0, minor = 0, version = 0;
  size_t memory = 0;
  driver.deviceName(name, sizeof name, ordinal);
  driver.deviceAttribute(&count, multiprocessors, ordinal);
  driver.deviceAttribute(&major, computeMajor, ordinal);
  driver.deviceAttribute(&minor, computeMinor, ordinal);
  driver.deviceMemory(&memory, ordinal);
  driver.version(&version);
  return fmt::format("cuda: {}, {} multiprocessors of compute capability "
                     "{}.{}, {}, driver for CUDA {}.{}",
                     name, count, major, minor, formatBytes(memory),
                     version / 1000, version % 1000 / 10);
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

Status CudaDevice::synchronise() {
  return driver.check(driver.synchronise(queue), "a launch before this failed");
}

Result<float> CudaDevice::elapsed(const std::function<Status()> &work) {
  Event before(driver), after(driver);
  float milliseconds = 0;
  DECAY_RETURN_IF_ERROR(driver.check(before.result, "cannot make an event"));
  DECAY_RETURN_IF_ERROR(driver.check(after.result, "cannot make an event"));
  DECAY_RETURN_IF_ERROR(driver.check(driver.recordEvent(before.handle, queue),
                                     "cannot record an event"));
  DECAY_RETURN_IF_ERROR(work());
  DECAY_RETURN_IF_ERROR(driver.check(driver.recordEvent(after.handle, queue),
                                     "cannot record an event"));
  DECAY_RETURN_IF_ERROR(driver.check(driver.awaitEvent(after.handle),
                                     "a launch before this failed"));
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.elapsed(&milliseconds, before.handle, after.handle),
                   "cannot read an event"));
  return milliseconds;
}

} // namespace decay::runtime
