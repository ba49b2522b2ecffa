//===- SharedLibrary.cpp - A file that the dynamic linker opens -----------===//

#include "runtime/kernels/SharedLibrary.h"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <vector>

namespace decay::runtime {

/// Whether [offset, offset + count * size) is part of a file of `bytes`.
static bool reaches(uint64_t bytes, uint64_t offset, uint64_t count,
                    uint64_t size) {
  uint64_t length = 0, end = 0;
  return !__builtin_mul_overflow(count, size, &length) &&
         !__builtin_add_overflow(offset, length, &end) && end <= bytes;
}

/// Whether everything that the file's headers speak of is in the file. The
/// table of sections stands at its end, so that not one byte may be missing.
static bool isWhole(std::ifstream &file, uint64_t bytes) {
  Elf64_Ehdr header;
  if (!file.read(reinterpret_cast<char *>(&header), sizeof(header)) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr) ||
      !reaches(bytes, header.e_phoff, header.e_phnum, header.e_phentsize) ||
      !reaches(bytes, header.e_shoff, header.e_shnum, header.e_shentsize))
    return false;
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  if (!file.read(
          reinterpret_cast<char *>(segments.data()),
          static_cast<std::streamsize>(segments.size() * sizeof(Elf64_Phdr))))
    return false;
  for (const Elf64_Phdr &segment : segments)
    if (!reaches(bytes, segment.p_offset, segment.p_filesz, 1))
      return false;
  return true;
}

Result<SharedLibrary> openSharedLibrary(const std::string &path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return Status::world(
        "no such file: make it with `decayc <design> -o <folder>`");
  std::ifstream file(path, std::ios::binary);
  uint64_t bytes = std::filesystem::file_size(path, error);
  if (error || !isWhole(file, bytes))
    return Status::world("not a whole shared library: remove it and compile "
                         "the design again");
  // A path with a slash keeps the dynamic linker from searching elsewhere.
  std::string absolute = std::filesystem::absolute(path, error).string();
  void *library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::world(fmt::format(
        "not a shared library that this machine can load ({})", dlerror()));
  return SharedLibrary(library, [](void *open) { dlclose(open); });
}

} // namespace decay::runtime
