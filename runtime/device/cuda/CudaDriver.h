//===- CudaDriver.h - NVIDIA's driver, opened at run time ------*- C++ -*-===//
//
// The few functions of libcuda.so.1 that the device needs, declared here, so
// that Decay is built without CUDA and starts on machines without it. Handles
// are pointers; results are 0 or an error that describe() puts into words.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUDADRIVER_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUDADRIVER_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace decay::runtime {

struct CudaDriver {
  int (*init)(unsigned flags);
  int (*version)(int *version);
  int (*deviceCount)(int *count);
  int (*deviceName)(char *name, int bytes, int device);
  int (*deviceAttribute)(int *value, int attribute, int device);
  int (*deviceMemory)(size_t *bytes, int device);
  int (*memoryState)(size_t *free, size_t *whole);
  int (*retainContext)(void **context, int device);
  int (*releaseContext)(int device);
  int (*makeCurrent)(void *context);
  int (*currentContext)(void **context);
  int (*createStream)(void **stream, unsigned flags);
  int (*createUrgentStream)(void **stream, unsigned flags, int priority);
  int (*destroyStream)(void *stream);
  int (*synchronise)(void *stream);
  int (*streamAwait)(void *stream, void *event, unsigned flags);
  int (*allocate)(uint64_t *address, size_t bytes);
  int (*release)(uint64_t address);
  int (*fill)(uint64_t to, unsigned char byte, size_t bytes, void *stream);
  int (*copyToDevice)(uint64_t to, const void *from, size_t bytes,
                      void *stream);
  int (*copyToHost)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*copyOnDevice)(uint64_t to, uint64_t from, size_t bytes, void *stream);
  int (*loadLibrary)(void **library, const void *image, int *options,
                     void **values, unsigned count, int *libraryOptions,
                     void **libraryValues, unsigned libraryCount);
  int (*unloadLibrary)(void *library);
  int (*findKernel)(void **kernel, void *library, const char *name);
  int (*launch)(void *kernel, unsigned gridX, unsigned gridY, unsigned gridZ,
                unsigned blockX, unsigned blockY, unsigned blockZ,
                unsigned sharedBytes, void *stream, void **parameters,
                void **extra);
  int (*createEvent)(void **event, unsigned flags);
  int (*destroyEvent)(void *event);
  int (*recordEvent)(void *event, void *stream);
  int (*awaitEvent)(void *event);
  int (*elapsed)(float *milliseconds, void *from, void *to);
  int (*beginCapture)(void *stream, int mode);
  int (*endCapture)(void *stream, void **graph);
  int (*instantiate)(void **executable, void *graph, uint64_t flags);
  int (*launchGraph)(void *executable, void *stream);
  int (*destroyExecutable)(void *executable);
  int (*destroyGraph)(void *graph);
  int (*errorText)(int result, const char **text);

  std::string describe(int result) const;
  /// A world error: "<doing>: <what the driver calls the result>"; success for
  /// 0.
  Status check(int result, std::string_view doing) const;
};

/// The driver, opened and started at the first call. A world error when there
/// is none, when it is older than CUDA 12.0, or when it finds no GPU.
Result<const CudaDriver *> openCudaDriver();

/// "580.159.04", from libnvidia-ml.so.1; empty where that library is missing.
std::string managedDriverVersion();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CUDA_CUDADRIVER_H
