//===- RunFolder.h - One run, one folder, one process ----------*- C++ -*-===//
#ifndef DECAY_RUNTIME_TRAIN_RUNFOLDER_H
#define DECAY_RUNTIME_TRAIN_RUNFOLDER_H

#include "runtime/core/Status.h"

#include <filesystem>
#include <string_view>
#include <utility>

namespace decay::runtime {

/// Holds a run's folder for this process until it is destroyed. The kernel lets
/// go of the lock when the process dies, however it dies.
class RunFolder {
public:
  /// Makes the folder if it is missing. A user error when another process
  /// trains in it.
  static Result<RunFolder> open(const std::filesystem::path &path);

  /// The same folder for the other ranks of a run, whose first holds it.
  static RunFolder beside(const std::filesystem::path &path);

  RunFolder(RunFolder &&other) noexcept
      : folder(std::move(other.folder)), lock(std::exchange(other.lock, -1)) {}
  RunFolder &operator=(RunFolder &&other) noexcept {
    std::swap(folder, other.folder);
    std::swap(lock, other.lock);
    return *this;
  }
  ~RunFolder();

  const std::filesystem::path &path() const { return folder; }

private:
  RunFolder() = default;
  std::filesystem::path folder;
  int lock = -1;
};

/// A file of lines that grows with a run, and can be cut back to where a
/// checkpoint saw it.
class RunLog {
public:
  static constexpr int64_t keepAll = -1;

  /// Opens for appending; bytes beyond `keep` are cut off. A world error when
  /// the file is shorter than that.
  static Result<RunLog> open(const std::filesystem::path &path, int64_t keep);

  RunLog(RunLog &&other) noexcept
      : file(std::move(other.file)),
        descriptor(std::exchange(other.descriptor, -1)), size(other.size) {}
  RunLog &operator=(RunLog &&other) noexcept {
    std::swap(file, other.file);
    std::swap(descriptor, other.descriptor);
    std::swap(size, other.size);
    return *this;
  }
  ~RunLog();

  /// Appends one line.
  Status write(std::string_view line);
  /// All lines are on the disk: a checkpoint may now speak of them.
  Status flush();
  int64_t bytes() const { return size; }

private:
  RunLog() = default;
  std::filesystem::path file;
  int descriptor = -1;
  int64_t size = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_RUNFOLDER_H
