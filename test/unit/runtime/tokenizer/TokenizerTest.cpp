//===- TokenizerTest.cpp --------------------------------------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include "runtime/tokenizer/PieceEncoder.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <algorithm>
#include <ctime>
#include <gtest/gtest.h>
#include <random>

using namespace decay::runtime;

namespace {
/// "he", "ll", "hell", "hello", " w", "aa", "aaaa".
Tokenizer small() {
  auto created = Tokenizer::create({{'h', 'e'},
                                    {'l', 'l'},
                                    {256, 257},
                                    {258, 'o'},
                                    {' ', 'w'},
                                    {'a', 'a'},
                                    {261, 261}});
  EXPECT_TRUE(created.ok()) << created.status().message();
  return *created;
}

/// Merging as the definition says it, piece by piece: the obvious twin.
std::vector<Token> encodeSlowly(const Tokenizer &tokenizer,
                                std::string_view text) {
  std::vector<Token> all;
  PreTokenizer pieces(text);
  for (std::string_view piece = pieces.next(); !piece.empty();
       piece = pieces.next()) {
    std::vector<Token> tokens;
    for (unsigned char byte : piece)
      tokens.push_back(byte);
    for (size_t rank = 0; rank < tokenizer.merges().size(); ++rank) {
      Merge merge = tokenizer.merges()[rank];
      for (size_t i = 0; i + 1 < tokens.size(); ++i)
        if (tokens[i] == merge.left && tokens[i + 1] == merge.right) {
          tokens[i] = static_cast<Token>(256 + rank);
          tokens.erase(tokens.begin() + static_cast<int64_t>(i) + 1);
        }
    }
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  return all;
}

#if __has_feature(address_sanitizer)
constexpr size_t worstSize = 1 << 17; // slow, and not what is measured
#else
constexpr size_t worstSize = 1 << 20;
#endif

/// Of processor time, so that a busy machine does not matter.
double secondsToEncode(const Tokenizer &tokenizer, const std::string &text) {
  std::clock_t start = std::clock();
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode(text)), text);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}
} // namespace

TEST(Tokenizer, EncodesByRank) {
  Tokenizer tokenizer = small();
  EXPECT_EQ(tokenizer.vocabularySize(), 264);
  EXPECT_EQ(tokenizer.endOfText(), 263);
  EXPECT_EQ(tokenizer.encode("hello"), std::vector<Token>{259});
  EXPECT_EQ(tokenizer.encode("hello world"),
            (std::vector<Token>{259, 260, 'o', 'r', 'l', 'd'}));
  EXPECT_EQ(tokenizer.encode("aaaaaaa"), (std::vector<Token>{262, 261, 'a'}));
  EXPECT_TRUE(tokenizer.encode("").empty());
  EXPECT_EQ(tokenizer.bytesOf(258), "hell");
  EXPECT_EQ(tokenizer.bytesOf(263), "");
}

TEST(Tokenizer, AnyBytesComeBackExactly) {
  Tokenizer tokenizer = small();
  std::mt19937 random(11);
  for (int trial = 0; trial < 200; ++trial) {
    std::string text(random() % 400, '\0');
    for (char &byte : text)
      byte = trial % 2 ? static_cast<char>(random())
                       : "hello aaw\n"[random() % 10];
    std::vector<Token> tokens = tokenizer.encode(text);
    EXPECT_EQ(*tokenizer.decode(tokens), text);
    for (Token token : tokens)
      EXPECT_NE(token, tokenizer.endOfText());
  }
}

TEST(Tokenizer, EqualsTheObviousEncoder) {
  std::string text;
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i)
    text += "aaab bc abcabc"[random() % 14];
  std::string_view view = text;
  auto trained = trainTokenizer({&view, 1}, {.vocabularySize = 400});
  ASSERT_TRUE(trained.ok());
  EXPECT_EQ(trained->encode(text), encodeSlowly(*trained, text));
  // One long piece, so that the heap is used.
  std::string piece;
  for (int i = 0; i < 3000; ++i)
    piece += "abc"[random() % 3];
  EXPECT_EQ(trained->encode(piece), encodeSlowly(*trained, piece));
  std::string letters(1001, 'a');
  EXPECT_EQ(small().encode(letters), encodeSlowly(small(), letters));
}

TEST(Tokenizer, WorstCasesTakeUnderASecond) {
  std::vector<Merge> merges = {{'a', 'a'}, {' ', ' '}};
  for (Token token : {256, 258, 259, 260, 261, 262, 263})
    merges.push_back({token, token});
  Tokenizer tokenizer = *Tokenizer::create(merges);
  constexpr size_t size = worstSize;
  std::string joiners;
  while (joiners.size() < size)
    joiners += "\xe2\x80\x8d";
  EXPECT_LT(secondsToEncode(tokenizer, std::string(size, 'a')), 1);
  EXPECT_LT(secondsToEncode(tokenizer, std::string(size, ' ')), 1);
  EXPECT_LT(secondsToEncode(tokenizer, std::string(size, '\0')), 1);
  EXPECT_LT(secondsToEncode(tokenizer, std::string(size, '\xff')), 1);
  EXPECT_LT(secondsToEncode(tokenizer, joiners), 1);
}

