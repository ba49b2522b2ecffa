//===- CheckpointFaultTest.cpp - Every system call of a save, failing -----===//
//
// The calls that change files are defined here, in front of the C library's.
// Each test saves a checkpoint again and again; the first time the first call
// fails, then the second, and so on, until a save gets through.
//
//===----------------------------------------------------------------------===//

#include "test/unit/runtime/checkpoint/CheckpointFixture.h"

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <fcntl.h>
#include <set>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace decay::runtime;
namespace fs = std::filesystem;

namespace {
enum class Fault { None, Error, ShortWrite, Kill };

struct Plan {
  Fault fault = Fault::None;
  int error = 0;
  int callsLeft = 0; ///< the fault happens at the call that finds 1
  bool happened = false;
  std::set<std::string> kinds; ///< of calls seen
};
Plan plan;

/// Whether the call at hand is to fail with `errno`.
bool failsNow(const char *kind) {
  if (plan.fault == Fault::None || plan.happened)
    return false;
  plan.kinds.insert(kind);
  if (--plan.callsLeft > 0)
    return false;
  if (plan.fault == Fault::Kill)
    ::kill(::getpid(), SIGKILL);
  plan.happened = true;
  errno = plan.error;
  return plan.fault == Fault::Error;
}

long real(long number, auto... arguments) {
  return ::syscall(number, arguments...);
}
} // namespace

extern "C" {
int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  int mode = flags & O_CREAT ? va_arg(list, int) : 0;
  va_end(list);
  if ((flags & O_CREAT) && failsNow("open"))
    return -1;
  return static_cast<int>(real(SYS_openat, AT_FDCWD, path, flags, mode));
}
ssize_t write(int file, const void *data, size_t bytes) {
  if (plan.fault == Fault::ShortWrite) {
    errno = EINTR;
    if (++plan.callsLeft % 2)
      return -1;
    size_t part = bytes > 1 ? bytes / 2 : bytes;
    return real(SYS_write, file, data, part);
  }
  if (failsNow("write"))
    return -1;
  return real(SYS_write, file, data, bytes);
}
int fsync(int file) {
  return failsNow("fsync") ? -1 : static_cast<int>(real(SYS_fsync, file));
}
int rename(const char *from, const char *to) noexcept {
  if (failsNow("rename"))
    return -1;
  return static_cast<int>(real(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int renameat2(int fromFolder, const char *from, int toFolder, const char *to,
              unsigned flags) noexcept {
  if (failsNow("renameat2"))
    return -1;
  return static_cast<int>(
      real(SYS_renameat2, fromFolder, from, toFolder, to, flags));
}
int mkdir(const char *path, mode_t mode) noexcept {
  if (failsNow("mkdir"))
    return -1;
  return static_cast<int>(real(SYS_mkdirat, AT_FDCWD, path, mode));
}
int unlinkat(int folder, const char *name, int flags) noexcept {
  if (failsNow("unlinkat"))
    return -1;
  return static_cast<int>(real(SYS_unlinkat, folder, name, flags));
}
}

namespace {
constexpr int mostCalls = 500;

class CheckpointFault : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(small.save(run(), 1).ok());
    ASSERT_TRUE(small.save(run(), 2).ok());
  }
  void TearDown() override { plan = {}; }
  fs::path run() const { return folder.path(); }

  /// Nothing that bears a checkpoint's name is damaged, and the newest is not
  /// older than what had been saved.
  void expectWhole() {
    plan.fault = Fault::None;
    auto found = listCheckpoints(run());
    ASSERT_TRUE(found.ok());
    for (const fs::path &each : *found)
      ASSERT_TRUE(SmallRun::stepOf(each).ok());
    auto newest = SmallRun::stepOf(run());
    ASSERT_TRUE(newest.ok());
    ASSERT_GE(*newest, 2);
  }

  /// The next save works and leaves no remains of the failed one.
  void expectRecovered() {
    ASSERT_TRUE(small.save(run(), 2, 2).ok());
    for (const auto &entry : fs::directory_iterator(run()))
      ASSERT_TRUE(entry.path().filename().string().starts_with("step-"))
          << entry.path();
    if (!fs::exists(run() / "step-000001")) {
      ASSERT_TRUE(small.save(run(), 1).ok());
    }
    fs::remove_all(run() / "step-000003");
  }

  TemporaryFolder folder;
  SmallRun small;
};
} // namespace

TEST_F(CheckpointFault, EveryCallFailsOnce) {
  for (int error : {ENOSPC, EIO}) {
    int call = 1;
    for (; call < mostCalls; ++call) {
      plan = {Fault::Error, error, call, false, {}};
      // Replaces step 2 in one round and adds step 3 in the next.
      Status status = small.save(run(), 2 + call % 2, 2);
      bool happened = plan.happened;
      ASSERT_NO_FATAL_FAILURE(expectWhole()) << "call " << call;
      ASSERT_NO_FATAL_FAILURE(expectRecovered()) << "call " << call;
      if (!happened && call % 2)
        break;
      if (!status.ok()) {
        EXPECT_EQ(status.code(), StatusCode::World);
        EXPECT_NE(status.message().find(std::generic_category().message(error)),
                  std::string::npos)
            << status.message();
      }
    }
    EXPECT_GT(call, 20);
    EXPECT_LT(call, mostCalls);
  }
}

TEST_F(CheckpointFault, KilledAtEveryCall) {
  bool survived = false;
  int call = 1;
  for (; call < mostCalls && !survived; ++call) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      plan = {Fault::Kill, 0, call, false, {}};
      _exit(small.save(run(), 2 + call % 2, 2).ok() ? 0 : 1);
    }
    int result = 0;
    waitpid(child, &result, 0);
    survived = WIFEXITED(result) && call % 2;
    ASSERT_NO_FATAL_FAILURE(expectWhole()) << "call " << call;
    ASSERT_NO_FATAL_FAILURE(expectRecovered()) << "call " << call;
  }
  EXPECT_GT(call, 20);
  EXPECT_TRUE(survived);
}

TEST_F(CheckpointFault, InterruptedAndShortWritesAreFinished) {
  plan = {Fault::ShortWrite, 0, 0, false, {}};
  ASSERT_TRUE(small.save(run(), 4).ok());
  expectWhole();
}

// The faults above only mean something if the calls come past here.
TEST_F(CheckpointFault, TheCallsOfASaveAreSeen) {
  plan = {Fault::Error, EIO, mostCalls, false, {}};
  ASSERT_TRUE(small.save(run(), 2, 1).ok());
  EXPECT_EQ(plan.kinds,
            (std::set<std::string>{"fsync", "mkdir", "open", "rename",
                                   "renameat2", "unlinkat", "write"}));
}
