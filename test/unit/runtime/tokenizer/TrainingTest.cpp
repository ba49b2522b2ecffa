//===- TrainingTest.cpp ---------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <cmath>
#include <ctime>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace decay::runtime;

namespace {
#if __has_feature(address_sanitizer)
constexpr size_t textBytes = 1'000'000; // slow, and not what is measured
#else
constexpr size_t textBytes = 10'000'000;
#endif

double cpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

Tokenizer train(std::string_view text, int64_t vocabulary) {
  auto trained = trainTokenizer({&text, 1}, {.vocabularySize = vocabulary});
  EXPECT_TRUE(trained.ok()) << trained.status().message();
  return *trained;
}

/// Counts every pair anew for each merge: the obvious twin.
std::vector<Merge> trainSlowly(std::string_view text, size_t wanted) {
  std::vector<std::vector<Token>> words;
  PreTokenizer pieces(text);
  for (std::string_view piece = pieces.next(); !piece.empty();
       piece = pieces.next()) {
    words.emplace_back();
    for (unsigned char byte : piece)
      words.back().push_back(byte);
  }
  std::vector<Merge> merges;
  while (merges.size() < wanted) {
    std::map<std::pair<Token, Token>, int> counts;
    for (const auto &word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        ++counts[{word[i], word[i + 1]}];
    auto best = counts.end();
    for (auto it = counts.begin(); it != counts.end(); ++it)
      if (it->second >= 2 &&
          (best == counts.end() || it->second > best->second))
        best = it;
    if (best == counts.end())
      break;
    Merge merge{best->first.first, best->first.second};
    auto token = static_cast<Token>(256 + merges.size());
    merges.push_back(merge);
    for (auto &word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == merge.left && word[i + 1] == merge.right) {
          word[i] = token;
          word.erase(word.begin() + static_cast<int64_t>(i) + 1);
        }
  }
  return merges;
}

/// Words with Zipf's frequencies, as prose has them.
std::string prose(size_t bytes, size_t vocabulary) {
  std::mt19937 random(3);
  std::vector<std::string> words(vocabulary);
  for (std::string &word : words)
    for (size_t length = 2 + random() % 9; word.size() < length;)
      word += "etaoinshrdlucmfwypvbgkjqxz"[std::min<size_t>(
          25, static_cast<size_t>(std::exp((random() % 1000) / 300.0)))];
  std::string text;
  while (text.size() < bytes) {
    double u = (random() % 100000 + 1) / 100000.0;
    auto rank =
        static_cast<size_t>(std::pow(static_cast<double>(vocabulary), u) - 1);
    text += words[std::min(rank, vocabulary - 1)];
    text += random() % 12 == 0 ? ". " : " ";
  }
  return text;
}
} // namespace

TEST(Training, FindsTheMostFrequentPairs) {
  Tokenizer tokenizer = train("aaab aaab abab", 260);
  // aa 4 (twice in each aaab), ab 4: of equal ones the smaller numbers.
  EXPECT_EQ(tokenizer.merges()[0], (Merge{'a', 'a'}));
  EXPECT_EQ(tokenizer.merges()[1], (Merge{'a', 'b'}));
  EXPECT_EQ(tokenizer.vocabularySize(), 260);
}

TEST(Training, EqualsTheObviousTrainer) {
  std::string text = prose(6000, 300) + " aaaaaaa aaaa bababab \xff\xff\xff";
  Tokenizer tokenizer = train(text, 257 + 250);
  std::vector<Merge> expected = trainSlowly(text, 250);
  ASSERT_EQ(tokenizer.merges().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(tokenizer.merges()[i], expected[i]) << i;
}

TEST(Training, SplitTextsGiveTheSameTokenizer) {
  std::string a = "the cat sat.", b = "the dog sat.";
  std::string_view both[] = {a, b}, swapped[] = {b, a};
  EXPECT_EQ(trainTokenizer(both, {.vocabularySize = 265})->serialize(),
            trainTokenizer(swapped, {.vocabularySize = 265})->serialize());
}

TEST(Training, EndsWhenNothingRepeats) {
  EXPECT_EQ(train("abc", 1000).vocabularySize(), 257);
  EXPECT_EQ(train("", 1000).vocabularySize(), 257);
}

TEST(Training, RefusesImpossibleSizes) {
  for (int64_t size : {-1, 0, 256, 65537})
    EXPECT_FALSE(trainTokenizer({}, {.vocabularySize = size}).ok()) << size;
}

// Of processor time, so that a busy machine does not matter.
TEST(Training, TenMegabytesInUnderTwentySeconds) {
  std::string text = prose(textBytes, 60'000);
  double start = cpuSeconds();
  Tokenizer tokenizer = train(text, 4096);
  double trained = cpuSeconds();
  EXPECT_EQ(tokenizer.vocabularySize(), 4096);
  EXPECT_LT(trained - start, 20);
  std::vector<Token> tokens = tokenizer.encode(text);
  double encoded = cpuSeconds();
  EXPECT_LT(encoded - trained, 10);
  EXPECT_EQ(*tokenizer.decode(tokens), text);
  std::printf("trained in %.2f s, encoded in %.2f s, %.2f bytes a token\n",
              trained - start, encoded - trained,
              static_cast<double>(text.size()) /
                  static_cast<double>(tokens.size()));
}

// One piece without end, as in data that is no text: four times as long, it
// takes about four times as long, not sixteen times.
TEST(Training, OneEndlessPiece) {
  auto secondsFor = [](size_t bytes) {
    std::mt19937 random(9);
    std::string text(bytes, '\0');
    for (char &byte : text)
      byte = "!#$%&*+,-./:"[random() % 12];
    double start = cpuSeconds();
    EXPECT_EQ(train(text, 1000).vocabularySize(), 1000);
    return cpuSeconds() - start;
  };
  double shorter = secondsFor(1 << 15), longer = secondsFor(1 << 17);
  EXPECT_LT(longer, 8 * shorter + 0.1);
}
