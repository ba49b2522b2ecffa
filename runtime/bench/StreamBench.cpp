//===- StreamBench.cpp - Packages on a device with a stream ---------------===//

#include "runtime/bench/StreamBench.h"
#include "runtime/bench/Commit.h"
#include "runtime/bench/StreamCall.h"

#include <charconv>
#include <fmt/format.h>

namespace decay::runtime {
namespace {

/// What results are kept of.
constexpr BenchShape sequences[] = {
    {16, 2048, 16, 128, 128}, {32, 2048, 12, 64, 64},   {16, 2048, 16, 64, 64},
    {8, 2048, 32, 64, 64},    {1, 65536, 16, 128, 128}, {1, 2048, 8, 64, 64}};
constexpr BenchShape tokens[] = {{64, 1, 16, 128, 128}};

constexpr int64_t largestCopy = int64_t{2} << 30, smallestCopy = 1 << 19;
constexpr int64_t leastCalls = 20, mostCalls = 500, warmUp = 3;

DecayDims dimsOf(const BenchShape &shape, BenchDirection direction) {
  DecayDims dims = {};
  dims.B = shape.B;
  dims.T = direction == BenchDirection::Step ? 1 : shape.T;
  dims.H = shape.H, dims.K = shape.K, dims.V = shape.V;
  dims.layer = 1, dims.layers = 4;
  dims.seed = 1;
  return dims;
}

std::vector<BenchShape> shapesOf(const StreamBenchOptions &options,
                                 BenchDirection direction) {
  std::vector<BenchShape> shapes = options.shapes;
  if (shapes.empty() && direction == BenchDirection::Step)
    shapes.assign(std::begin(tokens), std::end(tokens));
  else if (shapes.empty())
    shapes.assign(std::begin(sequences), std::end(sequences));
  if (direction == BenchDirection::Step)
    for (BenchShape &shape : shapes)
      shape.T = 1;
  return shapes;
}

using Work = std::function<Status(int64_t)>;

/// Calls one after the other; the first ones wait for the host.
Result<Timing> timeQueued(StreamDevice &device, const Work &work,
                          double seconds) {
  DECAY_RETURN_IF_ERROR(device.timeEach(warmUp, work).status());
  DECAY_ASSIGN_OR_RETURN(std::vector<float> trial,
                         device.timeEach(warmUp, work));
  double fit = 1e3 * seconds / std::max(1e-3f, trial.back());
  auto calls = static_cast<int64_t>(std::clamp(
      fit, static_cast<double>(leastCalls), static_cast<double>(mostCalls)));
  DECAY_ASSIGN_OR_RETURN(std::vector<float> times,
                         device.timeEach(warmUp + calls, work));
  return summarize({times.begin() + warmUp, times.end()});
}

Result<Timing> timeAlone(StreamDevice &device, const Work &work) {
  std::vector<double> times;
  for (int64_t call = 0; call < leastCalls; ++call) {
    DECAY_RETURN_IF_ERROR(device.synchronise());
    DECAY_ASSIGN_OR_RETURN(
        std::vector<float> time,
        device.timeEach(1, [&](int64_t) { return work(call); }));
    times.push_back(time.front());
  }
  return summarize(std::move(times));
}

/// GB/s, read and written, of the largest copy that there is memory for.
Result<double> copyRate(StreamDevice &device) {
  for (int64_t bytes = largestCopy;; bytes /= 2) {
    auto from = DeviceMemory::allocate(device, bytes);
    auto to = DeviceMemory::allocate(device, bytes);
    if (!(from.ok() && to.ok())) {
      if (bytes <= smallestCopy)
        return std::move(from.ok() ? to : from).status();
      continue;
    }
    DECAY_ASSIGN_OR_RETURN(Timing timing,
                           timeQueued(
                               device,
                               [&](int64_t) {
                                 return device.copy(to->data(), from->data(),
                                                    static_cast<size_t>(bytes));
                               },
                               /*seconds=*/0));
    return 2e-6 * static_cast<double>(bytes) / timing.median;
  }
}

/// From opening a package to its first result, in milliseconds of the host.
Status timeStart(const std::string &path, StreamDevice &device,
                 const RandomTensors &random, StreamTiming &common) {
  Status status;
  common.load =
      1e3 * secondsOf([&] { status = KernelLibrary::load(path).status(); });
  DECAY_RETURN_IF_ERROR(std::move(status));
  DECAY_ASSIGN_OR_RETURN(KernelLibrary library, KernelLibrary::load(path));
  const Manifest &manifest = library.manifest();
  common.design = manifest.design;
  common.hash = manifest.hash;
  common.granularity = manifest.granularity;
  common.sharing = manifest.sharing;
  common.position = manifest.position;
  StreamCall call(library, device,
                  dimsOf({1, 1, 1, 64, 64}, BenchDirection::Forward),
                  BenchDirection::Forward);
  Status failure;
  // What starts the package is its first launch, which sets parameters.
  common.firstCall = 1e3 * secondsOf([&] {
                       failure = call.prepare(random);
                       if (failure.ok())
                         failure = call.run(0);
                       if (failure.ok())
                         failure = device.synchronise();
                     });
  return failure;
}

Status timeDirection(const KernelLibrary &library, StreamDevice &device,
                     const RandomTensors &random, double seconds,
                     StreamTiming &timing) {
  DecayDims dims = dimsOf(timing.shape, timing.direction);
  for (KernelRole role : rolesOf(timing.direction))
    DECAY_RETURN_IF_ERROR(KernelLibrary::checkDims(role, dims));
  StreamCall call(library, device, dims, timing.direction);
  Status first = call.prepare(random);
  if (first.ok())
    first = call.run(0);
  if (first.code() == StatusCode::User) {
    timing.skipped = first.message();
    return {};
  }
  DECAY_RETURN_IF_ERROR(std::move(first));
  Work work = [&](int64_t index) { return call.run(index); };
  DECAY_ASSIGN_OR_RETURN(timing.queued, timeQueued(device, work, seconds));
  DECAY_ASSIGN_OR_RETURN(timing.alone, timeAlone(device, work));
  DECAY_RETURN_IF_ERROR(call.readFaults());
  timing.bytes = movedBytes(library, timing.direction, dims);
  double operations = usefulWork(timing.direction, dims.K, dims.V) *
                      static_cast<double>(dims.B * dims.T * dims.H);
  timing.teraflops = 1e-9 * operations / timing.queued.median;
  return {};
}

Status benchPackage(const std::string &path, const StreamBenchOptions &options,
                    StreamDevice &device, const RandomTensors &random,
                    StreamBenchReport &report) {
  StreamTiming common;
  DECAY_RETURN_IF_ERROR(timeStart(path, device, random, common));
  DECAY_ASSIGN_OR_RETURN(KernelLibrary library, KernelLibrary::load(path));
  for (BenchDirection direction : options.directions)
    for (const BenchShape &shape : shapesOf(options, direction)) {
      StreamTiming timing = common;
      timing.shape = shape;
      timing.direction = direction;
      DECAY_RETURN_IF_ERROR(timeDirection(library, device, random,
                                          options.secondsPerTiming, timing));
      timing.floor =
          1e-6 * static_cast<double>(timing.bytes) / report.copyGigabytes;
      report.timings.push_back(std::move(timing));
    }
  return {};
}

/// What rows call a direction.
std::string_view rowName(BenchDirection direction) {
  return direction == BenchDirection::Training ? "forward_backward"
                                               : toString(direction);
}

double overFloor(const StreamTiming &timing) {
  return timing.queued.median / timing.floor;
}

Json toJson(const StreamTiming &timing, const StreamBenchReport &report) {
  const BenchShape &s = timing.shape;
  // Digits beyond the fourth are noise.
  auto rounded = [](double value) { return std::round(1e4 * value) / 1e4; };
  Json row = {{"design", timing.design},
              {"granularity", toString(timing.granularity)},
              {"sharing", timing.sharing},
              {"position", toString(timing.position)},
              {"shape", {s.B, s.T, s.H, s.K, s.V}},
              {"direction", rowName(timing.direction)},
              {"copy_gb_s", std::round(report.copyGigabytes)},
              {"card", report.card},
              {"driver", report.driver},
              {"commit", report.commit},
              {"date", report.date},
              {"package", timing.hash.substr(0, 12)}};
  if (!timing.skipped.empty()) {
    row["skipped"] = timing.skipped;
    return row;
  }
  row["ms"] = rounded(timing.queued.median);
  row["ms_lower"] = rounded(timing.queued.lower);
  row["ms_upper"] = rounded(timing.queued.upper);
  row["alone_ms"] = rounded(timing.alone.median);
  row["floor_ms"] = rounded(timing.floor);
  row["over_floor"] = std::round(1e2 * overFloor(timing)) / 1e2;
  row["bytes"] = timing.bytes;
  row["tflop_s"] = std::round(1e1 * timing.teraflops) / 1e1;
  row["load_ms"] = rounded(timing.load);
  row["first_call_ms"] = rounded(timing.firstCall);
  return row;
}

} // namespace

Result<BenchShape> parseBenchShape(std::string_view text) {
  std::vector<int64_t> sizes;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    int64_t size = 0;
    auto [stop, error] = std::from_chars(at, end, size);
    if (error != std::errc{} || (stop != end && *stop != ','))
      break;
    sizes.push_back(size);
    if (stop == end && sizes.size() == 4)
      sizes.push_back(size);
    if (stop == end && sizes.size() == 5)
      return BenchShape{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    if (stop == end)
      break;
    at = stop + 1;
  }
  return Status::user(fmt::format("--shape {}: expected B,T,H,D or B,T,H,K,V, "
                                  "such as 16,2048,16,128",
                                  text));
}

int64_t movedBytes(const KernelLibrary &library, BenchDirection direction,
                   const DecayDims &dims) {
  int64_t bytes = 0;
  for (KernelRole role : rolesOf(direction))
    for (const KernelOperandInfo &info : library.operands(role))
      bytes += StreamCall::bytesOf(library, role, info, dims);
  return bytes;
}

Result<StreamBenchReport> benchOnStream(const StreamBenchOptions &options,
                                        StreamDevice &device) {
  StreamBenchReport report;
  report.card = device.card();
  report.driver = device.driverVersion();
  report.commit = builtCommit();
  report.date = today();
  DECAY_ASSIGN_OR_RETURN(report.copyGigabytes, copyRate(device));
  DECAY_ASSIGN_OR_RETURN(RandomTensors random, RandomTensors::create(device));
  for (const std::string &path : options.packages)
    if (Status status = benchPackage(path, options, device, random, report);
        !status.ok())
      return std::move(status).within(path);
  return report;
}

std::string formatReport(const StreamBenchReport &report) {
  std::string text = fmt::format(
      "{}, driver {}, copies {:.0f} GB/s; commit {}, {}\n\n"
      "{:<16}{:<25}{:<18}{:>9}{:>20}{:>9}{:>9}{:>9}{:>7}{:>9}\n",
      report.card, report.driver, report.copyGigabytes, report.commit,
      report.date, "design", "B, T, H, K, V", "direction", "ms", "quartiles",
      "alone", "MB", "floor", "over", "TFLOP/s");
  std::string starts;
  for (const StreamTiming &t : report.timings) {
    text += fmt::format("{:<16}{:<25}{:<18}", t.design,
                        fmt::format("{}, {}, {}, {}, {}", t.shape.B, t.shape.T,
                                    t.shape.H, t.shape.K, t.shape.V),
                        rowName(t.direction));
    if (t.skipped.empty())
      text += fmt::format(
          "{:>9.4f}{:>20}{:>9.4f}{:>9.1f}{:>9.4f}{:>7.2f}{:>9.1f}\n",
          t.queued.median,
          fmt::format("{:.4f} - {:.4f}", t.queued.lower, t.queued.upper),
          t.alone.median, 1e-6 * static_cast<double>(t.bytes), t.floor,
          overFloor(t), t.teraflops);
    else
      text += "  " + t.skipped + "\n";
    std::string start =
        fmt::format("{}: opened in {:.1f} ms, first result {:.1f} ms later\n",
                    t.design, t.load, t.firstCall);
    if (!starts.ends_with(start))
      starts += start;
  }
  return text + "\n" + starts;
}

std::string toJsonLines(const StreamBenchReport &report) {
  std::string text;
  for (const StreamTiming &timing : report.timings)
    text += toJson(timing, report).dump() + "\n";
  return text;
}

} // namespace decay::runtime
