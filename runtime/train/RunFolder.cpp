//===- RunFolder.cpp -------------------------------------------*- C++ -*-===//
#include "runtime/train/RunFolder.h"

#include "runtime/core/Files.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace decay::runtime {

Result<RunFolder> RunFolder::open(const std::filesystem::path &path) {
  DECAY_RETURN_IF_ERROR(createFolders(path));
  RunFolder run;
  run.folder = path;
  std::filesystem::path file = path / "lock";
  run.lock = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (run.lock < 0)
    return systemError("open", file, errno);
  if (flock(run.lock, LOCK_EX | LOCK_NB) == 0)
    return run;
  if (errno != EWOULDBLOCK)
    return systemError("lock", file, errno);
  return Status::user(fmt::format("another process trains in {}; wait for it, "
                                  "or choose another --job.dump_folder",
                                  path.string()));
}

RunFolder RunFolder::beside(const std::filesystem::path &path) {
  RunFolder run;
  run.folder = path;
  return run;
}

RunFolder::~RunFolder() {
  if (lock >= 0)
    close(lock);
}

Result<RunLog> RunLog::open(const std::filesystem::path &path, int64_t keep) {
  RunLog log;
  log.file = path;
  log.descriptor = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (log.descriptor < 0)
    return systemError("open", path, errno);
  off_t size = lseek(log.descriptor, 0, SEEK_END);
  if (size < 0)
    return systemError("read the size of", path, errno);
  if (keep == keepAll)
    keep = size;
  if (size < keep)
    return Status::world(
        fmt::format("{}: {} bytes, but the checkpoint was made when it had {}: "
                    "lines are missing. Put the whole file back, or train in "
                    "another folder",
                    path.string(), size, keep));
  if (ftruncate(log.descriptor, keep) != 0)
    return systemError("cut", path, errno);
  if (lseek(log.descriptor, 0, SEEK_END) < 0)
    return systemError("go to the end of", path, errno);
  log.size = keep;
  return log;
}

RunLog::~RunLog() {
  if (descriptor >= 0)
    close(descriptor);
}

Status RunLog::write(std::string_view line) {
  std::string text(line);
  text += '\n';
  for (size_t done = 0; done < text.size();) {
    ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return systemError("write", file, errno);
    done += static_cast<size_t>(count);
  }
  size += static_cast<int64_t>(text.size());
  return {};
}

Status RunLog::flush() {
  return fsync(descriptor) == 0 ? Status() : systemError("flush", file, errno);
}

} // namespace decay::runtime
