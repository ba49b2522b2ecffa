//===- Files.cpp - Reading and writing that says what went wrong ----------===//

#include "runtime/core/Files.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
class Descriptor {
public:
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0)
      ::close(number);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  int get() const { return number; }

private:
  int number;
};

Result<size_t> regularSize(int descriptor, const fs::path &path) {
  struct stat info;
  if (fstat(descriptor, &info) != 0)
    return systemError("inspect", path, errno);
  if (!S_ISREG(info.st_mode))
    return Status::world(fmt::format("{}: not a regular file", path.string()));
  return static_cast<size_t>(info.st_size);
}
} // namespace

Status systemError(std::string_view verb, const fs::path &path, int number) {
  return Status::world(fmt::format("{}: cannot {}: {}", path.string(), verb,
                                   std::generic_category().message(number)));
}

Result<std::string> readFile(const fs::path &path, size_t limit) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    return systemError("open", path, errno);
  DECAY_ASSIGN_OR_RETURN(size_t size, regularSize(file.get(), path));
  if (size > limit)
    return Status::world(fmt::format("{}: {} bytes, at most {} are allowed",
                                     path.string(), size, limit));
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t got = ::read(file.get(), text.data() + done, size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return systemError("read", path, errno);
    if (got == 0)
      break;
    done += static_cast<size_t>(got);
  }
  text.resize(done);
  return text;
}

DurableFile::~DurableFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Status DurableFile::create(const fs::path &where) {
  assert(descriptor < 0);
  path = where;
  descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return descriptor < 0 ? systemError("create", path, errno) : Status();
}

Status DurableFile::write(const void *data, size_t bytes) {
  const char *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t done = ::write(descriptor, from, bytes);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return systemError("write", path, errno);
    from += done;
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

Status DurableFile::close() {
  int open = std::exchange(descriptor, -1);
  int failure = ::fsync(open) != 0 ? errno : 0;
  if (::close(open) != 0 && failure == 0)
    failure = errno;
  return failure ? systemError("write", path, failure) : Status();
}

Status writeFileAtomic(const fs::path &path, std::string_view text) {
  fs::path temporary = path;
  temporary += fmt::format(".tmp-{}", ::getpid());
  auto attempt = [&]() -> Status {
    DurableFile file;
    DECAY_RETURN_IF_ERROR(file.create(temporary));
    DECAY_RETURN_IF_ERROR(file.write(text));
    DECAY_RETURN_IF_ERROR(file.close());
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      return systemError("replace", path, errno);
    return syncFolder(path.has_parent_path() ? path.parent_path() : ".");
  };
  Status status = attempt();
  if (!status.ok())
    ::unlink(temporary.c_str());
  return status;
}

Status syncFolder(const fs::path &folder) {
  Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (open.get() < 0)
    return systemError("open", folder, errno);
  // Some file systems cannot sync a folder and say so with EINVAL.
  if (::fsync(open.get()) != 0 && errno != EINVAL)
    return systemError("write", folder, errno);
  return {};
}

Status createFolders(const fs::path &folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure)
    return systemError("create the folder", folder, failure.value());
  return {};
}

Result<uint64_t> freeSpace(const fs::path &path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0)
    return systemError("inspect", path, errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

MappedFile::~MappedFile() {
  if (memory)
    munmap(const_cast<std::byte *>(memory), length);
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : memory(std::exchange(other.memory, nullptr)),
      length(std::exchange(other.length, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(memory, other.memory);
  std::swap(length, other.length);
  return *this;
}

Result<MappedFile> MappedFile::open(const fs::path &path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    return systemError("open", path, errno);
  DECAY_ASSIGN_OR_RETURN(size_t size, regularSize(file.get(), path));
  MappedFile mapped;
  if (size == 0)
    return mapped;
  void *memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED)
    return systemError("map", path, errno);
  mapped.memory = static_cast<const std::byte *>(memory);
  mapped.length = size;
  return mapped;
}

void MappedFile::prefetch(size_t first, size_t count) const {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t start = first / page * page;
  // Advice that is not taken costs time, nothing else.
  if (memory && first < length)
    (void)madvise(const_cast<std::byte *>(memory) + start,
                  std::min(count, length - first) + first - start,
                  MADV_WILLNEED);
}

} // namespace decay::runtime
