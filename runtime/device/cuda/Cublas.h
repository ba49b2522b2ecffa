//===- Cublas.h - NVIDIA's matrix products, opened at run time -*- C++ -*-===//
//
// The few functions of libcublasLt, which is cuBLAS's own way to its kernels,
// that the device needs: declared here, as CudaDriver.h does for the driver.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_CUBLAS_H
#define DECAY_RUNTIME_DEVICE_CUDA_CUBLAS_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace decay::runtime {

/// cublasLtMatmulAlgo_t and cublasLtMatmulHeuristicResult_t.
struct CublasAlgorithm {
  uint64_t data[8];
};
struct CublasHeuristic {
  CublasAlgorithm algorithm;
  size_t workspaceBytes;
  int state;
  float waves;
  int reserved[4];
};

struct Cublas {
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*createProduct)(void **product, int computeType, int scaleType);
  int (*destroyProduct)(void *product);
  int (*setProduct)(void *product, int attribute, const void *value,
                    size_t bytes);
  int (*createLayout)(void **layout, int type, uint64_t rows, uint64_t columns,
                      int64_t leadingDimension);
  int (*destroyLayout)(void *layout);
  int (*createPreference)(void **preference);
  int (*destroyPreference)(void *preference);
  int (*setPreference)(void *preference, int attribute, const void *value,
                       size_t bytes);
  int (*heuristic)(void *handle, void *product, void *a, void *b, void *c,
                   void *d, void *preference, int wanted,
                   CublasHeuristic *found, int *count);
  /// Column-major D = alpha op(A) op(B) + beta C.
  int (*multiply)(void *handle, void *product, const void *alpha, const void *a,
                  void *layoutA, const void *b, void *layoutB, const void *beta,
                  const void *c, void *layoutC, void *d, void *layoutD,
                  const CublasAlgorithm *algorithm, void *workspace,
                  size_t bytes, void *stream);
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
