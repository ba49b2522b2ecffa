//===- Metrics.cpp - How fast a run is, and when it will end --------------===//

#include "runtime/train/Metrics.h"

#include "runtime/core/Json.h"
#include "runtime/core/Progress.h"

#include <chrono>
#include <fmt/format.h>
#include <vector>

namespace decay::runtime {
namespace {
constexpr double gibibyte = 1 << 30;

double steadySeconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}
} // namespace

Result<Metrics> Metrics::open(MetricsOptions options) {
  if (!options.clock)
    options.clock = steadySeconds;
  DECAY_ASSIGN_OR_RETURN(RunLog timing,
                         RunLog::open(options.folder / "timing.jsonl",
                                      options.resumed ? RunLog::keepAll : 0));
  Metrics metrics(std::move(options), std::move(timing));
  if (metrics.options.tensorboard) {
    DECAY_ASSIGN_OR_RETURN(
        EventFile events,
        EventFile::create(metrics.options.folder / "tensorboard",
                          metrics.options.step));
    metrics.events.emplace(std::move(events));
  }
  return metrics;
}

void Metrics::resume() {
  if (!running)
    clockAtResume = now();
  running = true;
}

void Metrics::pause() {
  if (running)
    trained += now() - clockAtResume;
  running = false;
}

Metrics::Speed Metrics::measure(int64_t step) {
  bool wasRunning = running;
  pause();
  Speed speed{};
  speed.seconds = trained;
  auto tokens = static_cast<double>((step - stepAtLog) * options.tokensPerStep);
  if (trained > 0) {
    speed.tokensPerSecond = tokens / trained;
    speed.waitingShare = waiting / trained;
  }
  if (options.peakTeraflops > 0)
    speed.mfu =
        modelFlopsUtilisation(options.countedParameters, speed.tokensPerSecond,
                              options.peakTeraflops);
  auto toCome =
      static_cast<double>((options.steps - step) * options.tokensPerStep);
  if (speed.tokensPerSecond > 0)
    speed.secondsLeft = toCome / speed.tokensPerSecond;
  stepAtLog = step;
  trained = waiting = 0;
  if (wasRunning)
    resume();
  return speed;
}

std::string Metrics::line(const StepRecord &record, const Speed &speed) const {
  std::string text = fmt::format(
      "step {}/{}  loss {:.4f}  gradient norm {:.3g}  lr {:.3g}  {} tok/s",
      record.step, options.steps, record.loss, record.gradientNorm, record.rate,
      formatCount(speed.tokensPerSecond));
  if (options.peakTeraflops > 0)
    text += fmt::format("  MFU {:.1f} %", 100 * speed.mfu);
  text += fmt::format("  data {:.1f} %  {:.2f} GiB  {} left",
                      100 * speed.waitingShare,
                      static_cast<double>(options.memoryBytes) / gibibyte,
                      formatDuration(speed.secondsLeft));
  if (record.skipped > 0)
    text += fmt::format("  {} skipped", record.skipped);
  return text;
}

Result<std::string> Metrics::log(const StepRecord &record) {
  Speed speed = measure(record.step);
  Json json = {{"step", record.step},
               {"seconds", speed.seconds},
               {"tokens_per_second", speed.tokensPerSecond},
               {"data_share", speed.waitingShare},
               {"memory_bytes", options.memoryBytes},
               {"seconds_left", speed.secondsLeft}};
  if (options.peakTeraflops > 0)
    json["mfu"] = speed.mfu;
  if (options.usedBytes)
    json["memory_used_bytes"] = options.usedBytes();
  DECAY_RETURN_IF_ERROR(timing.write(json.dump()));
  if (events) {
    std::vector<Scalar> scalars = {
        {"loss_metrics/global_avg_loss", record.loss},
        {"optimizer/grad_norm", record.gradientNorm},
        {"optimizer/lr", record.rate},
        {"optimizer/skipped_step", static_cast<double>(record.skipped)},
        {"throughput(tps)", speed.tokensPerSecond},
        {"time_metrics/data_loading(%)", 100 * speed.waitingShare},
        {"memory/planned(GiB)",
         static_cast<double>(options.memoryBytes) / gibibyte}};
    if (options.peakTeraflops > 0)
      scalars.push_back({"mfu(%)", 100 * speed.mfu});
    DECAY_RETURN_IF_ERROR(events->write(record.step, scalars));
  }
  return line(record, speed);
}

Status Metrics::logValidation(int64_t step, double loss, double bitsPerByte) {
  if (!events)
    return {};
  const Scalar scalars[] = {{"validation_metrics/loss", loss},
                            {"validation_metrics/bits_per_byte", bitsPerByte}};
  return events->write(step, scalars);
}

} // namespace decay::runtime
