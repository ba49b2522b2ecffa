//===- KernelBench.cpp - How fast a package is ----------------------------===//

#include "runtime/bench/KernelBench.h"
#include "runtime/device/Devices.h"

#include <fmt/format.h>
#include <memory>
#include <random>
#include <span>

namespace decay::runtime {

static constexpr std::string_view directionNames[] = {"forward", "backward",
                                                      "training", "step"};

std::string_view toString(BenchDirection direction) {
  return directionNames[static_cast<size_t>(direction)];
}

Result<BenchDirection> parseBenchDirection(std::string_view word) {
  if (word == "forward_backward")
    return BenchDirection::Training;
  for (size_t i = 0; i < std::size(directionNames); ++i)
    if (directionNames[i] == word)
      return static_cast<BenchDirection>(i);
  return Status::user(fmt::format("unknown direction '{}', expected one of {}",
                                  word, fmt::join(directionNames, ", ")));
}

double usefulWork(BenchDirection direction, int64_t K, int64_t V) {
  // 24, 60 and 84 thousand operations at K = V = 64; a step is a forward.
  constexpr double atWidth64[] = {24e3, 60e3, 84e3, 24e3};
  auto chunkwise = [](double k, double v) { return 4 * k * v + 64 * (k + v); };
  return atWidth64[static_cast<size_t>(direction)] *
         chunkwise(static_cast<double>(K), static_cast<double>(V)) /
         chunkwise(64, 64);
}

namespace {
/// The operands that training needs, made once and called again and again.
class BenchCall {
public:
  BenchCall(const KernelLibrary &library, Device &device, const DecayDims &dims)
      : library(library), device(device), dims(dims), workspace(device) {}

  /// Memory for all operands of the roles: parameters as a model starts with
  /// them, other inputs random in [-1, 1).
  Status prepareAll(const std::vector<KernelRole> &roles);
  Status launch(KernelRole role);
  /// One launch of each role of the direction.
  Status run(BenchDirection direction);
  int64_t tensorBytes() const {
    int64_t bytes = 0;
    for (const Tensor &tensor : tensors)
      bytes += int64_t(sizeof(float)) * int64_t(tensor.values.size());
    return bytes;
  }

private:
  Status prepare(KernelRole role);
  struct Release {
    Device *device;
    void operator()(float *memory) const { device->release(memory); }
  };
  /// In the device's memory, as a model's are.
  struct Tensor {
    std::string name;
    std::unique_ptr<float, Release> memory;
    std::span<float> values;
  };
  Tensor *find(std::string_view name) {
    for (Tensor &tensor : tensors)
      if (tensor.name == name)
        return &tensor;
    return nullptr;
  }

  const KernelLibrary &library;
  Device &device;
  DecayDims dims;
  KernelWorkspace workspace;
  std::vector<Tensor> tensors;
};
} // namespace

bool isTrainingOperand(const KernelOperandInfo &info) {
  bool ofState =
      info.name.starts_with("d_initial_") || info.name.starts_with("d_final_");
  return !info.optional || (info.name.starts_with("d_") && !ofState);
}

Status BenchCall::prepare(KernelRole role) {
  DECAY_RETURN_IF_ERROR(KernelLibrary::checkDims(role, dims));
  std::mt19937 generator(42);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const KernelOperandInfo &info : library.operands(role)) {
    if (!isTrainingOperand(info) || find(info.name))
      continue;
    auto count = static_cast<size_t>(
        info.shape.elements(dims, library.manifest().stateWidth));
    std::unique_ptr<float, Release> memory(
        static_cast<float *>(device.allocate(sizeof(float) * count)),
        Release{&device});
    if (!memory)
      return Status::world(
          fmt::format("no memory for {} numbers of {}", count, info.name));
    std::span<float> values(memory.get(), count);
    Tensor tensor = {info.name, std::move(memory), values};
    for (float &value : tensor.values)
      value = info.written ? 0 : uniform(generator);
    tensors.push_back(std::move(tensor));
  }
  return {};
}

Status BenchCall::prepareAll(const std::vector<KernelRole> &roles) {
  if (library.has(KernelRole::InitParameters)) {
    DECAY_RETURN_IF_ERROR(prepare(KernelRole::InitParameters));
    DECAY_RETURN_IF_ERROR(launch(KernelRole::InitParameters));
  }
  for (KernelRole role : roles)
    DECAY_RETURN_IF_ERROR(prepare(role));
  return {};
}

Status BenchCall::launch(KernelRole role) {
  std::vector<KernelOperand> operands;
  for (const KernelOperandInfo &info : library.operands(role)) {
    if (!isTrainingOperand(info))
      continue;
    std::span<float> values = find(info.name)->values;
    operands.push_back(
        {info.name, values.data(), static_cast<int64_t>(values.size())});
  }
  return library.launch(role, operands, dims, workspace, device);
}

