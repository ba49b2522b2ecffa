//===- TemporaryFolder.h - A folder for one test ---------------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
#define DECAY_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H

#include <cassert>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace decay::runtime {

/// Created empty, removed with all it holds.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "decay-test-XXXXXX").string();
    [[maybe_unused]] const char *made = mkdtemp(name.data());
    assert(made);
    folder = name;
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
