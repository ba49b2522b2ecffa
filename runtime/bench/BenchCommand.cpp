//===- BenchCommand.cpp - The command line of `bench` ---------------------===//

#include "runtime/bench/BenchCommand.h"
#include "runtime/bench/KernelBench.h"
#include "runtime/device/Devices.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace decay::runtime {

void BenchCommand::addKernelOptions() {
  auto *designOption = kernels->add_option(
      "--design", designs,
      "Library designs or .decay files to compile and time");
  designOption->delimiter(',')->capture_default_str();
  auto *packageOption =
      kernels
          ->add_option("--package", package, "Compiled package to time instead")
          ->excludes(designOption);
  kernels
      ->add_option(
          "--packages", folder,
          "Folder of compiled packages to time, all in it or those of --design")
      ->excludes(packageOption);
  kernels->add_option("--target", target,
                      "What to compile for; empty: this processor");
  kernels->add_option("--set", settings,
                      "Setting of the design, name=value; may be repeated");
  kernels->add_option("--shape", shapes,
                      "Sizes B,T,H,D or B,T,H,K,V; on a GPU any number of them "
                      "(default: 1,2048,12,64, on a GPU those of the results "
                      "that are kept)");
  kernels
      ->add_option("--direction", directions,
                   "Any of forward, backward, forward_backward or training "
                   "(both), step")
      ->delimiter(',');
  kernels->add_option("--seconds", seconds, "Time spent on each figure")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  kernels->add_flag("--json", json,
                    "Report as JSON; on a GPU a line for each figure");
}

