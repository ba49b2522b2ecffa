//===- SpikeGuardTest.cpp -------------------------------------------------===//

#include "runtime/train/SpikeGuard.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
void rememberSome(SpikeGuard &guard) {
  for (int i = 0; i < 6; ++i)
    guard.remember(4 + 0.1 * i, 1 + 0.1 * i); // medians 4.3 and 1.3
}
} // namespace

TEST(SpikeGuard, FindsWhatIsFarAboveTheMedian) {
  SpikeGuard guard(2, 6);
  rememberSome(guard);
  EXPECT_EQ(guard.judge(4, 2.5), "");
  EXPECT_EQ(guard.judge(4, 3.9), "gradient norm 3.9 is 3.0 times the median of "
                                 "the last 6 updates");
  EXPECT_EQ(guard.judge(8.7, 1),
            "loss 8.7 is 2.0 times the median of the last 6 updates");
}

TEST(SpikeGuard, WaitsForHalfAWindowAndForgetsTheOldest) {
  SpikeGuard guard(2, 4);
  guard.remember(1, 1);
  EXPECT_EQ(guard.judge(100, 100), "") << "one update tells nothing";
  guard.remember(1, 1);
  EXPECT_NE(guard.judge(100, 100), "");
  for (int i = 0; i < 4; ++i)
    guard.remember(1, 60);
  EXPECT_EQ(guard.judge(1, 100), "");
}

TEST(SpikeGuard, AFactorOfZeroFindsNone) {
  SpikeGuard guard(0, 2);
  rememberSome(guard);
  EXPECT_EQ(guard.judge(1e9, 1e9), "");
}

TEST(SpikeGuard, GoesOnFromItsStateAsText) {
  SpikeGuard guard(2, 4), next(2, 4);
  rememberSome(guard);
  ASSERT_TRUE(next.restore(Json::parse(guard.state().dump()), "f").ok());
  EXPECT_EQ(next.state(), guard.state());
  EXPECT_EQ(next.judge(4, 8), guard.judge(4, 8));
  Status status = next.restore({{"losses", {"a"}}}, "training.json");
  EXPECT_EQ(status.message(), "training.json: expected numbers in 'losses'");
}
