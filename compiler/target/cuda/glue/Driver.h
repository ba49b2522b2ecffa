/*===- Driver.h - The functions of the driver that packages call ----------===//
//
// Declared here, so that neither Decay nor its packages need CUDA's headers.
// Handles are pointers, results and enumerations are int.
//
//===----------------------------------------------------------------------===*/
#ifndef DECAY_COMPILER_TARGET_CUDA_GLUE_DRIVER_H
#define DECAY_COMPILER_TARGET_CUDA_GLUE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef struct GlueDriver {
  int (*init)(unsigned flags);
  int (*get_device)(int *device);
  int (*device_attribute)(int *value, int attribute, int device);
  int (*load_library)(void **library, const void *image, int *options,
                      void **values, unsigned count, int *libraryOptions,
                      void **libraryValues, unsigned libraryCount);
  int (*get_kernel)(void **kernel, void *library, const char *name);
  int (*kernel_attribute)(int attribute, int value, void *kernel, int device);
  int (*launch)(void *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                unsigned blockX, unsigned blockY, unsigned blockZ,
                unsigned sharedBytes, void *stream, void **parameters,
                void **extra);
  int (*pointer_attributes)(unsigned count, int *attributes, void **values,
                            uint64_t pointer);
  int (*copy_to_host)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*fill)(uint64_t to, unsigned char byte, size_t count, void *stream);
  int (*synchronise)(void *stream);
  int (*error_text)(int result, const char **text);
} GlueDriver;

enum {
  GLUE_COMPUTE_MAJOR = 75,
  GLUE_COMPUTE_MINOR = 76,
  GLUE_MOST_DYNAMIC_SHARED = 8,
  GLUE_POINTER_MEMORY_TYPE = 2,
  GLUE_POINTER_DEVICE = 9,
  GLUE_MEMORY_DEVICE = 2
};

/* Valid after glueOpenDriver. */
extern GlueDriver glueDriver;

#endif /* DECAY_COMPILER_TARGET_CUDA_GLUE_DRIVER_H */
