//===- KernelBench.h - How fast a package is -------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_KERNELBENCH_H
#define DECAY_RUNTIME_BENCH_KERNELBENCH_H

#include "runtime/bench/Sgemm.h"
#include "runtime/bench/Statistics.h"
#include "runtime/kernels/KernelLibrary.h"

namespace decay::runtime {

/// What is timed: `training` is a forward and a backward, one after the other.
enum class BenchDirection : uint8_t { Forward, Backward, Training, Step };

/// "forward", "backward", "training", "step"; a user error for another word.
/// "forward_backward" is training too.
std::string_view toString(BenchDirection direction);
Result<BenchDirection> parseBenchDirection(std::string_view word);

/// The launches of a direction, in order.
std::vector<KernelRole> rolesOf(BenchDirection direction);

/// What a training step hands over: no state before the first token, none
/// kept after the last one, gradients of all that is learned.
bool isTrainingOperand(const KernelOperandInfo &info);

struct KernelBenchOptions {
  std::string package; ///< path of the shared library
  std::string device;  ///< empty: the default
  int64_t B = 1, T = 2048, H = 12, K = 64, V = 64;
  std::vector<int64_t> threads = {1, 2};
  std::vector<BenchDirection> directions = {BenchDirection::Forward,
                                            BenchDirection::Training};
  /// More values of T at which the forward is timed on the largest number of
  /// threads; empty: none.
  std::vector<int64_t> lengths;
  /// This program, for the sgemm rate in children; empty: no rate, no ratios.
  std::string program;
  double secondsPerTiming = 1;
};

struct KernelTiming {
  BenchDirection direction = BenchDirection::Forward;
  int64_t threads = 1, T = 0;
  Timing seconds;
  double nsPerTokenHead = 0;
  double gigaflops = 0; ///< of useful work
  /// Time, in times of what that work takes at the sgemm rate of the kernels
  /// that this environment chooses, and of the fastest ones. 0: unknown.
  double ratio = 0, ratioToFastest = 0;
  int64_t workspaceBytes = 0; ///< scratch memory of the call
  int64_t tensorBytes = 0;    ///< all its operands
};

struct KernelBenchReport {
  std::string design, variant, deviceName;
  KernelBenchOptions options;
  double loadSeconds = 0, firstCallSeconds = 0;
  std::vector<SgemmRate> sgemm;
  std::vector<KernelTiming> timings, lengths;
};

/// Useful work per token and head, in FLOP.
double usefulWork(BenchDirection direction, int64_t K, int64_t V);

/// Sizes are the user's: errors as of KernelLibrary::launch.
Result<KernelBenchReport> benchKernels(const KernelBenchOptions &options);

/// A table for people, and all of it for programs.
std::string formatReport(const KernelBenchReport &report);
Json toJson(const KernelBenchReport &report);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_KERNELBENCH_H
