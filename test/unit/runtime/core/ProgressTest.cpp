//===- ProgressTest.cpp ---------------------------------------------------===//

#include "runtime/core/Progress.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
struct Recorder {
  std::string text;
  double now = 0;

  Progress progress(bool terminal) {
    return Progress(
        {.label = "training",
         .unit = "tok",
         .total = 1000,
         .terminal = terminal},
        [this](std::string_view piece) { text += piece; },
        [this] { return now; });
  }
};
} // namespace

TEST(Progress, PlainLinesNowAndThen) {
  Recorder recorder;
  Progress progress = recorder.progress(false);
  progress.update(0);
  recorder.now = 5;
  progress.update(100);
  EXPECT_EQ(recorder.text, "");
  recorder.now = 10;
  progress.update(200, "loss 4.32");
  EXPECT_EQ(recorder.text, "training  20 %  200 tok  20 tok/s  40 s left  loss "
                           "4.32\n");
}

TEST(Progress, RewritesTheTerminalLine) {
  Recorder recorder;
  Progress progress = recorder.progress(true);
  progress.update(0);
  recorder.now = 1;
  progress.update(500);
  recorder.now = 1.05;
  progress.update(510);
  EXPECT_EQ(recorder.text,
            "\r\x1b[Ktraining  50 %  500 tok  500 tok/s  1 s left");
  progress.clear();
  progress.clear();
  EXPECT_TRUE(recorder.text.ends_with("left\r\x1b[K"));
  recorder.now = 2;
  progress.update(1000);
  progress.finish("done");
  EXPECT_TRUE(recorder.text.ends_with(
      "\r\x1b[Ktraining 100 %  1k tok  500 tok/s  2 s  done\n"))
      << recorder.text;
}

TEST(Progress, CountsOnlyThisProcessInTheRate) {
  Recorder recorder;
  Progress progress = recorder.progress(false);
  progress.update(800);
  recorder.now = 10;
  progress.update(900);
  EXPECT_EQ(recorder.text, "training  90 %  900 tok  10 tok/s  10 s left\n");
}

TEST(Progress, Formats) {
  EXPECT_EQ(formatCount(12345), "12.3k");
  EXPECT_EQ(formatCount(4.56e6), "4.56M");
  EXPECT_EQ(formatDuration(42), "42 s");
  EXPECT_EQ(formatDuration(185), "3:05");
  EXPECT_EQ(formatDuration(3723), "1:02:03");
}
