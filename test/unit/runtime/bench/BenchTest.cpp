//===- BenchTest.cpp - How fast a package is ------------------------------===//

#include "runtime/bench/BenchCommand.h"
#include "runtime/bench/KernelBench.h"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
/// A command line of `bench`, run against the package by hand.
class Bench : public testing::Test {
protected:
  Bench() { command.attach(app); }

  Result<std::string> run(const std::string &line) {
    try {
      app.parse(line);
    } catch (const CLI::ParseError &error) {
      return Status::user(error.what());
    }
    return command.run([this](const std::string &design,
                              const BenchCommand::Settings &settings,
                              const std::string &) {
      compiled = design;
      for (const auto &[name, value] : settings)
        compiled += " " + name + "=" + value;
      return Result<std::string>(std::string(DECAY_TEST_PACKAGE));
    });
  }

  std::string refusal(const std::string &line) {
    Result<std::string> result = run(line);
    return result.ok() ? "" : result.status().message();
  }

  CLI::App app;
  BenchCommand command;
  std::string compiled;
};
} // namespace

TEST(UsefulWork, FollowsTheWidths) {
  EXPECT_DOUBLE_EQ(usefulWork(BenchDirection::Forward, 64, 64), 24e3);
  EXPECT_DOUBLE_EQ(usefulWork(BenchDirection::Training, 64, 64), 84e3);
  // 4 K V + 64 (K + V) is 24576 at 64 and 81920 at 128.
  EXPECT_DOUBLE_EQ(usefulWork(BenchDirection::Forward, 128, 128),
                   24e3 * 81920 / 24576);
}

TEST(Timing, SummarizesByQuartiles) {
  Timing timing = summarize({5, 1, 4, 2, 3});
  EXPECT_EQ(timing.median, 3);
  EXPECT_EQ(timing.lower, 2);
  EXPECT_EQ(timing.upper, 4);
  int calls = 0;
  EXPECT_EQ(timeCalls([&] { ++calls; }, 9, 0).calls, 9u);
  EXPECT_EQ(calls, 11);
}

TEST_F(Bench, ReportsWhatWasAskedFor) {
  Result<std::string> text =
      run("kernels --shape 1,20,2,8,8 --threads 1,2 --direction "
          "forward,backward,training,step --lengths 10,40 --seconds 0 "
          "--no-sgemm --set p=0.9 --json");
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(compiled, "simple_decay p=0.9");
  Result<Json> report = parseJson(*text, "report");
  ASSERT_TRUE(report.ok());
  EXPECT_EQ((*report)["design"], "by_hand");
  EXPECT_EQ((*report)["timings"].size(), 8u);
  for (const Json &timing : (*report)["timings"]) {
    EXPECT_GT(timing["ms"], 0);
    EXPECT_LE(timing["ms_lower"], timing["ms"]);
    EXPECT_GE(timing["calls"], 5);
    EXPECT_TRUE(timing["ratio_to_sgemm"].is_null());
  }
  EXPECT_EQ((*report)["timings"][3]["T"], 1);
  ASSERT_EQ((*report)["lengths"].size(), 2u);
  const Json &shortest = (*report)["lengths"][0];
  EXPECT_EQ(shortest["T"], 10);
  EXPECT_EQ(shortest["threads"], 2);
  // q, k, f: 2 heads of 8; v, o: the same; delta.
  EXPECT_EQ(shortest["tensor_bytes"], 4 * (5 * 10 * 16 + 16));
}

TEST_F(Bench, WritesATable) {
  Result<std::string> text =
      run("kernels --package " DECAY_TEST_PACKAGE
          " --shape 1,20,2,8,8 --threads 1 --seconds 0 --no-sgemm");
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(compiled, "");
  EXPECT_NE(text->find("by_hand (portable), B 1, T 20, H 2"),
            std::string::npos);
  EXPECT_NE(text->find("training"), std::string::npos);
}

TEST_F(Bench, MeasuresSgemm) {
  Result<std::string> text = run("sgemm --threads 1 --size 64 --json");
  ASSERT_TRUE(text.ok()) << text.status().message();
  Result<Json> json = parseJson(*text, "report");
  ASSERT_TRUE(json.ok());
  Result<SgemmRate> rate = sgemmRateFromJson(*json);
  ASSERT_TRUE(rate.ok()) << rate.status().message();
  EXPECT_GT(rate->gigaflops, 0);
  EXPECT_LE(rate->lowest, rate->highest);
  EXPECT_EQ(rate->size, 64);
}

TEST_F(Bench, RefusesWhatItCannotDo) {
  EXPECT_NE(refusal("kernels --direction sideways").find("'sideways'"),
            std::string::npos);
}

TEST_F(Bench, RefusesSeveralShapesOnTheProcessor) {
  EXPECT_NE(refusal("kernels --shape 1,8,2,8 1,9,2,8").find("one --shape"),
            std::string::npos);
}

TEST_F(Bench, RefusesAShapeThatIsNone) {
  EXPECT_NE(refusal("kernels --shape 1,8").find("expected B,T,H,D"),
            std::string::npos);
}

TEST_F(Bench, RefusesASettingWithoutValue) {
  EXPECT_NE(refusal("kernels --set p").find("expected name=value"),
            std::string::npos);
}

TEST_F(Bench, RefusesAnImpossibleShape) {
  EXPECT_NE(refusal("kernels --shape 1,0,2,8,8 --no-sgemm --seconds 0")
                .find("T is 0"),
            std::string::npos);
}

TEST_F(Bench, SaysWhenAChildFails) {
  KernelBenchOptions options;
  options.package = DECAY_TEST_PACKAGE;
  options.threads = {1};
  options.program = "/no/such/program";
  Result<KernelBenchReport> report = benchKernels(options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::World);
  EXPECT_NE(report.status().message().find("/no/such/program"),
            std::string::npos);
}