Status BenchCall::run(BenchDirection direction) {
  if (direction == BenchDirection::Step)
    return launch(KernelRole::Step);
  if (direction != BenchDirection::Backward)
    DECAY_RETURN_IF_ERROR(launch(KernelRole::Forward));
  if (direction != BenchDirection::Forward)
    return launch(KernelRole::Backward);
  return {};
}

std::vector<KernelRole> rolesOf(BenchDirection direction) {
  switch (direction) {
  case BenchDirection::Forward:
    return {KernelRole::Forward};
  case BenchDirection::Backward:
    return {KernelRole::Backward};
  case BenchDirection::Training:
    return {KernelRole::Forward, KernelRole::Backward};
  case BenchDirection::Step:
    return {KernelRole::Step};
  }
  return {};
}

static DecayDims dimsOf(const KernelBenchOptions &options,
                        BenchDirection direction, int64_t length) {
  DecayDims dims = {};
  dims.B = options.B;
  dims.T = direction == BenchDirection::Step ? 1 : length;
  dims.H = options.H, dims.K = options.K, dims.V = options.V;
  dims.layers = 1;
  dims.seed = 1;
  return dims;
}

static Result<KernelTiming> timeDirection(const KernelLibrary &library,
                                          Device &device,
                                          const KernelBenchOptions &options,
                                          BenchDirection direction,
                                          int64_t length) {
  DecayDims dims = dimsOf(options, direction, length);
  BenchCall call(library, device, dims);
  KernelTiming result;
  for (KernelRole role : rolesOf(direction)) {
    DECAY_ASSIGN_OR_RETURN(
        int64_t bytes, library.workspaceBytes(role, dims, device.workers()));
    result.workspaceBytes = std::max(result.workspaceBytes, bytes);
  }
  DECAY_RETURN_IF_ERROR(call.prepareAll(rolesOf(direction)));
  Status failure;
  result.seconds = timeCalls(
      [&] {
        if (Status status = call.run(direction); !status.ok())
          failure = std::move(status);
      },
      5, options.secondsPerTiming);
  DECAY_RETURN_IF_ERROR(std::move(failure));
  double tokenHeads = static_cast<double>(dims.B * dims.T * dims.H);
  result.direction = direction;
  result.threads = device.workers();
  result.T = dims.T;
  result.nsPerTokenHead = 1e9 * result.seconds.median / tokenHeads;
  result.gigaflops =
      usefulWork(direction, dims.K, dims.V) / result.nsPerTokenHead;
  result.tensorBytes = call.tensorBytes();
  return result;
}

/// Of the kernels that the environment chooses, and of the fastest.
static std::pair<double, double> ratesAt(const std::vector<SgemmRate> &rates,
                                         int64_t threads) {
  double chosen = 0, fastest = 0;
  for (const SgemmRate &rate : rates)
    if (rate.threads == threads) {
      chosen = chosen > 0 ? chosen : rate.gigaflops;
      fastest = std::max(fastest, rate.gigaflops);
    }
  return {chosen, fastest};
}

/// From opening the file to the first result: what a user waits for.
static Status timeStart(const KernelBenchOptions &options, Device &device,
                        KernelBenchReport &report) {
  Status status;
  report.loadSeconds = secondsOf(
      [&] { status = KernelLibrary::load(options.package).status(); });
  DECAY_RETURN_IF_ERROR(std::move(status));
  DECAY_ASSIGN_OR_RETURN(KernelLibrary library,
                         KernelLibrary::load(options.package));
  BenchCall call(library, device, dimsOf(options, BenchDirection::Forward, 1));
  DECAY_RETURN_IF_ERROR(call.prepareAll({KernelRole::Forward}));
  report.firstCallSeconds =
      secondsOf([&] { status = call.run(BenchDirection::Forward); });
  return status;
}

Result<KernelBenchReport> benchKernels(const KernelBenchOptions &options) {
  KernelBenchReport report;
  report.options = options;
  for (int64_t threads : options.threads) {
    if (options.program.empty())
      break;
    DECAY_ASSIGN_OR_RETURN(std::vector<SgemmRate> rates,
                           measureSgemmInChildren(options.program, threads));
    report.sgemm.insert(report.sgemm.end(), rates.begin(), rates.end());
  }
  for (int64_t threads : options.threads) {
    DECAY_ASSIGN_OR_RETURN(std::unique_ptr<Device> device,
                           createDevice(options.device, {threads}));
    if (report.design.empty())
      DECAY_RETURN_IF_ERROR(timeStart(options, *device, report));
    DECAY_ASSIGN_OR_RETURN(KernelLibrary library,
                           KernelLibrary::load(options.package));
    report.design = library.manifest().design;
    report.variant = library.variant();
    report.deviceName = device->describe();
    auto [chosen, fastest] = ratesAt(report.sgemm, threads);
    for (BenchDirection direction : options.directions) {
      DECAY_ASSIGN_OR_RETURN(
          KernelTiming timing,
          timeDirection(library, *device, options, direction, options.T));
      timing.ratio = chosen / timing.gigaflops;
      timing.ratioToFastest = fastest / timing.gigaflops;
      report.timings.push_back(timing);
    }
    if (threads != options.threads.back())
      continue;
    for (int64_t length : options.lengths) {
      DECAY_ASSIGN_OR_RETURN(KernelTiming timing,
                             timeDirection(library, *device, options,
                                           BenchDirection::Forward, length));
      report.lengths.push_back(timing);
    }
  }
  return report;
}