void BenchCommand::attach(CLI::App &bench) {
  bench.require_subcommand(1);
  kernels = bench.add_subcommand(
      "kernels",
      "Times a design's kernels: beside OpenBLAS's sgemm, or on a GPU beside "
      "the time that moving their tensors once takes.\n"
      "Examples: decay bench kernels --design hgrn2 --threads 1,2 "
      "--lengths 1024,65536\n"
      "          decay bench kernels --packages FOLDER --shape 16,2048,16,128 "
      "--json");
  addKernelOptions();
  kernels->add_option("--threads", threads, "Numbers of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  kernels
      ->add_option("--lengths", lengths,
                   "More values of T for the forward: how time and memory "
                   "grow, on the last number of threads")
      ->delimiter(',');
  kernels->add_option("--device", device, "Device; empty: the default");
  kernels->add_flag("--no-sgemm", withoutSgemm,
                    "Leave out the sgemm rate and the ratios to it");
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

bool BenchCommand::isGiven(const char *option) const {
  return kernels->count(option) > 0;
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

Result<BenchCommand::Settings> BenchCommand::chosenSettings() const {
  Settings chosen;
  for (const std::string &setting : settings) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return Status::user(
          fmt::format("--set {}: expected name=value, such as p=0.9", setting));
    chosen.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (!chosen.empty() && (isGiven("--package") || isGiven("--packages")))
    return Status::user("--set chooses how a design is compiled, but --package "
                        "is compiled already: give --design");
  return chosen;
}

Result<std::vector<BenchDirection>>
BenchCommand::chosenDirections(std::vector<BenchDirection> otherwise) const {
  if (!isGiven("--direction"))
    return otherwise;
  std::vector<BenchDirection> chosen;
  for (const std::string &word : directions) {
    DECAY_ASSIGN_OR_RETURN(BenchDirection direction, parseBenchDirection(word));
    chosen.push_back(direction);
  }
  return chosen;
}

Result<std::vector<BenchShape>> BenchCommand::chosenShapes() const {
  std::vector<BenchShape> chosen;
  for (const std::string &text : shapes) {
    DECAY_ASSIGN_OR_RETURN(BenchShape shape, parseBenchShape(text));
    chosen.push_back(shape);
  }
  return chosen;
}

Result<std::vector<std::string>> BenchCommand::readyPackages() const {
  namespace fs = std::filesystem;
  if (folder.empty())
    return package.empty() ? std::vector<std::string>{}
                           : std::vector<std::string>{package};
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end;
       !error && at != end; at.increment(error))
    if (at->path().extension() == ".so" &&
        (!isGiven("--design") || std::find(designs.begin(), designs.end(),
                                           at->path().stem()) != designs.end()))
      files.push_back(at->path());
  if (error)
    return Status::world(
        fmt::format("cannot read the folder {}: {}", folder, error.message()));
  if (files.empty())
    return Status::user(fmt::format(
        "{} has no such package: --packages expects a folder with what decayc "
        "-o made, and --design the names of packages in it",
        folder));
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::string> BenchCommand::runKernels(const Compile &compile) const {
  DECAY_ASSIGN_OR_RETURN(std::vector<std::string> ready, readyPackages());
  std::string wanted = target;
  if (!ready.empty() && target.empty()) {
    DECAY_ASSIGN_OR_RETURN(KernelLibrary library,
                           KernelLibrary::load(ready.front()));
    wanted = library.target();
  }
  std::vector<std::string> onStreams = streamDeviceTargets();
  bool onStream =
      std::find(onStreams.begin(), onStreams.end(), wanted) != onStreams.end();
  return onStream ? runOnStream(wanted, compile) : runOnHost(compile);
}

Result<std::string> BenchCommand::runOnStream(const std::string &wanted,
                                              const Compile &compile) const {
  for (const char *option :
       {"--threads", "--lengths", "--device", "--no-sgemm"})
    if (isGiven(option))
      return Status::user(fmt::format(
          "{} says how the processor is timed, but these packages are for '{}'",
          option, wanted));
  StreamBenchOptions options;
  DECAY_ASSIGN_OR_RETURN(Settings chosen, chosenSettings());
  DECAY_ASSIGN_OR_RETURN(options.shapes, chosenShapes());
  DECAY_ASSIGN_OR_RETURN(options.packages, readyPackages());
  DECAY_ASSIGN_OR_RETURN(options.directions,
                         chosenDirections(options.directions));
  if (isGiven("--seconds"))
    options.secondsPerTiming = seconds;
  // Before anything is compiled: what is missing is said at once.
  DECAY_ASSIGN_OR_RETURN(std::unique_ptr<StreamDevice> timed,
                         createStreamDevice(wanted));
  if (options.packages.empty())
    for (const std::string &design : designs) {
      DECAY_ASSIGN_OR_RETURN(std::string path, compile(design, chosen, wanted));
      options.packages.push_back(std::move(path));
    }
  DECAY_ASSIGN_OR_RETURN(StreamBenchReport report,
                         benchOnStream(options, *timed));
  return json ? toJsonLines(report) : formatReport(report);
}

Result<std::string> BenchCommand::runOnHost(const Compile &compile) const {
  KernelBenchOptions options;
  DECAY_ASSIGN_OR_RETURN(Settings chosen, chosenSettings());
  DECAY_ASSIGN_OR_RETURN(std::vector<std::string> ready, readyPackages());
  DECAY_ASSIGN_OR_RETURN(std::vector<BenchShape> sizes, chosenShapes());
  if (sizes.size() > 1 || ready.size() > 1 || designs.size() > 1)
    return Status::user("the processor is timed with one design at one shape: "
                        "give one --design and one --shape");
  for (const BenchShape &shape : sizes) {
    options.B = shape.B, options.T = shape.T, options.H = shape.H;
    options.K = shape.K, options.V = shape.V;
  }
  DECAY_ASSIGN_OR_RETURN(options.directions,
                         chosenDirections(options.directions));
  options.device = device;
  options.threads = threads;
  options.lengths = lengths;
  options.secondsPerTiming = seconds;
  if (!withoutSgemm)
    options.program = thisProgram();
  if (!ready.empty()) {
    options.package = ready.front();
  } else {
    DECAY_ASSIGN_OR_RETURN(options.package,
                           compile(designs.front(), chosen, target));
  }
  DECAY_ASSIGN_OR_RETURN(KernelBenchReport report, benchKernels(options));
  return json ? writeJson(toJson(report)) : formatReport(report);
}

} // namespace decay::runtime
