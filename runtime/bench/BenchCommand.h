//===- BenchCommand.h - The command line of `bench` ------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_BENCHCOMMAND_H
#define DECAY_RUNTIME_BENCH_BENCHCOMMAND_H

#include "runtime/core/Status.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace decay::runtime {

/// `bench kernels` and `bench sgemm`. Attached to the program's command line
/// before it is parsed, run after.
class BenchCommand {
public:
  using Settings = std::vector<std::pair<std::string, std::string>>;
  /// Makes a design's package and returns its path.
  using Compile = std::function<Result<std::string>(const std::string &design,
                                                    const Settings &)>;

  /// Adds the two to `bench`, which the caller has made.
  void attach(CLI::App &bench);

  /// Runs the one that was chosen and returns its report, ready to print.
  /// `compile` is called for `--design`; not for `--package`.
  Result<std::string> run(const Compile &compile) const;

private:
  Result<std::string> runKernels(const Compile &compile) const;
  Result<std::string> runSgemm() const;

  CLI::App *kernels = nullptr, *sgemm = nullptr;
  std::string design = "simple_decay", package, device;
  std::vector<std::string> settings;
  std::vector<int64_t> shape = {1, 2048, 12, 64, 64}, threads = {1, 2}, lengths;
  std::vector<std::string> directions = {"forward", "training"};
  double seconds = 1;
  bool json = false, withoutSgemm = false;
  int64_t sgemmThreads = 1, sgemmSize = 1024;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_BENCHCOMMAND_H
