//===- BytesMutationTest.cpp - Valid files, mutated -----------------------===//

#include "test/fuzz/runtime/CheckBytes.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <random>

using namespace decay::runtime;

namespace {
using Check = std::string (*)(std::string_view);

std::string validSafetensors() {
  TemporaryFolder folder;
  std::vector<float> numbers(12, 0.5f);
  std::vector<StoredTensor> tensors = {floatTensor("a", {3, 4}, numbers.data()),
                                       floatTensor("b", {}, numbers.data()),
                                       floatTensor("c", {0}, nullptr)};
  EXPECT_TRUE(
      writeSafetensors(folder.path() / "f", tensors, {{"k", "v"}}).ok());
  return *readFile(folder.path() / "f");
}

std::string validTokenizer() {
  std::string_view text = "the cat sat on the mat, the cat's mat; naïve λ=½\n";
  return trainTokenizer({&text, 1}, {.vocabularySize = 270})->serialize() +
         std::string(text);
}

constexpr std::string_view validConfig =
    "name = \"x\" # why\nlist = [1, 2.5, 1_000]\nwords = ['a', \"é\"]\n"
    "[a]\nb = 3\nc.d = true\ntable = { x = 1, y = \"z\" }\n"
    "[[many]]\nk = 0x1F\n";

/// One to eight changes: a byte, a piece removed, repeated, or moved here.
std::string mutated(std::string text, std::mt19937 &random) {
  for (size_t change = random() % 8 + 1; change > 0 && !text.empty();
       --change) {
    size_t at = random() % text.size();
    size_t length = 1 + random() % std::min<size_t>(text.size() - at, 40);
    switch (random() % 5) {
    case 0:
      text[at] = static_cast<char>(random());
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, text.substr(at, length));
      break;
    case 3:
      text.insert(random() % text.size(), text.substr(at, length));
      break;
    case 4:
      text[at] = "0123456789[]{}\",:-\n"[random() % 19];
      break;
    }
  }
  return text;
}

void mutateAndCheck(Check check, const std::string &valid) {
  EXPECT_EQ(check(valid), "");
  std::mt19937 random(20261123);
  for (int trial = 0; trial < 20000; ++trial) {
    std::string bytes = mutated(valid, random);
    ASSERT_EQ(check(bytes), "") << "trial " << trial;
  }
}
} // namespace

TEST(BytesMutation, Safetensors) {
  mutateAndCheck(complaintAboutSafetensors, validSafetensors());
}

TEST(BytesMutation, Tokenizer) {
  mutateAndCheck(complaintAboutTokenizer, validTokenizer());
}

TEST(BytesMutation, Config) {
  mutateAndCheck(complaintAboutConfig, std::string(validConfig));
}

// What the fuzzers found once, each file under every check.
TEST(BytesMutation, FoundBefore) {
  for (const auto &entry :
       std::filesystem::recursive_directory_iterator(FOUND_FOLDER)) {
    if (!entry.is_regular_file())
      continue;
    std::string bytes = *readFile(entry.path());
    for (Check check : {complaintAboutSafetensors, complaintAboutTokenizer,
                        complaintAboutConfig})
      EXPECT_EQ(check(bytes), "") << entry.path();
  }
}
