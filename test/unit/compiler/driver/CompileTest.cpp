//===- CompileTest.cpp - compileDesign as the runtime calls it ------------===//
#include "compiler/driver/Compile.h"
#include "compiler/driver/Emit.h"
#include "runtime/abi/DecayPackage.h"

#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace decay {
namespace {

namespace fs = std::filesystem;

class CompileTest : public testing::Test {
protected:
  CompileTest() {
    std::string model =
        (fs::temp_directory_path() / "decay-compile-XXXXXX").string();
    folder = mkdtemp(model.data());
  }
  ~CompileTest() override { fs::remove_all(folder); }

  CompileRequest request(const std::string &design) {
    CompileRequest request;
    request.design = design;
    request.outputDirectory = folder / "out";
    return request;
  }
  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return folder / name;
  }

  fs::path folder;
};

constexpr const char *mine = "design mine\n  project f\n  λ = sigmoid(f)\n";

TEST_F(CompileTest, APackageIsMadeOnceAndKept) {
  CompileOutcome first = compileDesign(request("simple_decay"));
  ASSERT_EQ(first.exitCode, 0) << first.diagnostics;
  EXPECT_EQ(first.diagnostics, "");
  EXPECT_FALSE(first.reused);
  EXPECT_EQ(first.hash.size(), 64u);
  std::ifstream file(first.manifestPath);
  auto manifest = nlohmann::json::parse(file);
  EXPECT_EQ(manifest["hash"], first.hash);
  EXPECT_EQ(manifest["design"], "simple_decay");
  EXPECT_TRUE(fs::exists(first.headerPath));

  CompileOutcome second = compileDesign(request("simple_decay"));
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(second.packagePath, first.packagePath);
  EXPECT_EQ(second.hash, first.hash);

  CompileRequest other = request("simple_decay");
  other.settings = {{"p", "0.5"}};
  CompileOutcome third = compileDesign(other);
  ASSERT_EQ(third.exitCode, 0) << third.diagnostics;
  EXPECT_FALSE(third.reused);
  EXPECT_NE(third.hash, first.hash);
}

