//===- Thread.h - What one thread of a GPU knows and can do ----*- C++ -*-===//
//
// The few things that kernels need beyond C++, by the compiler's builtins, so
// that no toolkit is needed. Tests define DECAY_HOST_THREADS and bring the same
// names for the host (test/support/gpu/HostThreads.h).
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_THREAD_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_THREAD_H

#ifdef DECAY_HOST_THREADS
#include "test/support/gpu/HostThreads.h"
#else

/// Defines the kernel `name`, whose threads evaluate the last argument.
#define DECAY_KERNEL(name, Arguments, ...)                                     \
  extern "C" __attribute__((global)) void name(const Arguments arguments) {    \
    __VA_ARGS__;                                                               \
  }
/// The same with so many threads in a block and so many registers that `blocks`
/// of them fit in a multiprocessor.
#define DECAY_DENSE_KERNEL(name, threads, blocks, Arguments, ...)              \
  extern "C" __attribute__((global, launch_bounds(threads, blocks))) void      \
  name(const Arguments arguments) {                                            \
    __VA_ARGS__;                                                               \
  }
#define DECAY_DEVICE __attribute__((device, always_inline)) inline
#define DECAY_SHARED __attribute__((shared))

namespace decay::runtime::gpu {

using Bf16 = __bf16;

DECAY_DEVICE int threadIndex() { return __nvvm_read_ptx_sreg_tid_x(); }
DECAY_DEVICE int threadCount() { return __nvvm_read_ptx_sreg_ntid_x(); }
DECAY_DEVICE int blockIndex() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DECAY_DEVICE int blockRow() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DECAY_DEVICE int blockCount() { return __nvvm_read_ptx_sreg_nctaid_x(); }

/// All threads of the block wait for each other.
DECAY_DEVICE void barrier() { __syncthreads(); }

/// The value of the thread whose place in the warp differs by `mask`.
DECAY_DEVICE float exchange(float value, int mask) {
  return __nvvm_shfl_sync_bfly_f32(0xffffffffu, value, mask, 31);
}

/// The same value, of which the compiler no longer knows what was made of it.
DECAY_DEVICE void forgetOrigin(unsigned &word) {
  asm volatile("" : "+r"(word));
}

/// Zero where the result is subnormal.
DECAY_DEVICE float exp2Of(float x) { return __nvvm_ex2_approx_ftz_f(x); }
/// To 1 ulp; zero for x beyond 2^126.
DECAY_DEVICE float inverseOf(float x) { return __nvvm_rcp_approx_ftz_f(x); }
DECAY_DEVICE float log2Of(float x) { return __nvvm_lg2_approx_f(x); }
DECAY_DEVICE float rootOf(float x) { return __nvvm_sqrt_rn_f(x); }
DECAY_DEVICE double rootOf(double x) { return __nvvm_sqrt_rn_d(x); }

} // namespace decay::runtime::gpu

#endif // DECAY_HOST_THREADS
#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_THREAD_H
