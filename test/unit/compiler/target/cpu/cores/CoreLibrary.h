//===- CoreLibrary.h - Every core of a variant, compiled in process -*- C++
//-*-===//
#ifndef DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_CORELIBRARY_H
#define DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_CORELIBRARY_H

#include "compiler/target/cpu/cores/Cores.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <memory>
#include <string>
#include <vector>

namespace decay::cpu {

/// True where this machine runs code of the variant.
bool runsHere(const Variant &variant);

class CoreLibrary {
public:
  /// Compiles allCores(); asserts that it can.
  explicit CoreLibrary(const Variant &variant);

  using Forward = void (*)(const float *q, const float *k, const float *v,
                           const float *lambda, float *state, float *o,
                           int64_t n, int64_t K, int64_t V, float *work);
  using State = void (*)(const float *k, const float *v, const float *lambda,
                         float *state, int64_t n, int64_t K, int64_t V,
                         float *work);
  using Backward = void (*)(const float *q, const float *k, const float *v,
                            const float *lambda, const float *state,
                            float *stateGradient, const float *outputGradient,
                            float *dq, float *dk, float *dv, float *dLambda,
                            int64_t n, int64_t K, int64_t V, float *work);

  template <typename Function>
  Function find(Direction direction, Schedule schedule,
                Granularity granularity) const {
    return reinterpret_cast<Function>(
        address(coreName({direction, schedule, granularity}, variant)));
  }

  /// Processor seconds from emission to machine code, and the assembly's text.
  double compileSeconds = 0;
  std::string assembly;

private:
  void *address(const std::string &name) const;

  const Variant &variant;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace decay::cpu

#endif // DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_CORELIBRARY_H
