//===- TemporaryFolder.h - A folder for one test ---------------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
#define DECAY_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H

#include <cassert>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace decay::runtime {

/// Created empty, removed with all it holds. In memory where there is such a
/// folder, because tests that flush to a busy disk would wait for it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    for (const std::filesystem::path &parent :
         {std::filesystem::path("/dev/shm"),
          std::filesystem::temp_directory_path()}) {
      std::string name = (parent / "decay-test-XXXXXX").string();
      if (folder.empty() && mkdtemp(name.data()))
        folder = name;
    }
    assert(!folder.empty());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  const std::filesystem::path &path() const { return folder; }

private:
  std::filesystem::path folder;
};

} // namespace decay::runtime

#endif // DECAY_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
