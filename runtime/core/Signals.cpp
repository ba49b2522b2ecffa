//===- Signals.cpp - Being asked to stop ----------------------------------===//

#include "runtime/core/Signals.h"

#include <csignal>

namespace decay::runtime {
namespace {
volatile std::sig_atomic_t stopFlag = 0;

void handle(int) {
  stopFlag = 1;
  // SA_RESETHAND only covers the signal at hand; the other one must kill too.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}
} // namespace

void catchStopSignals() {
  stopFlag = 0;
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stopRequested() { return stopFlag != 0; }

} // namespace decay::runtime
