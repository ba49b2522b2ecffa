/*===- FakeDriver.c - A driver that writes down what it is asked ----------===//
//
// Built with the soname of NVIDIA's, so that whoever opens that gets this one,
// once it is loaded. "Device memory" is the host's, above fake_device_memory's
// start.
//
//===----------------------------------------------------------------------===*/
#include "test/support/gpu/FakeDriver.h"

#include <stdio.h>
#include <string.h>

FakeDriver fake_driver = {.minor = 0,
                          .major = 9,
                          .version = 13000,
                          .device_count = 1,
                          .cache_bytes = 1 << 16};
char fake_device_memory[1 << 24] __attribute__((aligned(256)));

int cuInit(unsigned flags) { return fake_driver.init_result; }

int cuCtxGetDevice(int *device) {
  *device = fake_driver.device;
  return fake_driver.no_context ? 201 : 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75   ? fake_driver.major
           : attribute == 76 ? fake_driver.minor
           : attribute == 38 ? fake_driver.cache_bytes
                             : -1;
  return 0;
}

int cuLibraryLoadData(void **library, const void *image, int *options,
                      void **values, unsigned count, int *libraryOptions,
                      void **libraryValues, unsigned libraryCount) {
  ++fake_driver.loads;
  *library = (void *)image;
  return fake_driver.load_result;
}

int cuLibraryUnload(void *library) {
  (void)library;
  return 0;
}

int cuLibraryGetKernel(void **kernel, void *library, const char *name) {
  *kernel = (void *)name;
  return 0;
}

int cuKernelSetAttribute(int attribute, int value, void *kernel, int device) {
  fake_driver.shared_limit = attribute == 8 ? value : -1;
  return 0;
}

int cuLaunchKernel(void *function, unsigned gridX, unsigned gridY,
                   unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned sharedBytes, void *stream,
                   void **parameters, void **extra) {
  FakeLaunch *launch = &fake_driver.launches[fake_driver.launch_count++ % 16];
  *launch =
      (FakeLaunch){{gridX, gridY, gridZ}, blockX, sharedBytes, stream, "", {0}};
  snprintf(launch->kernel, sizeof launch->kernel, "%s", (char *)function);
  memcpy(launch->parameter, parameters[0], sizeof launch->parameter);
  return 0;
}

static int onDevice(unsigned long address) {
  return address >= (unsigned long)fake_device_memory &&
         address <
             (unsigned long)fake_device_memory + sizeof fake_device_memory;
}

int cuPointerGetAttributes(unsigned count, int *attributes, void **values,
                           unsigned long pointer) {
  ++fake_driver.pointer_questions;
  *(int *)values[0] = onDevice(pointer) ? 2 : 0;
  *(int *)values[1] = onDevice(pointer) ? fake_driver.memory_device : 0;
  return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long from, unsigned long bytes,
                         void *stream) {
  memcpy(to, (void *)from, bytes);
  return fake_driver.copy_result;
}

int cuMemsetD8Async(unsigned long to, unsigned char byte, unsigned long count,
                    void *stream) {
  memset((void *)to, byte, count);
  return 0;
}

int cuStreamSynchronize(void *stream) {
  ++fake_driver.waits;
  return fake_driver.wait_result;
}

int cuStreamBeginCapture_v2(void *stream, int mode) {
  if (fake_driver.capture_result == 0)
    ++fake_driver.captures;
  return fake_driver.capture_result;
}

int cuStreamEndCapture(void *stream, void **graph) {
  *graph = (void *)0x9abc;
  return 0;
}

int cuGraphInstantiateWithFlags(void **executable, void *graph,
                                unsigned long flags) {
  ++fake_driver.graphs;
  *executable = (void *)0xdef0;
  return 0;
}

int cuGraphLaunch(void *executable, void *stream) {
  ++fake_driver.graph_launches;
  return 0;
}

int cuGraphExecDestroy(void *executable) {
  --fake_driver.graphs;
  return 0;
}

int cuGraphDestroy(void *graph) { return 0; }

int cuGetErrorString(int result, const char **text) {
  *text = "what the fake driver says";
  return 0;
}

/* What only the runtime asks. */

int cuDriverGetVersion(int *version) {
  *version = fake_driver.version;
  return 0;
}

int cuDeviceGetCount(int *count) {
  *count = fake_driver.device_count;
  return 0;
}

int cuDeviceGetName(char *name, int bytes, int device) {
  snprintf(name, bytes, "fake GPU");
  return 0;
}

int cuDeviceTotalMem_v2(unsigned long *bytes, int device) {
  *bytes = sizeof fake_device_memory;
  return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
  ++fake_driver.contexts;
  *context = &fake_driver;
  return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  --fake_driver.contexts;
  return 0;
}

int cuCtxSetCurrent(void *context) { return 0; }

int cuStreamCreate(void **stream, unsigned flags) {
  ++fake_driver.streams;
  *stream = (void *)0x5678;
  return 0;
}

int cuCtxGetCurrent(void **context) {
  *context = &fake_driver;
  return 0;
}

int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
  return cuStreamCreate(stream, flags);
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }

int cuStreamDestroy_v2(void *stream) {
  --fake_driver.streams;
  return 0;
}

static unsigned long used;
static int blocks;

int cuMemGetInfo_v2(unsigned long *free, unsigned long *whole) {
  *whole = sizeof fake_device_memory;
  *free = *whole - used;
  return 0;
}

int cuMemAlloc_v2(unsigned long *address, unsigned long bytes) {
  if (bytes > sizeof fake_device_memory - used)
    return 2;
  *address = (unsigned long)fake_device_memory + used;
  used += (bytes + 255) / 256 * 256;
  ++blocks;
  return 0;
}

/* Memory is taken anew when nothing is left of it. */
int cuMemFree_v2(unsigned long address) {
  if (--blocks == 0)
    used = 0;
  return 0;
}

int cuMemcpyHtoDAsync_v2(unsigned long to, const void *from,
                         unsigned long bytes, void *stream) {
  memcpy((void *)to, from, bytes);
  return fake_driver.copy_result;
}

int cuMemcpyDtoDAsync_v2(unsigned long to, unsigned long from,
                         unsigned long bytes, void *stream) {
  memcpy((void *)to, (void *)from, bytes);
  return fake_driver.copy_result;
}

int cuEventCreate(void **event, unsigned flags) {
  ++fake_driver.events;
  *event = &used;
  return 0;
}

int cuEventDestroy_v2(void *event) {
  --fake_driver.events;
  return 0;
}

int cuEventRecord(void *event, void *stream) { return 0; }

int cuEventSynchronize(void *event) { return fake_driver.wait_result; }

int cuEventElapsedTime(float *milliseconds, void *from, void *to) {
  *milliseconds = 1.5f;
  return 0;
}
