//===- BenchCommand.h - The command line of `bench` ------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_BENCHCOMMAND_H
#define DECAY_RUNTIME_BENCH_BENCHCOMMAND_H

#include "runtime/bench/StreamBench.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace decay::runtime {

/// `bench kernels` and `bench sgemm`. Attached to the program's command line
/// before it is parsed, run after. Packages of a target that has a device with
/// a stream are timed by StreamBench, others by KernelBench.
class BenchCommand {
public:
  using Settings = std::vector<std::pair<std::string, std::string>>;
  /// Makes a design's package for a target (empty: the default) and returns its
  /// path.
  using Compile = std::function<Result<std::string>(
      const std::string &design, const Settings &, const std::string &target)>;

  /// Adds the two to `bench`, which the caller has made.
  void attach(CLI::App &bench);

  /// Runs the one that was chosen and returns its report, ready to print.
  /// `compile` is called for `--design`; not for `--package` and `--packages`.
  Result<std::string> run(const Compile &compile) const;

private:
  void addKernelOptions();
  bool isGiven(const char *option) const;
  Result<std::string> runKernels(const Compile &compile) const;
  Result<std::string> runOnHost(const Compile &compile) const;
  Result<std::string> runOnStream(const std::string &target,
                                  const Compile &compile) const;
  Result<std::string> runSgemm() const;
  /// The files of --package and --packages; empty without them.
  Result<std::vector<std::string>> readyPackages() const;
  Result<Settings> chosenSettings() const;
  Result<std::vector<BenchDirection>>
  chosenDirections(std::vector<BenchDirection> otherwise) const;
  Result<std::vector<BenchShape>> chosenShapes() const;

  CLI::App *kernels = nullptr, *sgemm = nullptr;
  std::vector<std::string> designs = {"simple_decay"}, settings, shapes,
                           directions;
  std::string package, folder, target, device;
  std::vector<int64_t> threads = {1, 2}, lengths;
  double seconds = 1;
  bool json = false, withoutSgemm = false;
  int64_t sgemmThreads = 1, sgemmSize = 1024;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_BENCHCOMMAND_H
