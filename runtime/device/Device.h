//===- Device.h - What the runtime asks of a machine -----------*- C++ -*-===//
//
// Memory, work in parallel and matrix products, behind one interface. Models,
// optimisers and trainers name no device; they are handed one.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_DEVICE_H
#define DECAY_RUNTIME_DEVICE_DEVICE_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace decay::runtime {

/// C[M, N] = alpha · op(A) op(B) + beta · C, all row-major fp32 with leading
/// dimensions.
struct MatrixProduct {
  bool transposeA = false, transposeB = false;
  int64_t M = 0, N = 0, K = 0;
  float alpha = 1, beta = 0;
  const float *a = nullptr;
  int64_t lda = 0;
  const float *b = nullptr;
  int64_t ldb = 0;
  float *c = nullptr;
  int64_t ldc = 0;
};

class Device {
public:
  virtual ~Device() = default;

  /// "cpu: AMD EPYC, 2 threads, 24 GiB"
  virtual std::string describe() const = 0;
  virtual int64_t workers() const = 0;

  /// The target whose packages run here.
  virtual std::string_view target() const = 0;

  /// Memory aligned to 64 bytes, zeroed; nullptr when there is none left.
  virtual void *allocate(size_t bytes) = 0;
  virtual void release(void *memory) = 0;

  /// Calls task(index, worker) for each index in [0, count), worker in [0,
  /// workers()). Callers write results by index, so that they do not depend on
  /// the number of workers.
  virtual void parallelFor(
      int64_t count,
      const std::function<void(int64_t index, int64_t worker)> &task) = 0;

  /// The same bits for any number of workers.
  virtual void multiply(const MatrixProduct &product) = 0;

  /// What a package's `launch` takes as its stream.
  virtual void *stream() = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_DEVICE_H
