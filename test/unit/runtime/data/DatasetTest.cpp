//===- DatasetTest.cpp ----------------------------------------------------===//

#include "runtime/data/Dataset.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace decay::runtime;
namespace fs = std::filesystem;

namespace {
class DatasetTest : public testing::Test {
protected:
  void SetUp() override { fs::create_directories(text()); }

  fs::path text() const { return temporary.path() / "text"; }
  fs::path data() const { return temporary.path() / "data"; }

  void write(const fs::path &name, const std::string &content) const {
    fs::create_directories((text() / name).parent_path());
    std::ofstream(text() / name, std::ios::binary) << content;
  }
  void writeBooks(int count) const {
    for (int i = 0; i < count; ++i) {
      std::string content;
      for (int line = 0; line < 20 + i; ++line)
        content += "the cat number " + std::to_string(i * line) + " sat\n";
      write("book" + std::to_string(i) + ".txt", content);
    }
  }
  Status prepare(DatasetOptions options = {.vocabularySize = 300}) const {
    auto files = chooseSplits({text()}, options);
    if (!files.ok())
      return std::move(files).status();
    return prepareDataset(*files, data(), options, std::nullopt, {});
  }

  std::string preparationRefused(DatasetOptions options) const {
    Status status = prepare(options);
    EXPECT_EQ(status.code(), StatusCode::User);
    EXPECT_FALSE(fs::exists(data() / "dataset.json"));
    return status.message();
  }
  std::map<fs::path, std::string> content() const {
    std::map<fs::path, std::string> files;
    for (const auto &entry : fs::directory_iterator(data()))
      files[entry.path()] = *readFile(entry.path());
    return files;
  }

  TemporaryFolder temporary;
};

/// Lines of JSON whose texts are "document 0 ...", "document 1 ...", ...
std::string jsonLines(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += R"({"id": )" + std::to_string(i) + R"(, "text": "document )" +
             std::to_string(i) + R"( \u00e9\nend"})" + "\r\n";
    if (i % 10 == 0)
      lines += " \n";
  }
  return lines;
}

std::string decoded(const Dataset &dataset, Split split) {
  const TokenSequence &tokens = dataset.tokens.of(split);
  std::vector<Token> all(static_cast<size_t>(tokens.size()));
  tokens.read(0, all);
  return *dataset.tokenizer.decode(all);
}

std::string joined(const std::vector<fs::path> &files) {
  std::string all;
  for (const fs::path &path : files)
    all += *readFile(path);
  return all;
}
} // namespace

TEST_F(DatasetTest, EverySplitComesBackExactly) {
  writeBooks(20);
  write("binary", std::string("\0\xff\xfe\r\n", 5));
  DatasetOptions options{.vocabularySize = 300, .shardTokens = 1000};
  ASSERT_TRUE(prepare(options).ok());
  auto files = chooseSplits({text()}, options);
  auto dataset = Dataset::open(data());
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  int64_t total = 0;
  for (Split split : allSplits) {
    const SplitSummary &summary = dataset->summary.of(split);
    std::string expected = joined(files->of(split));
    EXPECT_EQ(decoded(*dataset, split), expected);
    EXPECT_EQ(summary.bytes, static_cast<int64_t>(expected.size()));
    EXPECT_EQ(summary.tokens, dataset->tokens.of(split).size());
    EXPECT_EQ(summary.files.size(), files->of(split).size());
    EXPECT_FALSE(summary.files.empty());
    total += summary.bytes;
  }
  EXPECT_GE(dataset->summary.of(Split::Test).bytes, total / 20);
  EXPECT_TRUE(fs::exists(data() / "train-001.bin"));
  // The end of a text stands before each file.
  int32_t first = 0;
  dataset->tokens.of(Split::Train).read(0, {&first, 1});
  EXPECT_EQ(first, dataset->tokenizer.endOfText());
}

