//===- Gpt2Test.cpp - GPT-2's vocabulary ----------------------------------===//

#include "runtime/tokenizer/Gpt2.h"

#include "runtime/core/Files.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <random>

using namespace decay::runtime;
namespace fs = std::filesystem;

namespace {
/// Where the set-up puts the vocabulary; tests that need it are skipped without
/// one.
class Gpt2 : public testing::Test {
protected:
  void SetUp() override {
    const fs::path folders[] = {DECAY_WHEELS};
    file = findGpt2(folders).value_or("");
    if (file.empty())
      GTEST_SKIP() << "no GPT-2 vocabulary in " << DECAY_WHEELS
                   << "; test/support/setup.sh test puts it there";
    auto loaded = loadGpt2(file);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    tokenizer = *loaded;
  }
  fs::path file;
  Tokenizer tokenizer;
};
} // namespace

TEST_F(Gpt2, KnownEncodings) {
  EXPECT_EQ(tokenizer.vocabularySize(), 50257);
  EXPECT_EQ(tokenizer.endOfText(), 50256);
  EXPECT_EQ(tokenizer.encode("hello world"), (std::vector<Token>{31373, 995}));
  EXPECT_EQ(tokenizer.encode("!"), std::vector<Token>{0});
  EXPECT_EQ(tokenizer.bytesOf(220), " ");
  EXPECT_EQ(tokenizer.bytesOf(198), "\n");
  EXPECT_EQ(tokenizer.bytesOf(50255), " gazed");
}

// tiktoken merges neighbours whose joined bytes are a token, whichever pair the
// token was made of. Both ways go through the same states inside every
// stretch that ends as one token, exactly if each token is its own encoding.
TEST_F(Gpt2, EveryTokenIsItsOwnEncoding) {
  for (Token token = 0; token < tokenizer.endOfText(); ++token) {
    std::vector<Token> encoded;
    PieceEncoder::merge(tokenizer.mergeRules(), tokenizer.bytesOf(token),
                        encoded);
    ASSERT_EQ(encoded, std::vector<Token>{token});
  }
}

TEST_F(Gpt2, SurvivesItsFile) {
  auto parsed = Tokenizer::parse(tokenizer.serialize(), "t.json");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->hash(), tokenizer.hash());
  EXPECT_EQ(parsed->encode("It's 5 o'clock"),
            tokenizer.encode("It's 5 o'clock"));
}

TEST_F(Gpt2, ADamagedFileIsRefused) {
  TemporaryFolder folder;
  std::string text = *readFile(file);
  text[1000] ^= 1;
  fs::path damaged = folder.path() / "gpt2.tiktoken";
  ASSERT_TRUE(writeFileAtomic(damaged, text).ok());
  EXPECT_EQ(findGpt2(std::vector{folder.path()}), damaged);
  Status status = loadGpt2(damaged).status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find(damaged.string() +
                                  ": not GPT-2's vocabulary: its SHA-256 is"),
            std::string::npos);
}

TEST(Gpt2File, AnyOtherIsRefused) {
  TemporaryFolder folder;
  EXPECT_EQ(findGpt2(std::vector{folder.path()}), std::nullopt);
  EXPECT_EQ(loadGpt2(folder.path() / "none").status().code(),
            StatusCode::World);
  ASSERT_TRUE(writeFileAtomic(folder.path() / "vocab.bpe", "a b\n").ok());
  EXPECT_EQ(loadGpt2(folder.path() / "vocab.bpe").status().code(),
            StatusCode::User);
}
