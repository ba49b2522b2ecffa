//===- CheckpointDamageTest.cpp -------------------------------------------===//

#include "test/unit/runtime/checkpoint/CheckpointFixture.h"

#include <fstream>
#include <random>

using namespace decay::runtime;
namespace fs = std::filesystem;

namespace {
class CheckpointDamage : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(small.save(temporary.path(), 1).ok());
    ASSERT_TRUE(small.save(temporary.path(), 2).ok());
    newest = temporary.path() / "step-000002";
    for (const auto &entry : fs::directory_iterator(newest))
      files.push_back(entry.path());
    std::ranges::sort(files);
  }

  static void overwrite(const fs::path &path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  /// The newest is refused with a message that has `part`; when asked, the one
  /// before is taken.
  void expectRefused(const std::string &part) {
    Status status = SmallRun::stepOf(temporary.path()).status();
    ASSERT_FALSE(status.ok());
    ASSERT_EQ(status.code(), StatusCode::World);
    ASSERT_NE(status.message().find(part), std::string::npos)
        << status.message();
    auto fallen = Checkpoint::load(temporary.path(), true);
    ASSERT_TRUE(fallen.ok());
    ASSERT_EQ(fallen->state().step, 1);
    ASSERT_EQ(fallen->refused().size(), 1u);
    ASSERT_EQ(fallen->refused()[0], status.message());
  }

  TemporaryFolder temporary;
  SmallRun small;
  fs::path newest;
  std::vector<fs::path> files;
};
} // namespace

TEST_F(CheckpointDamage, FlippedBytesAnywhere) {
  std::mt19937 random(7);
  ASSERT_EQ(files.size(), 6u);
  for (const fs::path &file : files) {
    std::string whole = *readFile(file);
    for (int trial = 0; trial < 150; ++trial) {
      std::string bytes = whole;
      bytes[random() % bytes.size()] ^= static_cast<char>(random() % 255 + 1);
      overwrite(file, bytes);
      ASSERT_FALSE(SmallRun::stepOf(temporary.path()).ok()) << file;
    }
    overwrite(file, whole);
    ASSERT_TRUE(SmallRun::stepOf(temporary.path()).ok());
  }
}

TEST_F(CheckpointDamage, FlippedNumberNamesItsTensor) {
  for (auto [file, tensor] : {std::pair{"model.safetensors", "model.weight"},
                              {"optimizer.safetensors", "first.weight"}}) {
    std::string whole = *readFile(newest / file);
    std::string bytes = whole;
    bytes[bytes.size() - 5] ^= 1;
    overwrite(newest / file, bytes);
    expectRefused(std::string(file) + ": tensor '" + tensor + "' is damaged");
    overwrite(newest / file, whole);
  }
}

TEST_F(CheckpointDamage, TruncationAtAnyOffset) {
  for (const fs::path &file : files) {
    std::string whole = *readFile(file);
    for (size_t length = 0; length < whole.size();
         length += 1 + whole.size() / 97) {
      overwrite(file, whole.substr(0, length));
      ASSERT_FALSE(SmallRun::stepOf(temporary.path()).ok())
          << file << " " << length;
    }
    overwrite(file, whole.substr(0, whole.size() - 1));
    expectRefused(file.filename() == "tokenizer.json" ? "tokenizer.json"
                                                      : "step-000002");
    overwrite(file, whole + "x");
    expectRefused("step-000002");
    fs::remove(file);
    expectRefused(file.filename().string());
    overwrite(file, whole);
  }
}

TEST_F(CheckpointDamage, FilesOfAnotherStep) {
  for (const char *name : {"model.safetensors", "optimizer.safetensors"}) {
    std::string own = *readFile(newest / name);
    overwrite(newest / name,
              *readFile(temporary.path() / "step-000001" / name));
    expectRefused(std::string(name) + " belongs to another checkpoint");
    overwrite(newest / name, own);
  }
}

TEST_F(CheckpointDamage, NamesThatLeaveTheFolder) {
  overwrite(newest / "checksums.txt",
            std::string(64, 'a') + "  ../step-000001/config.json\n");
  expectRefused("checksums.txt is damaged");
}

TEST_F(CheckpointDamage, AllDamaged) {
  overwrite(newest / "training.json", "{}");
  overwrite(temporary.path() / "step-000001" / "training.json", "{}");
  Status status = Checkpoint::load(temporary.path(), true).status();
  EXPECT_EQ(status.message().find("no checkpoint is whole; "), 0u);
}
