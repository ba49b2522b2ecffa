//===- StreamBench.h - Packages on a device with a stream ------*- C++ -*-===//
//
// How long launches take beside the time that moving their tensors once would
// take at the rate of the device's own copies, measured in the same run.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_BENCH_STREAMBENCH_H
#define DECAY_RUNTIME_BENCH_STREAMBENCH_H

#include "runtime/bench/KernelBench.h"
#include "runtime/device/StreamDevice.h"

namespace decay::runtime {

struct BenchShape {
  int64_t B = 0, T = 0, H = 0, K = 0, V = 0;
};

/// "16,2048,16,128" (B, T, H and both widths) or "16,2048,16,128,64"; a user
/// error for anything else.
Result<BenchShape> parseBenchShape(std::string_view text);

struct StreamBenchOptions {
  std::vector<std::string> packages; ///< paths of shared libraries
  /// T is 1 for steps. Empty: those whose results are kept.
  std::vector<BenchShape> shapes;
  std::vector<BenchDirection> directions = {
      BenchDirection::Forward, BenchDirection::Training, BenchDirection::Step};
  double secondsPerTiming = 0.2;
};

/// One package at one shape in one direction. Times are in milliseconds.
struct StreamTiming {
  std::string design, hash;
  Granularity granularity = Granularity::Vector;
  bool sharing = false;
  Position position = Position::None;
  BenchShape shape;
  BenchDirection direction = BenchDirection::Forward;
  /// Of calls that follow each other; of a call on an idle device, which waits
  /// for its launches too.
  Timing queued, alone;
  int64_t bytes = 0;              ///< each operand once
  double floor = 0;               ///< what copying as many takes
  double teraflops = 0;           ///< of useful work
  double load = 0, firstCall = 0; ///< of the package, on the host
  /// Why there are no times: the package has no kernel for this shape.
  std::string skipped;
};

struct StreamBenchReport {
  std::string card, driver, commit, date;
  double copyGigabytes = 0; ///< read and written, each second
  std::vector<StreamTiming> timings;
};

/// Bytes of all tensors that the direction's launches read or write, each once
/// a launch. A training step leaves states out, a step takes them.
int64_t movedBytes(const KernelLibrary &library, BenchDirection direction,
                   const DecayDims &dims);

/// World errors: a package that cannot be read, no memory, what the device's
/// driver says. User errors: sizes that are no sizes, a λ out of its range.
Result<StreamBenchReport> benchOnStream(const StreamBenchOptions &options,
                                        StreamDevice &device);

/// A table for people; a line of JSON for each timing.
std::string formatReport(const StreamBenchReport &report);
std::string toJsonLines(const StreamBenchReport &report);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_STREAMBENCH_H
