//===- KernelOracle.h - A compiled package against the oracle --*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_KERNELS_KERNELORACLE_H
#define DECAY_TEST_NUMERIC_KERNELS_KERNELORACLE_H

#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Inputs.h"
#include "test/support/package/GuardedCall.h"

#include <memory>

namespace decay::test {

/// RMS(kernel - oracle) / RMS(oracle) that a library design may have.
inline constexpr double largestRms = 3e-6;
/// A mean over fewer numbers says how far their sums cancel (the gradient of
/// one scalar per head, say), not how well they were computed: those are judged
/// by their bounds alone. So are calls of fewer tokens and heads, where a whole
/// tensor is a few such numbers times a few vectors (dq = k (v · do) of one
/// token).
inline constexpr int64_t fewestForRms = 16;
/// See Verdict::cancelled.
inline constexpr double cancelledRatio = 1.0 / 32;

/// How a call is made.
struct CallShape {
  Sizes sizes;
  bool stateIn = true;  ///< initial state and carries are given
  bool stateOut = true; ///< final ones are asked for, with their gradients
  MemoryLayout layout;
  int64_t workers = 1;

  std::string str() const;
};

/// What comparisons have found so far.
struct Verdict {
  std::vector<std::string> faults;
  double worstRatio = 0, worstRms = 0;
  std::string worstRatioAt, worstRmsAt;
  int64_t tensors = 0, elements = 0, unbounded = 0, refusals = 0;
  /// Tensors whose true values are sums of terms that cancel: every error is
  /// under cancelledRatio units of the terms' absolute sum, and the relative
  /// rms is above its limit all the same. One number that is the sum of
  /// thousands of random signs comes out that small now and then.
  int64_t cancelled = 0;

  bool passed() const { return faults.empty(); }
  void merge(const Verdict &other);
  std::string str() const;
};

/// A design as a package and as decay IR.
class CompiledDesign {
public:
  /// Compiles `design`, a library name or the path of a `.decay` file, into
  /// `folder`, the code of `variant` or of the one that fits. Null with the
  /// reason in `problem` where that fails.
  static std::unique_ptr<CompiledDesign>
  compile(const std::string &design, const dsl::SettingChoices &settings,
          const dsl::CheckedDesign &checked, const std::string &folder,
          std::string &problem, const std::string &variant = "");

  /// Random inputs of all operands; see drawInputs.
  NamedFields draw(const Sizes &sizes, Random &random,
                   double parameterNoise = 0.1) const;

  /// forward and backward with these inputs, element by element.
  Verdict judge(const CallShape &shape, const NamedFields &inputs) const;
  /// init_parameters.
  Verdict judgeInitialisers(const Sizes &sizes) const;
  /// T calls of `step` against the oracle's forward. Not for packed sizes.
  Verdict judgeSteps(const Sizes &sizes, const NamedFields &inputs) const;

  /// Off where random formulas may cancel: only the bound counts there.
  bool judgeRms = true;
  const runtime::KernelLibrary &package() const { return *library; }

private:
  CompiledDesign() = default;
  struct Expected {
    runtime::KernelRole role;
    const char *function;
  };
  void judgeEntry(const Expected &entry, const CallShape &shape,
                  const NamedFields &inputs, Verdict &verdict) const;
  void compare(const std::string &where, const Sizes &sizes,
               const NamedFields &oracle, const Tensors &got,
               Verdict &verdict) const;

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<runtime::KernelLibrary> library;
};

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_KERNELS_KERNELORACLE_H
