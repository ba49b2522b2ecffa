//===- TrainConfigTest.cpp - Settings, their errors, resuming --*- C++ -*-===//
#include "runtime/train/TrainConfig.h"

#include "runtime/core/Files.h"
#include "runtime/optim/Schedule.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {

const std::string required =
    "[job]\ndump_folder = \"run\"\n[training]\ndataset = \"data\"\n";

Result<TrainConfig> read(const std::string &text,
                         std::vector<std::string> overrides = {}) {
  auto config = Config::parse(text, "run.toml");
  if (!config.ok())
    return config.status();
  for (const std::string &one : overrides)
    if (Status status = config->set(one); !status.ok())
      return status;
  return TrainConfig::read(*config);
}

void expectRefused(const std::string &text, const std::string &message,
                   std::vector<std::string> overrides = {}) {
  auto config = read(text, std::move(overrides));
  ASSERT_FALSE(config.ok()) << message;
  EXPECT_EQ(config.status().code(), StatusCode::User);
  EXPECT_NE(config.status().message().find(message), std::string::npos)
      << config.status().message();
}

TEST(TrainConfig, defaultsThenFileThenCommandLine) {
  auto config =
      read(required + "batch_size = 3\nsteps = 700\n", {"training.steps=900"});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->batch, 3);
  EXPECT_EQ(config->steps, 900);
  EXPECT_EQ(config->sequence, TrainConfig().sequence);
}

TEST(TrainConfig, mistakesAreLocated) {
  expectRefused(required + "batchsize = 3\n", "run.toml:5:");
  expectRefused(required + "batchsize = 3\n", "training.batch_size");
  expectRefused(required + "steps = \"many\"\n", "run.toml:5:");
  expectRefused(required + "steps = 0\n", "an integer from 1");
  expectRefused(required, "command line:1:", {"training.steps=-4"});
  expectRefused(required + "[model]\nnum_heads = 7\n", "run.toml:6:");
  expectRefused(required + "[model]\nnum_heads = 7\n",
                "do not divide model.hidden_size = 256");
  expectRefused(required + "[model]\nset = [\"p\"]\n",
                "found 'p', expected NAME=VALUE");
  expectRefused(required + "[model]\ninitialization = \"mine\"\n",
                "'published', 'huggingface'");
  expectRefused(required, "found 'fp8', expected one of 'fp32', 'bf16'",
                {"job.precision=fp8"});
  expectRefused(required + "[lr_scheduler]\ntype = \"cosine\"\n",
                "expected one of 'wsd'");
  expectRefused(required + "[lr_scheduler]\nwarmup_steps = 100000\n",
                "run.toml:6:");
}

TEST(TrainConfig, saysWhatIsMissing) {
  expectRefused("", "job.dump_folder");
  expectRefused("[job]\ndump_folder = \"run\"\n", "decay prepare");
}

TEST(TrainConfig, designSettingsKeepTheirOrder) {
  auto config =
      read(required +
           "[model]\nset = [\"p=0.9\", \"q=1=2\"]\ngranularity = \"scalar\"\n"
           "sharing = true\n");
  ASSERT_TRUE(config.ok()) << config.status().message();
  auto settings = config->designSettings();
  ASSERT_TRUE(settings.ok());
  std::vector<std::pair<std::string, std::string>> expected{
      {"granularity", "scalar"}, {"sharing", "on"}, {"p", "0.9"}, {"q", "1=2"}};
  EXPECT_EQ(*settings, expected);
}

TEST(TrainConfig, resumeMayChangeOnlyWhatDoesNotDecideBits) {
  auto first = read(required);
  auto threads = read(required, {"job.threads=1", "checkpoint.interval=7",
                                 "job.device=other", "job.precision=bf16"});
  auto wider = read(required, {"model.hidden_size=512"});
  ASSERT_TRUE(first.ok() && threads.ok() && wider.ok());
  EXPECT_EQ(first->canonical(), threads->canonical());
  EXPECT_EQ(TrainConfig::difference(first->canonical(), wider->canonical()),
            "model.hidden_size is 512, was 256");
}

