//===- Progress.cpp - How far, how fast, how much longer ------------------===//

#include "runtime/core/Progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
double steadySeconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}
constexpr std::string_view eraseLine = "\r\x1b[K";
} // namespace

std::string formatCount(double count) {
  constexpr struct {
    double size;
    const char *suffix;
  } scales[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  for (auto [size, suffix] : scales)
    if (count >= size)
      return fmt::format("{:.3g}{}", count / size, suffix);
  return fmt::format("{:.3g}", count);
}

std::string formatDuration(double seconds) {
  auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  if (whole < 60)
    return fmt::format("{} s", whole);
  if (whole < 3600)
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60,
                     whole % 60);
}

Progress::Progress(Options chosen, Sink sink, Clock chosenClock)
    : options(std::move(chosen)), sink(std::move(sink)),
      clock(chosenClock ? std::move(chosenClock) : Clock(steadySeconds)),
      started(clock()), lastDrawn(started) {}

std::string Progress::line(double now, std::string_view note) const {
  double elapsed = now - started;
  double rate =
      elapsed > 0 ? static_cast<double>(finished - firstDone) / elapsed : 0;
  std::string text = options.label;
  if (options.total > 0)
    text += fmt::format(" {:3.0f} %", 100.0 * static_cast<double>(finished) /
                                          static_cast<double>(options.total));
  text += fmt::format("  {} {}", formatCount(static_cast<double>(finished)),
                      options.unit);
  if (rate > 0)
    text += fmt::format("  {} {}/s", formatCount(rate), options.unit);
  if (rate > 0 && options.total > finished)
    text += fmt::format(
        "  {} left",
        formatDuration(static_cast<double>(options.total - finished) / rate));
  else
    text += fmt::format("  {}", formatDuration(elapsed));
  if (!note.empty())
    text += fmt::format("  {}", note);
  return text;
}

void Progress::update(int64_t done, std::string_view note) {
  if (firstDone < 0) {
    firstDone = done;
    started = clock();
  }
  finished = done;
  double now = clock();
  double wait = options.terminal ? options.drawSeconds : options.plainSeconds;
  if (now - lastDrawn < wait)
    return;
  lastDrawn = now;
  if (options.terminal)
    sink(std::string(eraseLine) + line(now, note));
  else
    sink(line(now, note) + "\n");
  drawn = options.terminal;
}

void Progress::finish(std::string_view note) {
  firstDone = std::max<int64_t>(firstDone, 0);
  clear();
  sink(line(clock(), note) + "\n");
}

void Progress::clear() {
  if (drawn)
    sink(eraseLine);
  drawn = false;
}

} // namespace decay::runtime