TEST_F(DatasetTest, SameTextGivesTheSameBytes) {
  writeBooks(9);
  ASSERT_TRUE(prepare().ok());
  std::map<fs::path, std::string> before = content();
  EXPECT_EQ(before.size(), 5u);
  ASSERT_TRUE(prepare().ok());
  EXPECT_EQ(content(), before);
}

// Texts of several parts and many documents; shards of an older dataset go.
TEST_F(DatasetTest, AnyNumberOfThreadsGivesTheSameBytes) {
  std::string large;
  for (int i = 0; i < 200'000; ++i)
    large += "line " + std::to_string(i) + " of many\n";
  write("train/large.txt", large);
  write("train/lines.jsonl", jsonLines(500));
  write("validation/a", "a");
  write("test/lines.jsonl", jsonLines(3));
  ASSERT_TRUE(prepare({.vocabularySize = 300, .shardTokens = 5000}).ok());
  EXPECT_TRUE(fs::exists(data() / "train-002.bin"));
  ASSERT_TRUE(prepare({.vocabularySize = 300, .threads = 1}).ok());
  std::map<fs::path, std::string> before = content();
  EXPECT_EQ(before.size(), 5u);
  ASSERT_TRUE(prepare({.vocabularySize = 300, .threads = 3}).ok());
  EXPECT_EQ(content(), before);
}

TEST_F(DatasetTest, DocumentsOfJsonLinesAreSplitByTheSeed) {
  write("lines.jsonl", jsonLines(400));
  ASSERT_TRUE(prepare().ok());
  auto dataset = Dataset::open(data());
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  std::multiset<std::string> found;
  for (Split split : allSplits) {
    std::string text = decoded(*dataset, split);
    const SplitSummary &summary = dataset->summary.of(split);
    EXPECT_EQ(summary.bytes, static_cast<int64_t>(text.size()));
    EXPECT_GT(summary.documents, 5);
    for (size_t end; !text.empty(); text.erase(0, end)) {
      end = text.find("end") + 3;
      found.insert(text.substr(0, end));
    }
  }
  EXPECT_EQ(found.size(), 400u);
  for (int i = 0; i < 400; ++i)
    EXPECT_TRUE(
        found.contains("document " + std::to_string(i) + " \u00e9\nend"));
  EXPECT_EQ(preparationRefused({.testShare = 1e-9, .vocabularySize = 300}),
            "no document fell to 'test'; give more documents, a larger share "
            "or 0");
}

TEST_F(DatasetTest, DamagedJsonLinesAreLocated) {
  const std::pair<const char *, const char *> rows[] = {
      {"{\"text\": \"a\"}\n{\"text\": \"b}\n", " line 2:1:13: error: "},
      {"{\"text\": \"a\"}\n\n[]\n", " line 3: expected an object"},
      {"{\"txt\": \"a\"}", " line 1: 'text' is missing"},
      {"{\"text\": 3}", " line 1: 'text': expected a string, found 3"},
      {"{\"text\": \"\xff\"}", " line 1:1:"}};
  for (auto [lines, expected] : rows) {
    write("lines.jsonl", lines);
    std::string message = preparationRefused(
        {.validationShare = 0, .testShare = 0, .vocabularySize = 300});
    EXPECT_EQ(message.find((text() / "lines.jsonl").string() + expected), 0u)
        << message;
  }
}

TEST_F(DatasetTest, ATokenizerMayBeGiven) {
  writeBooks(6);
  auto files = chooseSplits({text()}, {});
  ASSERT_TRUE(prepareDataset(*files, data(), {}, Tokenizer(), {}).ok());
  auto dataset = Dataset::open(data());
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  EXPECT_EQ(dataset->tokenizer.vocabularySize(), 257);
  EXPECT_EQ(decoded(*dataset, Split::Test), joined(files->of(Split::Test)));
}

TEST_F(DatasetTest, PackedFilesAreRefused) {
  writeBooks(5);
  write("web.jsonl.zst", "?");
  Status status = chooseSplits({text()}, {}).status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("web.jsonl.zst: packed; turn it into"),
            std::string::npos);
}