TEST_F(CompileTest, OperandsFollowTheManifest) {
  CompileOutcome made = compileDesign(request("lightnet"));
  ASSERT_EQ(made.exitCode, 0) << made.diagnostics;
  void *library = dlopen(made.packagePath.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto query = reinterpret_cast<DecayPackageQuery>(
      dlsym(library, DECAY_PACKAGE_QUERY_SYMBOL));
  DecayHost host = {1, 1};
  const DecayPackage *package = query(DECAY_ABI_VERSION, &host);
  ASSERT_NE(package, nullptr);
  auto manifest = nlohmann::json::parse(package->manifest);

  std::vector<std::string> inputs, gradients, initial, final;
  for (const char *kind : {"projections", "parameters"})
    for (const auto &value : manifest[kind]) {
      inputs.push_back(value["name"]);
      gradients.push_back("d_" + value["name"].get<std::string>());
    }
  std::vector<std::string> carried = {"state"};
  for (const auto &carry : manifest["carries"])
    carried.push_back(carry["name"]);
  EXPECT_GT(carried.size(), 1u) << "lightnet carries its running sum";
  auto expect = [&](const DecayEntry &entry,
                    std::vector<std::vector<std::string>> groups) {
    std::vector<std::string> wanted, found;
    for (const auto &group : groups)
      wanted.insert(wanted.end(), group.begin(), group.end());
    for (int32_t i = 0; i < entry.operand_count; ++i)
      found.push_back(entry.operands[i].name);
    EXPECT_EQ(found, wanted) << entry.role;
  };
  auto with = [&](const std::string &prefix) {
    std::vector<std::string> names;
    for (const std::string &name : carried)
      names.push_back(prefix + name);
    return names;
  };
  ASSERT_EQ(package->entry_count, 4);
  expect(package->entries[0],
         {inputs, with("initial_"), {"o"}, with("final_"), {"lambda"}});
  expect(package->entries[1], {inputs,
                               with("initial_"),
                               {"d_o"},
                               with("d_final_"),
                               gradients,
                               with("d_initial_")});
  expect(package->entries[2],
         {inputs, with("initial_"), {"o"}, with("final_"), {"lambda"}});
  EXPECT_STREQ(package->entries[3].role, "init_parameters");
  dlclose(library);
}

TEST_F(CompileTest, AFilesFirstDesignOrTheOneNamed) {
  std::string path =
      write("two.decay", std::string(mine) + "design other\n  project f\n"
                                             "  log λ = -softplus(f)\n");
  CompileOutcome first = compileDesign(request(path));
  ASSERT_EQ(first.exitCode, 0) << first.diagnostics;
  EXPECT_EQ(fs::path(first.packagePath).filename(), "mine.so");
  CompileOutcome named = compileDesign(request(path + ":other"));
  ASSERT_EQ(named.exitCode, 0) << named.diagnostics;
  EXPECT_EQ(fs::path(named.packagePath).filename(), "other.so");
}

TEST_F(CompileTest, TheUsersMistakesAreLocated) {
  std::string path =
      write("bad.decay", "design mine\n  project f\n  λ = sigmoid(fx)\n");
  CompileOutcome outcome = compileDesign(request(path));
  EXPECT_EQ(outcome.exitCode, 1);
  EXPECT_NE(outcome.diagnostics.find("bad.decay:3:15: error: "),
            std::string::npos)
      << outcome.diagnostics;
  EXPECT_FALSE(fs::exists(folder / "out"));

  outcome = compileDesign(request("mambo2"));
  EXPECT_EQ(outcome.exitCode, 1);
  EXPECT_NE(outcome.diagnostics.find("did you mean 'mamba2'?"),
            std::string::npos);

  CompileRequest foreign = request("gla");
  foreign.target = "abacus";
  outcome = compileDesign(foreign);
  EXPECT_EQ(outcome.exitCode, 1);
  EXPECT_NE(outcome.diagnostics.find("no target is called 'abacus'"),
            std::string::npos);
}

TEST_F(CompileTest, AFileThatIsTooLongIsRefusedAtItsStart) {
  std::string path = write("long.decay", mine + std::string(1 << 20, '#'));
  CompileOutcome outcome = compileDesign(request(path));
  EXPECT_EQ(outcome.exitCode, 1);
  EXPECT_NE(outcome.diagnostics.find("long.decay:1:1: error: "),
            std::string::npos)
      << outcome.diagnostics.substr(0, 300);
}

TEST_F(CompileTest, TheWorldsFailuresAreNotTheUsers) {
  CompileOutcome outcome = compileDesign(request(folder / "absent.decay"));
  EXPECT_EQ(outcome.exitCode, 3);
  EXPECT_NE(outcome.diagnostics.find("absent.decay': No such file"),
            std::string::npos);

  write("taken", "");
  CompileRequest blocked = request("simple_decay");
  blocked.outputDirectory = folder / "taken";
  EXPECT_EQ(compileDesign(blocked).exitCode, 3);
}

TEST_F(CompileTest, WarningsLeaveTheCodeAtZero) {
  EmitOutcome outcome = emitDesign(request("tnl_l"), "decay", "");
  EXPECT_EQ(outcome.exitCode, 0);
  EXPECT_NE(
      outcome.diagnostics.find("warning: cannot prove that λ lies in [0, 1]"),
      std::string::npos);
  EXPECT_NE(outcome.output.find("decay.check_range"), std::string::npos);
}

TEST(LibraryTest, EveryDesignIsDescribed) {
  std::string text = describeLibrary();
  auto json = nlohmann::json::parse(describeLibraryAsJson());
  std::vector<std::string> names = libraryDesigns();
  ASSERT_GE(names.size(), 12u);
  ASSERT_EQ(json.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_NE(text.find(names[i]), std::string::npos);
    EXPECT_EQ(json[i]["design"], names[i]);
  }
}

} // namespace
} // namespace decay
