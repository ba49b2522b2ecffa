//===- BenchCommand.cpp - The command line of `bench` ---------------------===//

#include "runtime/bench/BenchCommand.h"
#include "runtime/bench/KernelBench.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace decay::runtime {

void BenchCommand::attach(CLI::App &bench) {
  bench.require_subcommand(1);
  kernels = bench.add_subcommand(
      "kernels", "Times a design's kernels beside OpenBLAS's sgemm.\n"
                 "Example: decay bench kernels --design hgrn2 --threads 1,2 "
                 "--lengths 1024,65536");
  auto *designOption = kernels->add_option(
      "--design", design, "Library design or .decay file to compile and time");
  designOption->capture_default_str();
  kernels->add_option("--package", package, "Compiled package to time instead")
      ->excludes(designOption);
  kernels->add_option("--set", settings,
                      "Setting of the design, name=value; may be repeated");
  kernels->add_option("--shape", shape, "Sizes B,T,H,K,V")
      ->delimiter(',')
      ->expected(5)
      ->capture_default_str();
  kernels->add_option("--threads", threads, "Numbers of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  kernels
      ->add_option("--direction", directions,
                   "Any of forward, backward, training (both), step")
      ->delimiter(',')
      ->capture_default_str();
  kernels
      ->add_option("--lengths", lengths,
                   "More values of T for the forward: how time and memory "
                   "grow, on the last number of threads")
      ->delimiter(',');
  kernels->add_option("--seconds", seconds, "Time spent on each figure")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  kernels->add_option("--device", device, "Device; empty: the default");
  kernels->add_flag("--no-sgemm", withoutSgemm,
                    "Leave out the sgemm rate and the ratios to it");
  kernels->add_flag("--json", json, "Report as JSON");
  sgemm = bench.add_subcommand(
      "sgemm", "Measures OpenBLAS's rate of fp32 matrix products. Its kernels "
               "are chosen by the variable OPENBLAS_CORETYPE.");
  sgemm->add_option("--threads", sgemmThreads, "Number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  sgemm->add_option("--size", sgemmSize, "Rows of the square matrices")
      ->check(CLI::Range(16, 16384))
      ->capture_default_str();
  sgemm->add_flag("--json", json, "Report as JSON");
}

Result<std::string> BenchCommand::run(const Compile &compile) const {
  return sgemm->parsed() ? runSgemm() : runKernels(compile);
}

Result<std::string> BenchCommand::runSgemm() const {
  DECAY_ASSIGN_OR_RETURN(SgemmRate rate, measureSgemm(sgemmThreads, sgemmSize));
  return json ? writeJson(toJson(rate))
              : fmt::format("{:.1f} GFLOP/s ({:.1f} to {:.1f}), {} x {}, {} "
                            "threads, OpenBLAS kernels {}\n",
                            rate.gigaflops, rate.lowest, rate.highest,
                            rate.size, rate.size, rate.threads, rate.kernels);
}

Result<std::string> BenchCommand::runKernels(const Compile &compile) const {
  KernelBenchOptions options;
  options.package = package;
  options.device = device;
  options.B = shape[0], options.T = shape[1], options.H = shape[2];
  options.K = shape[3], options.V = shape[4];
  options.threads = threads;
  options.lengths = lengths;
  options.secondsPerTiming = seconds;
  options.directions.clear();
  for (const std::string &word : directions) {
    DECAY_ASSIGN_OR_RETURN(BenchDirection direction, parseBenchDirection(word));
    options.directions.push_back(direction);
  }
  if (!withoutSgemm)
    options.program = thisProgram();
  Settings chosen;
  for (const std::string &setting : settings) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return Status::user(
          fmt::format("--set {}: expected name=value, such as p=0.9", setting));
    chosen.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (package.empty()) {
    DECAY_ASSIGN_OR_RETURN(options.package, compile(design, chosen));
  } else if (!chosen.empty()) {
    return Status::user("--set chooses how a design is compiled, but --package "
                        "is compiled already: give --design");
  }
  DECAY_ASSIGN_OR_RETURN(KernelBenchReport report, benchKernels(options));
  return json ? writeJson(toJson(report)) : formatReport(report);
}

} // namespace decay::runtime
