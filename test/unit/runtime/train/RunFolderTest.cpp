//===- RunFolderTest.cpp - The lock and the log of a run -------*- C++ -*-===//
#include "runtime/train/RunFolder.h"

#include "runtime/core/Files.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace decay::runtime;

namespace {

class Run : public ::testing::Test {
protected:
  Run() {
    std::string pattern = ::testing::TempDir() + "decay-run-XXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~Run() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(Run, lockIsHeldUntilTheEnd) {
  {
    auto first = RunFolder::open(folder / "deep" / "run");
    ASSERT_TRUE(first.ok()) << first.status().message();
    auto second = RunFolder::open(folder / "deep" / "run");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.status().code(), StatusCode::User);
    EXPECT_NE(second.status().message().find("another process trains in"),
              std::string::npos);
  }
  EXPECT_TRUE(RunFolder::open(folder / "deep" / "run").ok());
}

TEST_F(Run, lockDiesWithItsProcess) {
  pid_t child = fork();
  if (child == 0) {
    auto held = RunFolder::open(folder);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(RunFolder::open(folder).ok());
}

TEST_F(Run, logIsCutToWhatACheckpointSaw) {
  int64_t seen = 0;
  {
    auto log = RunLog::open(folder / "log", 0);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE(log->write("one").ok());
    seen = log->bytes();
    ASSERT_TRUE(log->write("two, never seen").ok());
    ASSERT_TRUE(log->flush().ok());
  }
  {
    auto log = RunLog::open(folder / "log", seen);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE(log->write("three").ok());
  }
  EXPECT_EQ(*readFile(folder / "log"), "one\nthree\n");
  {
    auto log = RunLog::open(folder / "log", RunLog::keepAll);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE(log->write("four").ok());
  }
  EXPECT_EQ(*readFile(folder / "log"), "one\nthree\nfour\n");
}

TEST_F(Run, shorterLogIsRefused) {
  auto log = RunLog::open(folder / "log", 10);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().code(), StatusCode::World);
  EXPECT_NE(log.status().message().find(
                "0 bytes, but the checkpoint was made when it had 10"),
            std::string::npos);
}

} // namespace
