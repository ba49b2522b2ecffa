//===- Limits.cpp - The last defence against a design that never ends -----===//
#include "compiler/tools/decayc/Limits.h"

#include <csignal>
#include <cstring>
#include <ctime>
#include <new>
#include <sys/resource.h>
#include <unistd.h>

namespace decay {
namespace {

constexpr rlim_t seconds = 30;
constexpr rlim_t memoryBytes = rlim_t(1) << 30;

/// Only what a signal handler may call.
[[noreturn]] void endWith(const char *message, int code) {
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, message, strlen(message));
  _exit(code);
}

void outOfTime(int) {
  endWith("error: the design takes more than 30 s to compile\n"
          "  shorten its formulas, or split it\n",
          1);
}

void outOfMemory() {
  endWith("error: compiling the design takes more than 1 GiB of memory\n"
          "  shorten its formulas, or split it\n",
          3);
}

} // namespace

void restartClock() {
  rlimit limit;
  if (getrlimit(RLIMIT_CPU, &limit))
    return;
  rlim_t wanted = seconds + static_cast<rlim_t>(clock() / CLOCKS_PER_SEC);
  limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
  setrlimit(RLIMIT_CPU, &limit);
}

void limitResources() {
  std::signal(SIGXCPU, outOfTime);
  std::set_new_handler(outOfMemory);
  restartClock();
#if !__has_feature(address_sanitizer)
  rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit))
    return;
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > memoryBytes)
    limit.rlim_cur = memoryBytes;
  setrlimit(RLIMIT_DATA, &limit);
#endif
}

} // namespace decay
