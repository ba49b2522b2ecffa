//===- Files.h - Reading and writing that says what went wrong -*- C++ -*-===//
//
// All failures are world errors that name the path and the system's reason.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_FILES_H
#define DECAY_RUNTIME_CORE_FILES_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace decay::runtime {

/// "PATH: cannot VERB: REASON (errno)".
Status systemError(std::string_view verb, const std::filesystem::path &path,
                   int number);

/// The whole file, which must be regular and at most `limit` bytes.
Result<std::string> readFile(const std::filesystem::path &path,
                             size_t limit = size_t{1} << 31);

/// Writes, then waits until the bytes are on the disk.
class DurableFile {
public:
  DurableFile() = default;
  ~DurableFile();
  DurableFile(const DurableFile &) = delete;
  DurableFile &operator=(const DurableFile &) = delete;

  Status create(const std::filesystem::path &path);
  Status write(const void *data, size_t bytes);
  Status write(std::string_view text) {
    return write(text.data(), text.size());
  }
  /// Flushes to the disk and closes; the file is only safe after this.
  Status close();

private:
  std::filesystem::path path;
  int descriptor = -1;
};

/// Readers see the old file or the whole new one, also after a power cut.
Status writeFileAtomic(const std::filesystem::path &path,
                       std::string_view text);

/// Makes the names in a folder durable.
Status syncFolder(const std::filesystem::path &folder);

Status createFolders(const std::filesystem::path &folder);

/// Bytes that this user may still write to the file system of `path`.
Result<uint64_t> freeSpace(const std::filesystem::path &path);

/// A file's bytes as memory, read-only. An empty file has no bytes.
class MappedFile {
public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;

  static Result<MappedFile> open(const std::filesystem::path &path);
  std::span<const std::byte> bytes() const { return {memory, length}; }

  /// Asks the system to have these bytes in memory soon; does not wait.
  void prefetch(size_t first, size_t count) const;

private:
  const std::byte *memory = nullptr;
  size_t length = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_FILES_H
