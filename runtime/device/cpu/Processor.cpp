//===- Processor.cpp ------------------------------------------------------===//
#include "runtime/device/cpu/Processor.h"

namespace decay::runtime {

DecayHost detectHost() {
  DecayHost host = {};
#if defined(__x86_64__)
  __builtin_cpu_init();
  host.has_avx2_fma =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("f16c");
  host.has_avx512 = host.has_avx2_fma && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") &&
                    __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
#endif
  return host;
}

} // namespace decay::runtime
