//===- LoadTest.cpp - Opening a package -----------------------------------===//

#include "runtime/device/cpu/Processor.h"
#include "runtime/kernels/KernelLibrary.h"

#include <fstream>
#include <gtest/gtest.h>

using namespace decay::runtime;

static std::string packagePath(const std::string &defect) {
  return DECAY_TEST_PACKAGE_FOLDER "/test_package_" + defect + ".so";
}

TEST(Load, ReadsTableAndManifest) {
  Result<KernelLibrary> library = KernelLibrary::load(packagePath("none"));
  ASSERT_TRUE(library.ok()) << library.status().message();
  EXPECT_EQ(library->manifest().design, "by_hand");
  EXPECT_EQ(library->target(), "cpu");
  EXPECT_EQ(library->variant(), "portable");
  for (KernelRole role : {KernelRole::Forward, KernelRole::Backward,
                          KernelRole::Step, KernelRole::InitParameters})
    EXPECT_TRUE(library->has(role)) << toString(role);
  std::span<const KernelOperandInfo> operands =
      library->operands(KernelRole::Forward);
  ASSERT_EQ(operands.size(), 9u);
  EXPECT_EQ(operands[5].name, "initial_state");
  EXPECT_TRUE(operands[5].optional);
  EXPECT_FALSE(operands[5].written);
  EXPECT_TRUE(operands[6].written);
  EXPECT_EQ(operands[6].shape.text(), "B T H V");
}

TEST(Load, LivesAsLongAsItsLastCopy) {
  std::unique_ptr<KernelLibrary> copy;
  {
    Result<KernelLibrary> library = KernelLibrary::load(packagePath("none"));
    ASSERT_TRUE(library.ok());
    copy = std::make_unique<KernelLibrary>(*library);
  }
  EXPECT_EQ(copy->variant(), "portable");
}

TEST(Load, TheHostIsOneThatPackagesKnow) {
  DecayHost host = detectHost();
  EXPECT_LE(host.has_avx512, host.has_avx2_fma);
}

namespace {
struct BadPackage {
  const char *defect;
  const char *message;
};
} // namespace

TEST(Load, RefusesEachDefectByName) {
  const BadPackage packages[] = {
      {"version",
       "its interface has version 4, expected 3: compile the design again"},
      {"refuses", "does not speak version 3 of the package interface: compile"},
      {"needs_avx512", "no code for this processor"},
      {"manifest", "manifest: 'design' is missing"},
      {"hash", "or their hashes differ"},
      {"shape", "entry 'forward': the shape 'B T H Q' is not a list"},
      {"twice", "the entry 'forward' twice"},
      {"incomplete", "incomplete entry"},
      {"type", "the operand 'q' has the number type 7"},
      {"no_text", "lacks the design, hash"},
      {"no_entries", "its table has 0 entries"},
  };
  for (const BadPackage &package : packages) {
    std::string path = packagePath(package.defect);
    Result<KernelLibrary> library = KernelLibrary::load(path, DecayHost{1, 0});
    ASSERT_FALSE(library.ok()) << package.defect;
    EXPECT_EQ(library.status().code(), StatusCode::World);
    EXPECT_EQ(library.status().message().rfind("package " + path + ": ", 0),
              0u);
    EXPECT_NE(library.status().message().find(package.message),
              std::string::npos)
        << package.defect << ": " << library.status().message();
  }
}

TEST(Load, TakesThePackageThatFitsTheHost) {
  EXPECT_TRUE(
      KernelLibrary::load(packagePath("needs_avx512"), DecayHost{1, 1}).ok());
}

TEST(Load, RefusesWhatIsNoPackage) {
  Result<KernelLibrary> missing = KernelLibrary::load("no/such.so");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(
      missing.status().message().find("no such file: make it with `decayc"),
      std::string::npos);
  std::string path = testing::TempDir() + "decay_not_a_library.so";
  std::ofstream(path) << "text";
  for (const std::string &bad : {path, testing::TempDir()}) {
    Result<KernelLibrary> library = KernelLibrary::load(bad);
    ASSERT_FALSE(library.ok());
    EXPECT_NE(library.status().message().find("not a whole shared library"),
              std::string::npos);
  }
  std::remove(path.c_str());
}

TEST(Load, RefusesALibraryWithoutTheQuery) {
  Result<KernelLibrary> library = KernelLibrary::load(
      DECAY_TEST_PACKAGE_FOLDER "/test_package_no_query.so");
  ASSERT_FALSE(library.ok());
  EXPECT_NE(library.status().message().find(
                "without the symbol 'decay_package_query'"),
            std::string::npos);
}

TEST(Load, RefusesATornFileWhereverItEnds) {
  std::ifstream file(packagePath("none"), std::ios::binary);
  std::string whole{std::istreambuf_iterator<char>(file), {}};
  ASSERT_GT(whole.size(), 1000u);
  std::string path = testing::TempDir() + "decay_torn.so";
  for (size_t length = 0; length < whole.size(); length += 97) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, length);
    Result<KernelLibrary> library = KernelLibrary::load(path);
    ASSERT_FALSE(library.ok()) << length;
    EXPECT_NE(library.status().message().find("not a whole shared library"),
              std::string::npos);
  }
  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() - 1);
  EXPECT_FALSE(KernelLibrary::load(path).ok());
  std::remove(path.c_str());
}
