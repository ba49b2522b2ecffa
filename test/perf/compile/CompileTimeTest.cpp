//===- CompileTimeTest.cpp - Seconds to a package, the same bytes each time
//===//
//
// Processor time is measured, not the clock on the wall: other work on the
// machine must not fail the test. Every design is compiled twice, in two
// folders.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Compile.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace decay {
namespace {

namespace fs = std::filesystem;
constexpr double mostSeconds = 3;

std::string bytesOf(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class CompileTime : public testing::TestWithParam<std::string> {};

TEST_P(CompileTime, SecondsAndBytes) {
  std::string model =
      (fs::temp_directory_path() / "decay-time-XXXXXX").string();
  fs::path folder = mkdtemp(model.data());
  double best = mostSeconds + 1;
  CompileOutcome outcomes[2];
  for (int run = 0; run < 2; ++run) {
    CompileRequest request;
    request.design = GetParam();
    request.outputDirectory = folder / std::to_string(run);
    clock_t start = clock();
    outcomes[run] = compileDesign(request);
    best = std::min(best, double(clock() - start) / CLOCKS_PER_SEC);
    ASSERT_EQ(outcomes[run].exitCode, 0) << outcomes[run].diagnostics;
  }
  printf("%-24s %.2f s of processor time\n", GetParam().c_str(), best);
  EXPECT_LE(best, mostSeconds);
  for (std::string CompileOutcome::*path :
       {&CompileOutcome::packagePath, &CompileOutcome::headerPath,
        &CompileOutcome::manifestPath})
    EXPECT_TRUE(bytesOf(outcomes[0].*path) == bytesOf(outcomes[1].*path))
        << outcomes[0].*path;
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Library, CompileTime,
                         testing::ValuesIn(libraryDesigns()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace decay
