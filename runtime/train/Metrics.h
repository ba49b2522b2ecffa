//===- Metrics.h - How fast a run is, and when it will end -----*- C++ -*-===//
//
// What differs from one run to the next of the same configuration. The rate is
// that of training alone, without validation, samples and checkpoints:
//
//   tokens/s = tokens since the last line / seconds since it
//   MFU      = 6 · parameters without the input embedding · tokens/s / peak
//   left     = tokens to come / (tokens/s)
//
// 6 counts a multiplication and an addition per weight and token in the forward
// pass, twice that in the backward pass; what the recurrence does is left out.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_METRICS_H
#define DECAY_RUNTIME_TRAIN_METRICS_H

#include "runtime/train/EventFile.h"
#include "runtime/train/RunFolder.h"

#include <functional>
#include <optional>
#include <string>

namespace decay::runtime {

/// MFU, in [0, 1]; `countedParameters` are those without the input embedding.
inline double modelFlopsUtilisation(int64_t countedParameters,
                                    double tokensPerSecond,
                                    double peakTeraflops) {
  return 6 * static_cast<double>(countedParameters) * tokensPerSecond /
         (peakTeraflops * 1e12);
}

/// What a step came to.
struct StepRecord {
  int64_t step = 0;
  double loss = 0; ///< nats per token
  double gradientNorm = 0, rate = 0;
  int64_t skipped = 0; ///< updates so far
};

struct MetricsOptions {
  std::filesystem::path folder; ///< of the run
  bool resumed = false;         ///< go on with its timing.jsonl
  bool tensorboard = false;     ///< also write event files
  int64_t step = 0;             ///< done already
  int64_t steps = 0, tokensPerStep = 0;
  int64_t countedParameters = 0;     ///< without the input embedding
  double peakTeraflops = 0;          ///< 0: not known, so that MFU is left out
  size_t memoryBytes = 0;            ///< that the run planned
  std::function<size_t()> usedBytes; ///< of the device's memory; may be empty
  std::function<double()> clock;     ///< seconds; empty: the steady clock
};

class Metrics {
public:
  /// World errors: the system's, with the file.
  static Result<Metrics> open(MetricsOptions options);

  /// Training begins, or goes on after something else: the clock runs.
  void resume();
  /// Something else than training begins.
  void pause();
  /// Seconds that went into waiting for the next batch.
  void waited(double seconds) { waiting += seconds; }
  double now() const { return options.clock(); }

  /// Writes a line of timing.jsonl and the curves, and gives the line for
  /// people.
  Result<std::string> log(const StepRecord &record);
  Status logValidation(int64_t step, double loss, double bitsPerByte);

private:
  struct Speed {
    double seconds, tokensPerSecond, mfu, waitingShare, secondsLeft;
  };
  Metrics(MetricsOptions options, RunLog timing)
      : options(std::move(options)), timing(std::move(timing)),
        stepAtLog(this->options.step) {}
  Speed measure(int64_t step);
  std::string line(const StepRecord &record, const Speed &speed) const;

  MetricsOptions options;
  RunLog timing;
  std::optional<EventFile> events;
  int64_t stepAtLog;
  double trained = 0, waiting = 0; ///< seconds since the last line
  double clockAtResume = 0;
  bool running = false;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_METRICS_H