TEST(Tokenizer, BytesMayHaveAnyOrder) {
  ByteOrder order = countingBytes;
  std::ranges::reverse(order);
  Tokenizer tokenizer = *Tokenizer::create({{255 - 'h', 255 - 'e'}}, order);
  std::vector<Token> expected = {256, 255 - 'y'};
  EXPECT_EQ(tokenizer.encode("hey"), expected);
  EXPECT_EQ(*tokenizer.decode(expected), "hey");
  auto parsed = Tokenizer::parse(tokenizer.serialize(), "t.json");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->encode("hey"), expected);
  EXPECT_NE(tokenizer.hash(),
            Tokenizer::create({{255 - 'h', 255 - 'e'}})->hash());
  order[0] = order[1];
  std::string twice =
      R"({"format":"decay.bpe","version":1,"merges":[],"bytes":[)";
  for (uint8_t byte : order)
    twice += std::to_string(byte) + ",";
  twice.back() = ']';
  EXPECT_FALSE(Tokenizer::parse(twice + "}", "t.json").ok());
}

TEST(Tokenizer, FileRoundTrip) {
  TemporaryFolder folder;
  Tokenizer tokenizer = small();
  ASSERT_TRUE(tokenizer.save(folder.path() / "t.json").ok());
  auto loaded = Tokenizer::load(folder.path() / "t.json");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(std::ranges::equal(loaded->merges(), tokenizer.merges()));
  EXPECT_EQ(loaded->hash(), tokenizer.hash());
  EXPECT_NE(Tokenizer().hash(), tokenizer.hash());
  EXPECT_EQ(Tokenizer::load(folder.path() / "none").status().code(),
            StatusCode::World);
}

TEST(Tokenizer, RefusesDamagedFiles) {
  struct Row {
    const char *text;
    const char *expected;
  };
  const Row rows[] = {
      {"", "syntax error"},
      {"[]", "expected an object"},
      {R"({"version":1,"merges":[]})", "'format' is missing"},
      {R"({"format":"x","version":1,"merges":[]})",
       "expected the format decay.bpe 1, found 'x' 1"},
      {R"({"format":"decay.bpe","version":2,"merges":[]})", "'decay.bpe' 2"},
      {R"({"format":"decay.bpe","version":1})", "'merges': expected an array"},
      {R"({"format":"decay.bpe","version":1,"merges":[[1]]})",
       "merge 0: expected two token numbers"},
      {R"({"format":"decay.bpe","version":1,"merges":[[1,-2]]})",
       "merge 0: expected two token numbers"},
      {R"({"format":"decay.bpe","version":1,"merges":[[1,256]]})",
       "does not come before token 256"},
      {R"({"format":"decay.bpe","version":1,"merges":[[1,2],[1,2]]})",
       "merge 1: [1, 2] stands there already"},
      {R"({"format":"decay.bpe","version":1,"merges":[[1,65536]]})",
       "expected two token numbers"},
      {R"({"format":"decay.bpe","version":1,"merges":[],"bytes":[0,1]})",
       "'bytes': expected the numbers 0 to 255, each once"},
  };
  for (const Row &row : rows) {
    auto parsed = Tokenizer::parse(row.text, "t.json");
    ASSERT_FALSE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed.status().code(), StatusCode::User);
    EXPECT_EQ(parsed.status().message().find("t.json:"), 0u);
    EXPECT_NE(parsed.status().message().find(row.expected), std::string::npos)
        << parsed.status().message();
  }
}

TEST(Tokenizer, VocabularyCannotExhaustTheMemory) {
  std::vector<Merge> doubling = {{'a', 'a'}};
  for (Token token = 256; token < 300; ++token)
    doubling.push_back({token, token});
  EXPECT_NE(Tokenizer::create(doubling).status().message().find(
                "more than 1024 bytes"),
            std::string::npos);
  EXPECT_FALSE(Tokenizer::create(std::vector<Merge>(65536)).ok());
}

TEST(Tokenizer, DecodeRefusesWhatIsNoToken) {
  EXPECT_EQ(small().decode(std::vector<Token>{1, 264}).status().message(),
            "264 is no token of a vocabulary of 264");
  EXPECT_FALSE(small().decode(std::vector<Token>{-1}).ok());
  EXPECT_EQ(*small().decode(std::vector<Token>{259, 263, 'x'}), "hellox");
}
