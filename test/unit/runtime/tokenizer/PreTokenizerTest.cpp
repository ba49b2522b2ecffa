//===- PreTokenizerTest.cpp -----------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

using namespace decay::runtime;

namespace {
using Pieces = std::vector<std::string>;

Pieces cut(std::string_view text) {
  PreTokenizer pieces(text);
  Pieces found;
  for (std::string_view piece = pieces.next(); !piece.empty();
       piece = pieces.next())
    found.emplace_back(piece);
  return found;
}
} // namespace

// Expected pieces as GPT-2's regular expression gives them.
TEST(PreTokenizer, WordsNumbersAndSigns) {
  EXPECT_EQ(cut("Hello world, it's 2024!"),
            (Pieces{"Hello", " world", ",", " it", "'s", " 2024", "!"}));
  EXPECT_EQ(cut("abc123def"), (Pieces{"abc", "123", "def"}));
  EXPECT_EQ(cut("a+b ==c"), (Pieces{"a", "+", "b", " ==", "c"}));
}

TEST(PreTokenizer, Contractions) {
  EXPECT_EQ(cut("we'll they're I've I'm he'd don't"),
            (Pieces{"we", "'ll", " they", "'re", " I", "'ve", " I", "'m", " he",
                    "'d", " don", "'t"}));
  EXPECT_EQ(cut("IT'S"), (Pieces{"IT", "'", "S"}));
  EXPECT_EQ(cut("'slow"), (Pieces{"'s", "low"}));
  EXPECT_EQ(cut("!'s"), (Pieces{"!'", "s"}));
  EXPECT_EQ(cut(" 's"), (Pieces{" '", "s"}));
  EXPECT_EQ(cut("'"), (Pieces{"'"}));
}

TEST(PreTokenizer, WhiteSpaceLeavesOneToTheNextWord) {
  EXPECT_EQ(cut("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(cut("a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(cut("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(cut("a\tb"), (Pieces{"a", "\t", "b"}));
  EXPECT_EQ(cut("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(cut(" "), (Pieces{" "}));
  EXPECT_EQ(cut(" a"), (Pieces{" a"}));
  EXPECT_EQ(cut("  1"), (Pieces{" ", " 1"}));
  EXPECT_EQ(cut(""), Pieces{});
}

TEST(PreTokenizer, UnicodeClasses) {
  EXPECT_EQ(cut("naïve λ=½ Ⅻ東京"),
            (Pieces{"naïve", " λ", "=", "½", " Ⅻ", "東京"}));
  EXPECT_EQ(cut("a\u00a0\u3000b"), (Pieces{"a", "\u00a0", "\u3000", "b"}));
  EXPECT_EQ(cut("👍🏽 ok"), (Pieces{"👍🏽", " ok"}));
  // A mark is no letter.
  EXPECT_EQ(cut("e\u0301a"), (Pieces{"e", "\u0301", "a"}));
  EXPECT_EQ(classOf('A'), CharacterClass::Letter);
  EXPECT_EQ(classOf(0x1F44D), CharacterClass::Other);
  EXPECT_EQ(classOf(0x10FFFF), CharacterClass::Other);
  EXPECT_EQ(classOf(0x2028), CharacterClass::Space);
  EXPECT_EQ(classOf(0x1C), CharacterClass::Other);
  EXPECT_EQ(classOf(0x663), CharacterClass::Number);
}

TEST(PreTokenizer, InvalidUtf8IsOther) {
  EXPECT_EQ(cut("a\x80\xffz"), (Pieces{"a", "\x80\xff", "z"}));
  // Overlong, surrogate, too large, cut off.
  for (std::string_view bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                               "\xe2\x82", "\xf0\x9f\x91"})
    EXPECT_EQ(cut("a" + std::string(bad) + "b"),
              (Pieces{"a", std::string(bad), "b"}));
  EXPECT_EQ(cut(std::string("a\0b", 3)), (Pieces{"a", std::string(1, 0), "b"}));
}

TEST(PreTokenizer, NothingChangesWhereATextMayBeCut) {
  EXPECT_EQ(placeToCut("ab\ncd\nef", 0), 2u);
  EXPECT_EQ(placeToCut("ab\ncd\nef", 3), 5u);
  EXPECT_EQ(placeToCut("\nab \n\n\u00a0\ncd", 0), 11u);
  EXPECT_EQ(placeToCut("", 0), 0u);
  EXPECT_EQ(placeToCut("ab", 7), 2u);
  std::mt19937 random(8);
  for (int trial = 0; trial < 500; ++trial) {
    std::string text;
    for (int i = 0; i < 40; ++i)
      text += std::vector<std::string>{
          "a", "'s", " ", "\n", "\t", "1", "\u00a0", "!", "\xff"}[random() % 9];
    size_t place = placeToCut(text, random() % 20);
    Pieces parts = cut(text.substr(0, place));
    Pieces rest = cut(text.substr(place));
    parts.insert(parts.end(), rest.begin(), rest.end());
    EXPECT_EQ(cut(text), parts) << text;
  }
}
