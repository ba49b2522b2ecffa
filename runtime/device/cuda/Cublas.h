//===- Cublas.h - NVIDIA's matrix products, opened at run time -*- C++ -*-===//
//
// The few functions of libcublas that the device needs, declared here, as
// CudaDriver.h does for the driver.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUBLAS_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUBLAS_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <string>
#include <vector>

namespace decay::runtime {

struct Cublas {
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*setStream)(void *handle, void *stream);
  int (*setWorkspace)(void *handle, void *memory, size_t bytes);
  int (*setMathMode)(void *handle, int mode);
  /// Column-major C[m, n] = alpha op(A) op(B) + beta C.
  int (*multiply)(void *handle, int transposeA, int transposeB, int m, int n,
                  int k, const void *alpha, const void *a, int typeA, int lda,
                  const void *b, int typeB, int ldb, const void *beta, void *c,
                  int typeC, int ldc, int computeType, int algorithm);
  const char *(*errorText)(int result);
  std::string path; ///< what was opened

  /// A world error: "<doing>: <what the library calls the result>".
  Status check(int result, const std::string &doing) const;
};

/// The library, opened at the first call. Looked for, newest version first, in
/// the folders of DECAY_CUBLAS (separated by colons), then as the loader does
/// (LD_LIBRARY_PATH, ldconfig), then where the toolkit installs itself. A world
/// error that lists the places when it is in none.
Result<const Cublas *> openCublas();

/// The names under which it is looked for, in order.
std::vector<std::string> cublasPlaces(const char *folders);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CUDA_CUBLAS_H