//===----------------------------------------------------------------------===//
// Reports
//===----------------------------------------------------------------------===//

static double milli(double seconds) { return 1e3 * seconds; }
static double mebi(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

std::string formatReport(const KernelBenchReport &report) {
  const KernelBenchOptions &o = report.options;
  std::string text = fmt::format(
      "{} ({}), B {}, T {}, H {}, K {}, V {}, fp32, on {}\n"
      "opened in {:.1f} ms, first result {:.1f} ms later\n\n",
      report.design, report.variant, o.B, o.T, o.H, o.K, o.V, report.deviceName,
      milli(report.loadSeconds), milli(report.firstCallSeconds));
  for (const SgemmRate &rate : report.sgemm)
    text +=
        fmt::format("sgemm {}, {} thread{}: {:.1f} GFLOP/s ({:.1f} to "
                    "{:.1f}), OpenBLAS kernels {}\n",
                    rate.size, rate.threads, rate.threads == 1 ? "" : "s",
                    rate.gigaflops, rate.lowest, rate.highest, rate.kernels);
  text += fmt::format("\n{:<10}{:>8}{:>11}{:>20}{:>17}{:>10}{:>10}{:>12}\n",
                      "direction", "threads", "ms", "quartiles",
                      "ns/token/head", "GFLOP/s", "x sgemm", "x fastest");
  auto times = [](double ratio) {
    return ratio > 0 ? fmt::format("{:.2f}", ratio) : "-";
  };
  for (const KernelTiming &t : report.timings)
    text += fmt::format(
        "{:<10}{:>8}{:>11.3f}{:>20}{:>17.1f}{:>10.1f}{:>10}{:>12}\n",
        toString(t.direction), t.threads, milli(t.seconds.median),
        fmt::format("{:.3f} - {:.3f}", milli(t.seconds.lower),
                    milli(t.seconds.upper)),
        t.nsPerTokenHead, t.gigaflops, times(t.ratio), times(t.ratioToFastest));
  if (report.lengths.empty())
    return text;
  text += fmt::format("\n{:<10}{:>8}{:>11}{:>17}{:>16}{:>14}\n", "forward T",
                      "threads", "ms", "ns/token/head", "workspace MiB",
                      "tensors MiB");
  for (const KernelTiming &t : report.lengths)
    text +=
        fmt::format("{:<10}{:>8}{:>11.3f}{:>17.1f}{:>16.2f}{:>14.1f}\n", t.T,
                    t.threads, milli(t.seconds.median), t.nsPerTokenHead,
                    mebi(t.workspaceBytes), mebi(t.tensorBytes));
  return text;
}

static Json toJson(const KernelTiming &t) {
  auto orNull = [](double ratio) {
    return ratio > 0 ? Json(ratio) : Json(nullptr);
  };
  return {{"direction", toString(t.direction)},
          {"threads", t.threads},
          {"T", t.T},
          {"calls", t.seconds.calls},
          {"ms", milli(t.seconds.median)},
          {"ms_lower", milli(t.seconds.lower)},
          {"ms_upper", milli(t.seconds.upper)},
          {"ns_per_token_head", t.nsPerTokenHead},
          {"gflops", t.gigaflops},
          {"ratio_to_sgemm", orNull(t.ratio)},
          {"ratio_to_fastest_sgemm", orNull(t.ratioToFastest)},
          {"workspace_bytes", t.workspaceBytes},
          {"tensor_bytes", t.tensorBytes}};
}

Json toJson(const KernelBenchReport &report) {
  const KernelBenchOptions &o = report.options;
  Json json = {
      {"design", report.design},
      {"variant", report.variant},
      {"device", report.deviceName},
      {"shape", {{"B", o.B}, {"T", o.T}, {"H", o.H}, {"K", o.K}, {"V", o.V}}},
      {"load_ms", milli(report.loadSeconds)},
      {"first_call_ms", milli(report.firstCallSeconds)},
      {"sgemm", Json::array()},
      {"timings", Json::array()},
      {"lengths", Json::array()}};
  for (const SgemmRate &rate : report.sgemm)
    json["sgemm"].push_back(toJson(rate));
  for (const KernelTiming &timing : report.timings)
    json["timings"].push_back(toJson(timing));
  for (const KernelTiming &timing : report.lengths)
    json["lengths"].push_back(toJson(timing));
  return json;
}

} // namespace decay::runtime
