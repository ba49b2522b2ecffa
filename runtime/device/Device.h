//===- Device.h - What the runtime asks of a machine -----------*- C++ -*-===//
//
// Memory, work in parallel and matrix products, behind one interface. Models,
// optimisers and trainers name no device; they are handed one.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DEVICE_DEVICE_H
#define DECAY_RUNTIME_DEVICE_DEVICE_H

#include "runtime/core/Numbers.h"
#include "runtime/core/Status.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace decay::runtime {

/// C[M, N] = alpha · op(A) op(B) + beta · source, all row-major with leading
/// dimensions. A and B are of one type, C is of that type or fp32; sums are
/// fp32.
struct MatrixProduct {
  bool transposeA = false, transposeB = false;
  int64_t M = 0, N = 0, K = 0;
  float alpha = 1, beta = 0;
  ConstNumbers a;
  int64_t lda = 0;
  ConstNumbers b;
  int64_t ldb = 0;
  Numbers c;
  int64_t ldc = 0;
  ConstNumbers source; ///< laid out as C; null: C itself
};

/// How much of a large product is made at once where what follows can be done
/// chunk by chunk: enough for a good product, little enough for the memory at
/// hand.
struct ChunkLimits {
  int64_t numbers = 1 << 20; ///< of the result
  int64_t rows = 2048;
};

/// What a part of a training step's work is.
enum class WorkKind : uint8_t {
  Products,
  Recurrence, ///< the design's kernels
  Norms,
  Glu,
  Loss, ///< softmax and its gradient, without the head's products
  Optimizer,
  Other,
};
constexpr size_t workKinds = 7;

/// "products", "recurrence", "norms", "glu", "loss", "optimizer", "other".
std::string_view toString(WorkKind kind);

/// Seconds by WorkKind.
using PartTimes = std::array<double, workKinds>;

/// What a device keeps of work that is begun again and again.
class Recording {
public:
  virtual ~Recording() = default;
};

class Device {
public:
  virtual ~Device() = default;

  /// "cpu: AMD EPYC, 2 threads, 24 GiB"
  virtual std::string describe() const = 0;
  virtual int64_t workers() const = 0;

  /// The target whose packages run here.
  virtual std::string_view target() const = 0;

  /// In which activations are held, and the weights of matrix products.
  virtual NumberType activationType() const { return NumberType::F32; }

  /// 10^12 operations a second of dense products in the activations' type, by
  /// the maker's data sheet; 0: not known.
  virtual double peakTeraflops() const { return 0; }

  virtual ChunkLimits chunkLimits() const { return {}; }

  /// Whether the host reads and writes this device's memory as its own.
  virtual bool isHostMemory() const { return true; }

  /// Bytes that `allocate` can still give, as the system says; SIZE_MAX where
  /// it says nothing.
  virtual size_t freeBytes() const { return SIZE_MAX; }
  /// Bytes in use now: of the host by this process, of a device with memory of
  /// its own by everyone. 0 where the system says nothing.
  virtual size_t usedBytes() const { return 0; }

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

  /// Begins `work`. With one recording it is always the same work on the same
  /// memory, without a copy from or to the host and without a wait: a device
  /// may keep what it began, and begin that again without calling `work`. The
  /// recording begins as null, and the device outlives it.
  virtual Status repeat(std::unique_ptr<Recording> &recording,
                        const std::function<Status()> &work) {
    (void)recording;
    return work();
  }

  /// What the work is that is begun from now on.
  virtual void announce(WorkKind) {}
  /// Begins `work`, waits for it, and says how long each kind took, from its
  /// first to the next one's: the gaps between launches are in it. Empty where
  /// the device does not tell kinds apart; `work` is then not called.
  virtual Result<std::optional<PartTimes>>
  timeParts(const std::function<Status()> &work) {
    (void)work;
    return std::optional<PartTimes>();
  }

  /// What a package's `launch` takes as its stream.
  virtual void *stream() = 0;

  /// Copies from and to the host, and within the device. They come after all
  /// work that was begun before; `download` waits. World errors: what the
  /// device says, also of work before.
  virtual Status upload(void *to, const void *from, size_t bytes) {
    std::memcpy(to, from, bytes);
    return {};
  }
  virtual Status download(void *to, const void *from, size_t bytes) {
    std::memcpy(to, from, bytes);
    return {};
  }
  virtual Status copy(void *to, const void *from, size_t bytes) {
    std::memcpy(to, from, bytes);
    return {};
  }
  /// Waits for all work, and says what went wrong in it.
  virtual Status synchronise() { return {}; }
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_DEVICE_H
