//===- Sgemm.h - What the machine can do -----------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_SGEMM_H
#define DECAY_RUNTIME_BENCH_SGEMM_H

#include "runtime/core/Json.h"

#include <vector>

namespace decay::runtime {

/// The rate of C = A B, fp32, square matrices of `size`, by OpenBLAS.
struct SgemmRate {
  std::string kernels; ///< as OpenBLAS calls them: "SkylakeX"
  int64_t threads = 1;
  int64_t size = 0;
  double gigaflops = 0;           ///< median; 2 size³ operations a product
  double lowest = 0, highest = 0; ///< quartiles
};

/// Measures in this process, which must not have opened OpenBLAS before: the
/// library reads OPENBLAS_CORETYPE and its number of threads once. World error
/// when there is no OpenBLAS.
Result<SgemmRate> measureSgemm(int64_t threads, int64_t size = 1024);

Json toJson(const SgemmRate &rate);
Result<SgemmRate> sgemmRateFromJson(const Json &json);

/// Runs `program bench sgemm --threads N --json` for each set of kernels that
/// this processor can run, and reads the reports: first the set that this
/// environment chooses (by OPENBLAS_CORETYPE, or OpenBLAS itself), then others.
/// `program` is usually thisProgram(). To be called before a device is made,
/// which may choose for its process.
Result<std::vector<SgemmRate>>
measureSgemmInChildren(const std::string &program, int64_t threads);

/// The path of the running program.
std::string thisProgram();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_SGEMM_H
