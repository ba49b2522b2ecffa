//===- ScheduleTest.cpp ---------------------------------------------------===//

#include "runtime/optim/Schedule.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace decay::runtime;

TEST(Schedule, PublishedRunOfThePaper) {
  auto created = WsdSchedule::published(20000, 1024);
  ASSERT_TRUE(created.ok());
  const WsdSchedule &schedule = *created;
  EXPECT_EQ(schedule.decaySteps, 976);
  EXPECT_EQ(schedule.factor(0), 0);
  EXPECT_EQ(schedule.factor(512), 0.5);
  EXPECT_EQ(schedule.factor(1024), 1);
  EXPECT_EQ(schedule.factor(19023), 1);
  EXPECT_EQ(schedule.factor(19024), 1);
  for (int64_t step = 19024; step < 20000; ++step)
    ASSERT_EQ(schedule.factor(step),
              0.1 + 0.9 * (1 - std::sqrt((step - 19024) / 976.0)));
  EXPECT_EQ(schedule.factor(20000), 0.1);
  EXPECT_EQ(schedule.factor(30000), 0.1);
}

TEST(Schedule, StableToNinetyPercent) {
  auto created = WsdSchedule::create(200, 20, 0.25);
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->factor(10), 0.5);
  EXPECT_EQ(created->factor(179), 1);
  EXPECT_EQ(created->factor(180), 1);
  EXPECT_EQ(created->factor(185), 0.25 + 0.75 * (1 - std::sqrt(0.25)));
  EXPECT_EQ(created->factor(200), 0.25);
  auto noWarmup = WsdSchedule::create(1, 0);
  ASSERT_TRUE(noWarmup.ok());
  EXPECT_EQ(noWarmup->factor(0), 1);
}

TEST(Schedule, RefusesImpossibleWarmups) {
  EXPECT_FALSE(WsdSchedule::create(100, 91).ok());
  EXPECT_FALSE(WsdSchedule::create(100, -1).ok());
  EXPECT_FALSE(WsdSchedule::create(0, 0).ok());
  EXPECT_FALSE(WsdSchedule::published(100, 10).ok());
  Status status = WsdSchedule::published(1000, 100).status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_EQ(status.message(),
            "the published schedule of 1000 steps is stable for 90 % of them: "
            "expected a warm-up under 100 steps, found 100");
}
