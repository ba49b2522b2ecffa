//===- MetricsTest.cpp - Rates by a clock that the test turns --*- C++ -*-===//
#include "runtime/train/Metrics.h"

#include "runtime/core/Files.h"
#include "runtime/core/Json.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
class MetricsTest : public testing::Test {
protected:
  MetricsOptions options() {
    MetricsOptions chosen;
    chosen.folder = folder.path();
    chosen.steps = 100, chosen.tokensPerStep = 1000;
    chosen.countedParameters = 2'000'000;
    chosen.memoryBytes = size_t{3} << 30;
    chosen.clock = [this] { return clock; };
    return chosen;
  }
  Json lastLine() {
    std::string text = *readFile(folder.path() / "timing.jsonl");
    text.pop_back();
    return *parseJson(text.substr(text.rfind('\n') + 1), "timing");
  }
  TemporaryFolder folder;
  double clock = 50;
};
} // namespace

TEST_F(MetricsTest, RateIsThatOfTrainingAlone) {
  MetricsOptions chosen = options();
  chosen.peakTeraflops = 0.5;
  auto metrics = Metrics::open(chosen);
  ASSERT_TRUE(metrics.ok()) << metrics.status().message();
  metrics->resume();
  clock += 2;
  metrics->waited(0.25);
  metrics->pause();
  clock += 1000; // a validation
  metrics->resume();
  clock += 3;
  auto line = metrics->log({20, 3.25, 0.5, 1e-3, 0});
  ASSERT_TRUE(line.ok());
  // 20,000 tokens in 5 s; 6 · 2e6 · 4000 / 0.5e12 = 9.6 %.
  EXPECT_EQ(*line, "step 20/100  loss 3.2500  gradient norm 0.5  lr 0.001  4k "
                   "tok/s  MFU 9.6 %  data 5.0 %  3.00 GiB  20 s left");
  Json json = lastLine();
  EXPECT_EQ(json["step"], 20);
  EXPECT_DOUBLE_EQ(json["tokens_per_second"], 4000);
  EXPECT_DOUBLE_EQ(json["seconds"], 5);
  EXPECT_DOUBLE_EQ(json["mfu"], 0.096);
  EXPECT_DOUBLE_EQ(json["data_share"], 0.05);
  EXPECT_DOUBLE_EQ(json["seconds_left"], 20);
  EXPECT_EQ(json["memory_bytes"], size_t{3} << 30);
  // The next line is about what came after this one.
  clock += 1;
  ASSERT_TRUE(metrics->log({21, 3.25, 0.5, 1e-3, 2})->ends_with("2 skipped"));
  EXPECT_DOUBLE_EQ(lastLine()["tokens_per_second"], 1000);
  EXPECT_DOUBLE_EQ(lastLine()["data_share"], 0);
}

TEST_F(MetricsTest, WithoutAPeakThereIsNoUtilisation) {
  auto metrics = Metrics::open(options());
  ASSERT_TRUE(metrics.ok());
  metrics->resume();
  clock += 1;
  auto line = metrics->log({1, 1, 1, 1, 0});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->find("MFU"), std::string::npos);
  EXPECT_FALSE(lastLine().contains("mfu"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "tensorboard"));
}

TEST_F(MetricsTest, AResumedRunGoesOnWithItsFile) {
  for (bool resumed : {false, true}) {
    MetricsOptions chosen = options();
    chosen.resumed = resumed;
    chosen.step = resumed ? 10 : 0;
    chosen.tensorboard = true;
    auto metrics = Metrics::open(chosen);
    ASSERT_TRUE(metrics.ok());
    metrics->resume();
    clock += 2;
    ASSERT_TRUE(metrics->log({chosen.step + 10, 1, 1, 1, 0}).ok());
    ASSERT_TRUE(metrics->logValidation(chosen.step + 10, 2, 1).ok());
    EXPECT_DOUBLE_EQ(lastLine()["tokens_per_second"], 5000);
  }
  EXPECT_EQ(lastLine()["step"], 20);
  std::string text = *readFile(folder.path() / "timing.jsonl");
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  int files = 0;
  for (const auto &entry :
       std::filesystem::directory_iterator(folder.path() / "tensorboard"))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 2);
}