TEST(TrainConfig, anotherNumberOfRanksMayDivideTheSameSequences) {
  auto one = read(required, {"training.batch_size=8"});
  auto two = read(required, {"training.batch_size=2",
                             "training.gradient_accumulation_steps=2"});
  auto wider = read(required, {"training.batch_size=8", "optimizer.lr=0.5"});
  ASSERT_TRUE(one.ok() && two.ok() && wider.ok());
  std::string before = one->canonical(), now = two->canonical();
  EXPECT_EQ(TrainConfig::differenceOfRanks(before, 1, now, 2), "");
  EXPECT_EQ(TrainConfig::differenceOfRanks(before, 1, now, 3),
            "an update takes 12 sequences with 3 ranks, took 8 with 1: choose "
            "training.batch_size and training.gradient_accumulation_steps so "
            "that their product times the ranks is 8");
  EXPECT_EQ(TrainConfig::differenceOfRanks(before, 2, wider->canonical(), 1)
                .substr(0, 64),
            "optimizer.lr is 0.5, was 0.0003; an update takes 8 sequences wit");
}

TEST(TrainConfig, modelSizesFollowThePaper) {
  auto config = read(required, {"model.hidden_size=768", "model.num_heads=12",
                                "model.pad_vocab_size_multiple_of=256"});
  ASSERT_TRUE(config.ok());
  auto model = config->model(50257);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->vocabulary, 50432);
  EXPECT_EQ(model->gluWidth, 2048);
  EXPECT_EQ(model->gateRank, 64);
}

// Totals as the paper names its models, of vector simple_decay.
TEST(TrainConfig, thePapersConfigurationsHaveThePapersSizes) {
  struct Row {
    const char *file;
    double millions;
  };
  for (auto [file, millions] : {Row{"30m", 30.4},
                                {"160m", 164.8},
                                {"410m", 418.0},
                                {"1450m", 1452.5}}) {
    auto text = readFile(std::filesystem::path(DECAY_SOURCE) / "examples" /
                         "paper" / (std::string(file) + ".toml"));
    ASSERT_TRUE(text.ok()) << text.status().message();
    auto config = read(*text, {"job.dump_folder=run", "training.dataset=data"});
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->batch * config->accumulation * config->sequence, 524288);
    EXPECT_EQ(config->width / config->heads, 64);
    auto schedule = WsdSchedule::published(config->steps, config->warmup,
                                           config->rateFloor);
    ASSERT_TRUE(schedule.ok());
    EXPECT_EQ(schedule->decaySteps, 976);
    auto model = config->model(50257);
    ASSERT_TRUE(model.ok());
    EXPECT_EQ(model->vocabulary, 50432);
    const double D = double(model->width), M = double(model->gluWidth);
    double mixer = 4 * D * D + 4 * D * double(model->gateRank);
    double layer = mixer + 3 * D * M + 4 * D;
    double total =
        double(model->layers) * layer + 2 * double(model->vocabulary) * D + D;
    EXPECT_NEAR(total / 1e6, millions, 0.05) << file;
  }
}

TEST(TrainConfig, whatOnlyMeasuresMayChangeOnResume) {
  auto first = read(required);
  auto other =
      read(required, {"metrics.peak_tflops=989.5", "metrics.tensorboard=true"});
  auto decayed = read(required, {"optimizer.weight_decay_on_design=false"});
  ASSERT_TRUE(first.ok() && other.ok() && decayed.ok());
  EXPECT_EQ(first->canonical(), other->canonical());
  EXPECT_NE(first->canonical(), decayed->canonical());
  expectRefused(required, "metrics.peak_tflops", {"metrics.peak_tflops=-1"});
}

TEST(TrainConfig, helpNamesEverySetting) {
  std::string help = TrainConfig::describe();
  for (const char *key :
       {"job.dump_folder", "model.design", "training.seq_len", "optimizer.lr",
        "lr_scheduler.warmup_steps", "checkpoint.keep_latest_k"})
    EXPECT_NE(help.find(key), std::string::npos) << key;
}

} // namespace
