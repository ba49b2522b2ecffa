//===- Progress.h - How far, how fast, how much longer ---------*- C++ -*-===//
//
// On a terminal one line that is rewritten; elsewhere a plain line now and
// then. Writes only through the sink it is handed.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_PROGRESS_H
#define DECAY_RUNTIME_CORE_PROGRESS_H

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace decay::runtime {

class Progress {
public:
  struct Options {
    std::string label;        ///< "training"
    std::string unit;         ///< "tok": the rate is shown as "12.3k tok/s"
    int64_t total = 0;        ///< 0: not known
    bool terminal = false;    ///< rewrite one line
    double plainSeconds = 10; ///< between lines when not on a terminal
    double drawSeconds = 0.1; ///< between drawings on a terminal
  };
  using Sink = std::function<void(std::string_view)>;
  using Clock = std::function<double()>; ///< seconds, never going back

  Progress(Options options, Sink sink, Clock clock = {});

  /// `done` of the total is finished. `note` is appended: "loss 4.32".
  void update(int64_t done, std::string_view note = {});
  /// The last state as a line that stays.
  void finish(std::string_view note = {});
  /// Removes the line, so that other text can be written; the next update
  /// draws it again.
  void clear();

private:
  std::string line(double now, std::string_view note) const;

  Options options;
  Sink sink;
  Clock clock;
  double started, lastDrawn;
  int64_t finished = 0;
  int64_t firstDone = -1; ///< work done before this process began
  bool drawn = false;
};

/// "950", "12.3k", "4.56M".
std::string formatCount(double count);
/// "42 s", "3:05", "1:02:03".
std::string formatDuration(double seconds);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_PROGRESS_H
