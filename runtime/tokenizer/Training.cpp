//===- Training.cpp - Finding the merges ----------------------------------===//

#include "runtime/tokenizer/PieceEncoder.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <algorithm>
#include <fmt/format.h>
#include <queue>
#include <unordered_map>

namespace decay::runtime {
namespace {
/// A piece that occurs in the texts, as the tokens it is made of by now.
struct Word {
  std::vector<Token> tokens;
  int64_t count;
};

class Trainer {
public:
  explicit Trainer(std::span<const std::string_view> texts) {
    std::unordered_map<std::string_view, int64_t> counts;
    for (std::string_view text : texts) {
      PreTokenizer pieces(text);
      for (std::string_view piece = pieces.next(); !piece.empty();
           piece = pieces.next())
        // Cut, so that one endless piece does not cost its length per merge.
        for (size_t start = 0; start < piece.size(); start += longestToken)
          ++counts[piece.substr(start, longestToken)];
    }
    for (auto [piece, count] : counts)
      addWord(piece, count);
    lengths.assign(Tokenizer::firstMerge, 1);
    for (const auto &[key, pair] : pairs)
      heap.push({pair.count, key});
  }

  std::vector<Merge> run(size_t wanted) {
    std::vector<Merge> merges;
    while (merges.size() < wanted) {
      std::optional<uint64_t> key = mostFrequent();
      if (!key)
        break;
      Merge merge{static_cast<Token>(*key >> 32),
                  static_cast<Token>(*key & 0xffffffff)};
      size_t length = lengthOf(merge.left) + lengthOf(merge.right);
      if (length > longestToken)
        continue;
      auto token = static_cast<Token>(lengths.size());
      lengths.push_back(length);
      merges.push_back(merge);
      apply(merge, *key, token);
    }
    return merges;
  }

private:
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> words; ///< where it occurs or did once
  };
  struct Candidate {
    int64_t count;
    uint64_t key;
    bool operator<(const Candidate &other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };

  static constexpr Token none = -1;

  size_t lengthOf(Token token) const {
    return lengths[static_cast<size_t>(token)];
  }

  void addWord(std::string_view piece, int64_t count) {
    Word word{{}, count};
    for (char byte : piece)
      word.tokens.push_back(static_cast<uint8_t>(byte));
    words.push_back(std::move(word));
    countPairs(static_cast<uint32_t>(words.size() - 1), 1, none);
  }

  /// Adds (sign 1) or takes away (-1) the pairs of one word. `fresh` is the
  /// newest token; pairs without it know already that they occur here.
  void countPairs(uint32_t index, int64_t sign, Token fresh) {
    const Word &word = words[index];
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      Token left = word.tokens[i], right = word.tokens[i + 1];
      Pair &pair = pairs[pairKey(left, right)];
      pair.count += sign * word.count;
      bool isNew = fresh == none || left == fresh || right == fresh;
      if (sign > 0 && isNew &&
          (pair.words.empty() || pair.words.back() != index))
        pair.words.push_back(index);
    }
  }

  /// Counts only fall between the pushes of a pair, so that an entry which says
  /// more than the truth is put back with it.
  std::optional<uint64_t> mostFrequent() {
    while (!heap.empty()) {
      Candidate top = heap.top();
      heap.pop();
      int64_t count = pairs[top.key].count;
      if (count < 2)
        continue;
      if (count == top.count)
        return top.key;
      heap.push({count, top.key});
    }
    return std::nullopt;
  }

  void apply(Merge merge, uint64_t key, Token token) {
    std::vector<uint32_t> affected = std::move(pairs[key].words);
    std::ranges::sort(affected);
    affected.erase(std::ranges::unique(affected).begin(), affected.end());
    std::vector<uint64_t> grown;
    for (uint32_t index : affected) {
      std::vector<Token> &tokens = words[index].tokens;
      countPairs(index, -1, token);
      size_t kept = 0;
      for (size_t i = 0; i < tokens.size(); ++i) {
        bool here = i + 1 < tokens.size() && tokens[i] == merge.left &&
                    tokens[i + 1] == merge.right;
        tokens[kept++] = here ? token : tokens[i];
        i += here;
      }
      tokens.resize(kept);
      countPairs(index, 1, token);
      for (size_t i = 0; i + 1 < tokens.size(); ++i)
        if (tokens[i] == token || tokens[i + 1] == token)
          grown.push_back(pairKey(tokens[i], tokens[i + 1]));
    }
    pairs.erase(key);
    std::ranges::sort(grown);
    grown.erase(std::ranges::unique(grown).begin(), grown.end());
    for (uint64_t pair : grown)
      heap.push({pairs[pair].count, pair});
  }

  std::vector<Word> words;
  std::vector<size_t> lengths; ///< bytes, by token
  std::unordered_map<uint64_t, Pair> pairs;
  std::priority_queue<Candidate> heap;
};
} // namespace

Result<Tokenizer> trainTokenizer(std::span<const std::string_view> texts,
                                 const TokenizerTraining &options) {
  constexpr int64_t fewest = Tokenizer::firstMerge + 1;
  if (options.vocabularySize < fewest ||
      options.vocabularySize > Tokenizer::mostTokens)
    return Status::user(
        fmt::format("a vocabulary has {} to {} tokens, found {}", fewest,
                    Tokenizer::mostTokens, options.vocabularySize));
  Trainer trainer(texts);
  return Tokenizer::create(
      trainer.run(static_cast<size_t>(options.vocabularySize - fewest)));
}

} // namespace decay::runtime
