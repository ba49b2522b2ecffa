//===- HostThreads.h - A block's threads as fibers on the host -*- C++ -*-===//
//
// The names of runtime/kernels/native/cuda/Thread.h for the host. A kernel's
// threads run one after the other, each to its next barrier or exchange, and
// blocks one after the other; so a test of a kernel's source needs no GPU.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_TEST_SUPPORT_GPU_HOSTTHREADS_H
#define DECAY_TEST_SUPPORT_GPU_HOSTTHREADS_H

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace decay::runtime::gpu {

/// bf16 rounded to nearest even, NaN kept.
class Bf16 {
public:
  Bf16() = default;
  explicit Bf16(float value) {
    auto word = std::bit_cast<uint32_t>(value);
    bits =
        std::isnan(value)
            ? static_cast<uint16_t>(0x7fc0)
            : static_cast<uint16_t>((word + 0x7fff + (word >> 16 & 1)) >> 16);
  }
  operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }

private:
  uint16_t bits = 0;
};

/// Every kernel of the source by its name.
using HostKernel = void (*)(const void *record);
std::map<std::string, HostKernel> &hostKernels();

struct HostKernelEntry {
  HostKernelEntry(const char *name, HostKernel kernel) {
    hostKernels()[name] = kernel;
  }
};

/// Runs all threads of all blocks. Aborts when some threads of a block wait
/// where others have ended.
void runOnHost(HostKernel kernel, int64_t blocks, int64_t blockRows,
               int threads, const void *record);

int threadIndex();
int threadCount();
int blockIndex();
int blockRow();
int blockCount();
void barrier();
float exchange(float value, int mask);

inline void forgetOrigin(unsigned &) {}

inline float exp2Of(float x) { return std::exp2(x); }
inline float inverseOf(float x) { return 1 / x; }
inline float log2Of(float x) { return std::log2(x); }
inline float rootOf(float x) { return std::sqrt(x); }
inline double rootOf(double x) { return std::sqrt(x); }

} // namespace decay::runtime::gpu

#define DECAY_DEVICE inline
#define DECAY_SHARED static
#define DECAY_DENSE_KERNEL(name, threads, blocks, Arguments, ...)              \
  DECAY_KERNEL(name, Arguments, __VA_ARGS__)
#define DECAY_KERNEL(name, Arguments, ...)                                     \
  static const HostKernelEntry name##Entry{                                    \
      #name, [](const void *record) {                                          \
        const auto &arguments = *static_cast<const Arguments *>(record);       \
        __VA_ARGS__;                                                           \
      }};

#endif // DECAY_TEST_SUPPORT_GPU_HOSTTHREADS_H