TEST_F(DatasetTest, SplitIsByFileAndFromTheSeed) {
  writeBooks(30);
  write(".hidden", "x");
  write("deep/er.txt", "y");
  std::set<std::set<fs::path>> tests;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    auto files = chooseSplits({text()}, {.seed = seed});
    ASSERT_TRUE(files.ok());
    std::set<fs::path> all;
    for (const auto &part : *files)
      all.insert(part.begin(), part.end());
    EXPECT_EQ(all.size(), 31u);
    EXPECT_FALSE(all.contains(text() / ".hidden"));
    auto &test = files->of(Split::Test);
    tests.insert(std::set(test.begin(), test.end()));
  }
  EXPECT_GT(tests.size(), 2u);
}

TEST_F(DatasetTest, FoldersThatAreSplitAlready) {
  write("train/a", "aa");
  write("validation/b", "b");
  EXPECT_FALSE(chooseSplits({text()}, {}).ok());
  write("test/c", "c");
  auto files = chooseSplits({text()}, {});
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->of(Split::Train), std::vector{text() / "train" / "a"});
  EXPECT_EQ(files->of(Split::Test), std::vector{text() / "test" / "c"});
}

TEST_F(DatasetTest, TooFewFiles) {
  writeBooks(2);
  EXPECT_EQ(chooseSplits({text()}, {}).status().message(),
            "expected at least 3 text files, because whole files are held out; "
            "found 2");
  EXPECT_TRUE(chooseSplits({text()}, {.testShare = 0}).ok());
  writeBooks(3);
  auto files = chooseSplits({text()}, {.testShare = 0.99});
  ASSERT_TRUE(files.ok());
  for (Split split : allSplits)
    EXPECT_EQ(files->of(split).size(), 1u);
  EXPECT_EQ(chooseSplits({text() / "none"}, {}).status().code(),
            StatusCode::World);
}

TEST_F(DatasetTest, NoTextToTrainOn) {
  for (const char *name : {"a", "b", "c"})
    write(name, "");
  EXPECT_EQ(prepare().message(), "the training files hold no text");
}

TEST_F(DatasetTest, RefusesWhatDoesNotBelongTogether) {
  writeBooks(6);
  ASSERT_TRUE(prepare().ok());
  auto refusal = [&] { return Dataset::open(data()).status().message(); };
  std::string json = *readFile(data() / "dataset.json");
  std::string tokenizer = *readFile(data() / "tokenizer.json");
  auto put = [&](const char *name, const std::string &bytes) {
    ASSERT_TRUE(writeFileAtomic(data() / name, bytes).ok());
  };

  put("tokenizer.json", Tokenizer().serialize());
  EXPECT_NE(refusal().find("made with another tokenizer"), std::string::npos);
  put("tokenizer.json", tokenizer);

  std::string other = json;
  other.replace(other.find("train-000.bin"), 13, "../../etc/x.y");
  put("dataset.json", other);
  EXPECT_NE(refusal().find("a shard's name is damaged"), std::string::npos);
  put("dataset.json", "{");
  EXPECT_NE(refusal().find("syntax error"), std::string::npos);
  put("dataset.json", "{}");
  EXPECT_NE(refusal().find("'format' is missing"), std::string::npos);
  put("dataset.json", json);
  EXPECT_EQ(refusal(), "");

  ASSERT_TRUE(
      writeShard(data() / "test-000.bin", std::vector<uint16_t>{1, 2, 3}).ok());
  EXPECT_NE(refusal().find("test: its shards hold 3 tokens, not"),
            std::string::npos);
  fs::remove(data() / "test-000.bin");
  EXPECT_NE(refusal().find("test-000.bin: cannot open"), std::string::npos);
}

