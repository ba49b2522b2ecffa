//===- CheckpointTest.cpp -------------------------------------------------===//

#include "test/unit/runtime/checkpoint/CheckpointFixture.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace decay::runtime;
namespace fs = std::filesystem;

namespace {
std::vector<std::string> names(const fs::path &folder) {
  std::vector<std::string> found;
  for (const auto &entry : fs::directory_iterator(folder))
    found.push_back(entry.path().filename().string());
  std::ranges::sort(found);
  return found;
}
} // namespace

TEST(Checkpoint, SavesAndLoadsTheNewest) {
  TemporaryFolder folder;
  fs::path run = folder.path() / "runs" / "a";
  SmallRun small;
  ASSERT_TRUE(small.save(run, 7).ok());
  ASSERT_TRUE(small.save(run, 1200000).ok());
  EXPECT_EQ(names(run),
            (std::vector<std::string>{"step-000007", "step-1200000"}));
  EXPECT_EQ(names(run / "step-000007"),
            (std::vector<std::string>{
                "checksums.txt", "config.json", "model.safetensors",
                "optimizer.safetensors", "tokenizer.json", "training.json"}));
  EXPECT_EQ(*SmallRun::stepOf(run), 1200000);
  EXPECT_EQ(*SmallRun::stepOf(run / "step-000007"), 7);
  EXPECT_EQ(*SmallRun::stepOf(run / "step-000007" / ""), 7);
}

TEST(Checkpoint, KeepsTheNewestFew) {
  TemporaryFolder folder;
  SmallRun small;
  for (int64_t step : {1, 2, 3, 4})
    ASSERT_TRUE(small.save(folder.path(), step, 2).ok());
  EXPECT_EQ(names(folder.path()),
            (std::vector<std::string>{"step-000003", "step-000004"}));
}

TEST(Checkpoint, ReplacesTheSameStepAndCleansUp) {
  TemporaryFolder folder;
  fs::create_directories(folder.path() / ".step-000001.partial-77" / "x");
  fs::create_directories(folder.path() / "step-1");
  SmallRun small(10), larger(20);
  ASSERT_TRUE(small.save(folder.path(), 5).ok());
  ASSERT_TRUE(larger.save(folder.path(), 5).ok());
  EXPECT_EQ(names(folder.path()),
            (std::vector<std::string>{"step-000005", "step-1"}));
  auto loaded = Checkpoint::load(folder.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->model().tensors()[0].shape[0], 20);
}

TEST(Checkpoint, SaysWhenThereIsNone) {
  TemporaryFolder folder;
  Status status = SmallRun::stepOf(folder.path()).status();
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_EQ(status.message(),
            folder.path().string() + ": there is no checkpoint in this folder");
  EXPECT_FALSE(SmallRun::stepOf(folder.path() / "none").ok());
  EXPECT_FALSE(SmallRun::stepOf(folder.path() / "step-000001").ok());
}

TEST(Checkpoint, NoSpaceIsSaidBeforehand) {
  TemporaryFolder folder;
  EXPECT_TRUE(requireSpace(folder.path(), 1).ok());
  Status status = requireSpace(folder.path(), uint64_t{1} << 62);
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_NE(status.message().find("4194304.0 TiB needed"), std::string::npos)
      << status.message();
}

// A limit on file sizes fails a write in the middle of a file, as a full disk
// does: at every limit the old checkpoint stays and nothing else does.
TEST(Checkpoint, FailedWriteLeavesTheOldOnesIntact) {
  TemporaryFolder folder;
  SmallRun small(5000);
  ASSERT_TRUE(small.save(folder.path(), 1).ok());
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  int failures = 0;
  for (rlim_t limit : {0, 1, 8, 100, 4096, 10000, 20000, 1 << 20}) {
    struct rlimit small_limit = {limit, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small_limit);
    Status status = small.save(folder.path(), 2);
    setrlimit(RLIMIT_FSIZE, &old);
    if (status.ok())
      continue;
    ++failures;
    EXPECT_EQ(status.code(), StatusCode::World);
    EXPECT_NE(status.message().find("saving checkpoint step-000002: "),
              std::string::npos);
    EXPECT_EQ(names(folder.path()), std::vector<std::string>{"step-000001"});
    EXPECT_EQ(*SmallRun::stepOf(folder.path()), 1);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_GE(failures, 6);
  EXPECT_EQ(*SmallRun::stepOf(folder.path()), 2);
}

TEST(Checkpoint, UnwritableRunIsAWorldError) {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  SmallRun small;
  EXPECT_EQ(small.save(folder.path() / "file" / "run", 1).code(),
            StatusCode::World);
}

// Saves in a loop, killed at random instants of the first few saves: what is
// found afterwards is whole, and never older than what had been saved before.
TEST(Checkpoint, SurvivesKillAtAnyInstant) {
  using Clock = std::chrono::steady_clock;
  TemporaryFolder folder;
  Clock::time_point start = Clock::now();
  SmallRun small(20000);
  ASSERT_TRUE(small.save(folder.path(), 1, 2).ok());
  Clock::duration oneSave = Clock::now() - start;
  std::mt19937 random(20260101);
  int64_t last = 1;
  for (int trial = 0; trial < 100; ++trial) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0)
      for (int64_t step = last + 1;; ++step)
        if (!small.save(folder.path(), step, 2).ok())
          _exit(1);
    std::this_thread::sleep_for(oneSave * (random() % 1000) / 250);
    kill(child, SIGKILL);
    int result = 0;
    waitpid(child, &result, 0);
    ASSERT_TRUE(WIFSIGNALED(result)) << "a save failed";
    auto found = listCheckpoints(folder.path());
    ASSERT_TRUE(found.ok());
    for (const fs::path &each : *found)
      ASSERT_TRUE(SmallRun::stepOf(each).ok());
    Result<int64_t> step = SmallRun::stepOf(folder.path());
    ASSERT_TRUE(step.ok()) << step.status().message();
    ASSERT_GE(*step, last);
    last = *step;
    if (trial >= 20 && Clock::now() - start > std::chrono::seconds(5))
      break;
  }
  EXPECT_GT(last, 1);
}
