//===- CudaDriver.cpp - NVIDIA's driver, opened at run time ---------------===//

#include "runtime/device/cuda/CudaDriver.h"

#include <cstddef>
#include <cstring>
#include <dlfcn.h>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr const char *libraryName = "libcuda.so.1";
constexpr const char *managementName = "libnvidia-ml.so.1";
constexpr int oldestVersion = 12000; // code is loaded without a context
constexpr int noDevice = 100;

struct Function {
  const char *name;
  size_t place;
};
constexpr Function functions[] = {
    {"cuInit", offsetof(CudaDriver, init)},
    {"cuDriverGetVersion", offsetof(CudaDriver, version)},
    {"cuDeviceGetCount", offsetof(CudaDriver, deviceCount)},
    {"cuDeviceGetName", offsetof(CudaDriver, deviceName)},
    {"cuDeviceGetAttribute", offsetof(CudaDriver, deviceAttribute)},
    {"cuDeviceTotalMem_v2", offsetof(CudaDriver, deviceMemory)},
    {"cuMemGetInfo_v2", offsetof(CudaDriver, memoryState)},
    {"cuDevicePrimaryCtxRetain", offsetof(CudaDriver, retainContext)},
    {"cuDevicePrimaryCtxRelease_v2", offsetof(CudaDriver, releaseContext)},
    {"cuCtxSetCurrent", offsetof(CudaDriver, makeCurrent)},
    {"cuCtxGetCurrent", offsetof(CudaDriver, currentContext)},
    {"cuStreamCreate", offsetof(CudaDriver, createStream)},
    {"cuStreamCreateWithPriority", offsetof(CudaDriver, createUrgentStream)},
    {"cuStreamDestroy_v2", offsetof(CudaDriver, destroyStream)},
    {"cuStreamSynchronize", offsetof(CudaDriver, synchronise)},
    {"cuStreamWaitEvent", offsetof(CudaDriver, streamAwait)},
    {"cuMemAlloc_v2", offsetof(CudaDriver, allocate)},
    {"cuMemFree_v2", offsetof(CudaDriver, release)},
    {"cuMemsetD8Async", offsetof(CudaDriver, fill)},
    {"cuMemcpyHtoDAsync_v2", offsetof(CudaDriver, copyToDevice)},
    {"cuMemcpyDtoHAsync_v2", offsetof(CudaDriver, copyToHost)},
    {"cuMemcpyDtoDAsync_v2", offsetof(CudaDriver, copyOnDevice)},
    {"cuLibraryLoadData", offsetof(CudaDriver, loadLibrary)},
    {"cuLibraryUnload", offsetof(CudaDriver, unloadLibrary)},
    {"cuLibraryGetKernel", offsetof(CudaDriver, findKernel)},
    {"cuLaunchKernel", offsetof(CudaDriver, launch)},
    {"cuEventCreate", offsetof(CudaDriver, createEvent)},
    {"cuEventDestroy_v2", offsetof(CudaDriver, destroyEvent)},
    {"cuEventRecord", offsetof(CudaDriver, recordEvent)},
    {"cuEventSynchronize", offsetof(CudaDriver, awaitEvent)},
    {"cuEventElapsedTime", offsetof(CudaDriver, elapsed)},
    {"cuStreamBeginCapture_v2", offsetof(CudaDriver, beginCapture)},
    {"cuStreamEndCapture", offsetof(CudaDriver, endCapture)},
    {"cuGraphInstantiateWithFlags", offsetof(CudaDriver, instantiate)},
    {"cuGraphLaunch", offsetof(CudaDriver, launchGraph)},
    {"cuGraphExecDestroy", offsetof(CudaDriver, destroyExecutable)},
    {"cuGraphDestroy", offsetof(CudaDriver, destroyGraph)},
    {"cuGetErrorString", offsetof(CudaDriver, errorText)},
};

Result<CudaDriver> open() {
  void *library = dlopen(libraryName, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::world(fmt::format(
        "this device needs NVIDIA's driver, and {}: install the driver, or "
        "choose another device",
        dlerror()));
  CudaDriver driver = {};
  for (const Function &function : functions) {
    void *address = dlsym(library, function.name);
    if (!address)
      return Status::world(
          fmt::format("{} lacks {}: install a driver for CUDA 12.0 or later",
                      libraryName, function.name));
    std::memcpy(reinterpret_cast<char *>(&driver) + function.place, &address,
                sizeof address);
  }
  int result = driver.init(0), version = 0, count = 0;
  if (result != noDevice)
    DECAY_RETURN_IF_ERROR(driver.check(result, "cannot start the driver"));
  if (driver.version(&version) == 0 && version < oldestVersion)
    return Status::world(
        fmt::format("the driver is for CUDA {}.{}, expected 12.0 or later",
                    version / 1000, version % 1000 / 10));
  if (result == noDevice || driver.deviceCount(&count) != 0 || count == 0)
    return Status::world("the driver finds no GPU on this machine");
  return driver;
}
} // namespace

std::string CudaDriver::describe(int result) const {
  const char *text = nullptr;
  if (errorText(result, &text) != 0 || !text)
    text = "unknown error";
  return fmt::format("{} (error {})", text, result);
}

Status CudaDriver::check(int result, std::string_view doing) const {
  if (result == 0)
    return {};
  return Status::world(fmt::format("{}: {}", doing, describe(result)));
}

Result<const CudaDriver *> openCudaDriver() {
  static const Result<CudaDriver> opened = open();
  if (!opened.ok())
    return opened.status();
  return &*opened;
}

std::string managedDriverVersion() {
  void *library = dlopen(managementName, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return "";
  auto start = reinterpret_cast<int (*)()>(dlsym(library, "nvmlInit_v2"));
  auto ask = reinterpret_cast<int (*)(char *, unsigned)>(
      dlsym(library, "nvmlSystemGetDriverVersion"));
  auto stop = reinterpret_cast<int (*)()>(dlsym(library, "nvmlShutdown"));
  char text[96] = "";
  if (start && ask && stop && start() == 0) {
    if (ask(text, sizeof text) != 0)
      text[0] = 0;
    stop();
  }
  dlclose(library);
  return text;
}

} // namespace decay::runtime
