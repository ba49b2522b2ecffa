/*===- Driver.c - Finding the driver and loading code ---------------------===*/
#include "compiler/target/cuda/glue/Driver.h"
#include "compiler/target/cuda/glue/Glue.h"

void *dlopen(const char *file, int mode);
void *dlsym(void *handle, const char *name);

enum { bindNow = 2, hopperMajor = 9, hopperMinor = 0, noDevice = 100 };

GlueDriver glueDriver;

/* A kernel's code is loaded by one thread while others wait. */
static int32_t loading;
static int32_t driverReady;
static uint64_t fittingDevices;

static void enter(void) {
  while (__atomic_exchange_n(&loading, 1, __ATOMIC_ACQUIRE))
    ;
}
static void leave(void) { __atomic_store_n(&loading, 0, __ATOMIC_RELEASE); }

static uint64_t bitOf(int device) { return (uint64_t)1 << (device & 63); }

static const struct {
  const char *name;
  size_t place;
} functions[] = {
    {"cuInit", offsetof(GlueDriver, init)},
    {"cuCtxGetDevice", offsetof(GlueDriver, get_device)},
    {"cuDeviceGetAttribute", offsetof(GlueDriver, device_attribute)},
    {"cuLibraryLoadData", offsetof(GlueDriver, load_library)},
    {"cuLibraryGetKernel", offsetof(GlueDriver, get_kernel)},
    {"cuKernelSetAttribute", offsetof(GlueDriver, kernel_attribute)},
    {"cuLaunchKernel", offsetof(GlueDriver, launch)},
    {"cuPointerGetAttributes", offsetof(GlueDriver, pointer_attributes)},
    {"cuMemcpyDtoHAsync_v2", offsetof(GlueDriver, copy_to_host)},
    {"cuMemsetD8Async", offsetof(GlueDriver, fill)},
    {"cuStreamSynchronize", offsetof(GlueDriver, synchronise)},
    {"cuGetErrorString", offsetof(GlueDriver, error_text)},
};

int32_t glueDriverFailed(DecayFault *fault, const char *doing, int result) {
  const char *text = 0;
  if (glueDriver.error_text)
    glueDriver.error_text(result, &text);
  return glueRefuse(fault, DECAY_DEVICE_FAILED, -1, "%s: %s (error %d)", doing,
                    text ? text : "unknown error", result);
}

static int32_t findDriver(DecayFault *fault) {
  void *library = dlopen("libcuda.so.1", bindNow);
  if (!library)
    return glueRefuse(fault, DECAY_NO_DRIVER, -1,
                      "libcuda.so.1 cannot be opened: this machine has no "
                      "driver for NVIDIA GPUs");
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i) {
    void *function = dlsym(library, functions[i].name);
    if (!function)
      return glueRefuse(fault, DECAY_NO_DRIVER, -1,
                        "the driver has no function %s: expected one for CUDA "
                        "12.0 or later",
                        functions[i].name);
    *(void **)((char *)&glueDriver + functions[i].place) = function;
  }
  int result = glueDriver.init(0);
  if (result == noDevice)
    return glueRefuse(fault, DECAY_NO_DRIVER, -1,
                      "the driver finds no GPU on this machine");
  if (result)
    return glueDriverFailed(fault, "cannot start the driver", result);
  return DECAY_OK;
}

static int32_t checkDevice(int device, DecayFault *fault) {
  int major = 0, minor = 0;
  int result = glueDriver.device_attribute(&major, GLUE_COMPUTE_MAJOR, device);
  if (!result)
    result = glueDriver.device_attribute(&minor, GLUE_COMPUTE_MINOR, device);
  if (result)
    return glueDriverFailed(fault, "cannot ask for the GPU's kind", result);
  if (major != hopperMajor || minor != hopperMinor)
    return glueRefuse(fault, DECAY_DEVICE_NOT_SUPPORTED, -1,
                      "GPU %d has compute capability %d.%d, expected %d.%d "
                      "(Hopper)",
                      device, major, minor, hopperMajor, hopperMinor);
  __atomic_fetch_or(&fittingDevices, bitOf(device), __ATOMIC_RELEASE);
  return DECAY_OK;
}

int32_t glueOpenDriver(DecayFault *fault, int *device) {
  if (!__atomic_load_n(&driverReady, __ATOMIC_ACQUIRE)) {
    enter();
    int32_t status = driverReady ? DECAY_OK : findDriver(fault);
    if (status == DECAY_OK)
      __atomic_store_n(&driverReady, 1, __ATOMIC_RELEASE);
    leave();
    if (status != DECAY_OK)
      return status;
  }
  int result = glueDriver.get_device(device);
  if (result)
    return glueDriverFailed(
        fault, "no GPU is current in this thread (cuCtxSetCurrent)", result);
  if (__atomic_load_n(&fittingDevices, __ATOMIC_ACQUIRE) & bitOf(*device))
    return DECAY_OK;
  return checkDevice(*device, fault);
}

static int32_t loadLocked(const GlueKernel *kernel, int device,
                          DecayFault *fault) {
  GlueLoaded *loaded = kernel->loaded;
  if (!loaded->function) {
    void *library = 0, *function = 0;
    int result =
        glueDriver.load_library(&library, kernel->image, 0, 0, 0, 0, 0, 0);
    if (!result)
      result = glueDriver.get_kernel(&function, library, kernel->name);
    if (result)
      return glueDriverFailed(fault, "cannot load the package's code", result);
    loaded->function = function;
  }
  int result = glueDriver.kernel_attribute(GLUE_MOST_DYNAMIC_SHARED,
                                           (int)kernel->shared_bytes,
                                           loaded->function, device);
  if (result)
    return glueDriverFailed(fault, "cannot reserve shared memory", result);
  __atomic_fetch_or(&loaded->devices, bitOf(device), __ATOMIC_RELEASE);
  return DECAY_OK;
}

int32_t glueLoad(const GlueKernel *kernel, int device, void **function,
                 DecayFault *fault) {
  GlueLoaded *loaded = kernel->loaded;
  int32_t status = DECAY_OK;
  if (!(__atomic_load_n(&loaded->devices, __ATOMIC_ACQUIRE) & bitOf(device))) {
    enter();
    status = loadLocked(kernel, device, fault);
    leave();
  }
  *function = loaded->function;
  return status;
}
