//===- SignalsTest.cpp ----------------------------------------------------===//

#include "runtime/core/Signals.h"

#include <csignal>
#include <gtest/gtest.h>

using namespace decay::runtime;

TEST(Signals, FirstStopsPolitelySecondKills) {
  catchStopSignals();
  EXPECT_FALSE(stopRequested());
  raise(SIGTERM);
  EXPECT_TRUE(stopRequested());
  EXPECT_EXIT(raise(SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}
