//===- Blas.h - OpenBLAS, opened at run time -------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CPU_BLAS_H
#define DECAY_RUNTIME_DEVICE_CPU_BLAS_H

#include "runtime/core/Status.h"

#include <string>

namespace decay::runtime {

/// The functions of the library that we call. Valid until the process ends.
struct Blas {
  /// cblas_sgemm: order, transposes, M, N, K, alpha, A, lda, B, ldb, beta, C,
  /// ldc. Safe to call from several threads at once.
  void (*sgemm)(int order, int transposeA, int transposeB, int m, int n, int k,
                float alpha, const float *a, int lda, const float *b, int ldb,
                float beta, float *c, int ldc);
  std::string kernels; ///< what OpenBLAS calls the CPU: "SkylakeX"
};

/// Opens the library once per process. World error when there is none; it names
/// the package to install.
Result<const Blas *> openBlas();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CPU_BLAS_H