// A shape that no writer makes must not end the program.
TEST_F(DatasetTest, JsonOfOtherShapesIsRefused) {
  writeBooks(6);
  ASSERT_TRUE(prepare().ok());
  std::string hash = Tokenizer::load(data() / "tokenizer.json")->hash();
  for (const char *splits :
       {"1", "[]", "{\"train\": 1}", "{\"train\": {\"bytes\": -1}}",
        "{\"train\": {\"bytes\": 1, \"tokens\": 1, \"files\": 1}}",
        "{\"train\": {\"bytes\": 1, \"tokens\": 1, \"shards\": {\"a\": 1}}}",
        "{\"train\": {\"bytes\": 1, \"tokens\": 1, \"shards\": [\"..\"]}}"}) {
    std::string json = "{\"format\": 1, \"tokenizer\": \"" + hash +
                       "\", \"splits\": " + splits + "}";
    ASSERT_TRUE(writeFileAtomic(data() / "dataset.json", json).ok());
    EXPECT_FALSE(Dataset::open(data()).ok()) << splits;
  }
}

TEST_F(DatasetTest, DocumentsAreFilesWhereTheirNumberIsMissing) {
  writeBooks(6);
  ASSERT_TRUE(prepare().ok());
  std::string json = *readFile(data() / "dataset.json");
  for (size_t at; (at = json.find("\"documents\"")) != std::string::npos;)
    json.erase(at, json.find('\n', at) - at);
  ASSERT_TRUE(writeFileAtomic(data() / "dataset.json", json).ok());
  auto dataset = Dataset::open(data());
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  EXPECT_EQ(dataset->summary.of(Split::Train).documents, 4);
}

TEST_F(DatasetTest, AFolderWithoutDatasetSaysWhatIsMissing) {
  writeBooks(6);
  ASSERT_TRUE(prepare().ok());
  fs::remove(data() / "dataset.json");
  Status status = Dataset::open(data()).status();
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_NE(status.message().find("neither a dataset.json"), std::string::npos);
}

namespace {
/// Names and splits as those of FineWeb-Edu's published shards.
class PublishedShards : public DatasetTest {
protected:
  void SetUp() override {
    fs::create_directories(data());
    setenv("DECAY_GPT2", DECAY_WHEELS "/gpt2.tiktoken", 1);
    if (!fs::exists(DECAY_WHEELS "/gpt2.tiktoken"))
      GTEST_SKIP() << "no GPT-2 vocabulary in " << DECAY_WHEELS
                   << "; test/support/setup.sh test puts it there";
  }
  void TearDown() override { unsetenv("DECAY_GPT2"); }
  void shard(const char *name, std::vector<uint16_t> tokens) const {
    ASSERT_TRUE(writeShard(data() / name, tokens).ok());
  }
};
} // namespace

TEST_F(PublishedShards, LoadAsTheyAre) {
  shard("edu_fineweb_train_000002.bin", {995});
  shard("edu_fineweb_train_000001.bin", {50256, 31373});
  shard("edu_fineweb_val_000000.bin", {50256, 995});
  auto dataset = Dataset::open(data());
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  EXPECT_EQ(decoded(*dataset, Split::Train), "hello world");
  EXPECT_EQ(decoded(*dataset, Split::Validation), " world");
  EXPECT_EQ(dataset->tokens.of(Split::Test).size(), 0);
  EXPECT_EQ(dataset->summary.of(Split::Train).tokens, 3);
}

TEST_F(PublishedShards, DamageIsNamedWithItsPlace) {
  shard("fineweb_train_000001.bin", {1, 2, 50257, 50300});
  Status status = Dataset::open(data()).status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find(
                "fineweb_train_000001.bin: token 50257 at place 2 does not "
                "exist in a vocabulary of 50257"),
            std::string::npos);
  fs::resize_file(data() / "fineweb_train_000001.bin", 1029);
  EXPECT_NE(Dataset::open(data()).status().message().find("it was cut off"),
            std::string::npos);
  setenv("DECAY_GPT2", "/nowhere/gpt2.tiktoken", 1);
  EXPECT_NE(Dataset::open(data()).status().message().find("/nowhere/gpt2"),
            std::string::npos);
}
