//===- PieceEncoder.cpp - The merges inside one piece ---------------------===//

#include "runtime/tokenizer/PieceEncoder.h"

#include <algorithm>
#include <cstring>
#include <queue>

namespace decay::runtime {
namespace {
constexpr size_t shortPiece = 32; ///< bytes: quadratic is faster up to here
constexpr Token none = PairTable::none;

/// Larger than any token: what a pair that does not merge is worth.
constexpr uint32_t never = static_cast<uint32_t>(none);

void mergeShort(const MergeRules &rules, std::string_view piece,
                std::vector<Token> &out) {
  std::array<Token, shortPiece> tokens;
  std::array<uint32_t, shortPiece> results; ///< of a token and the one after it
  size_t count = piece.size();
  auto look = [&](size_t i) {
    results[i] =
        i + 1 < count
            ? static_cast<uint32_t>(rules.pairs.find(tokens[i], tokens[i + 1]))
            : never;
  };
  for (size_t i = 0; i < count; ++i)
    tokens[i] = rules.tokenOfByte[static_cast<uint8_t>(piece[i])];
  for (size_t i = 0; i < count; ++i)
    look(i);
  while (true) {
    auto *best = std::min_element(results.data(), results.data() + count);
    if (*best == never)
      break;
    auto place = static_cast<size_t>(best - results.data());
    tokens[place] = static_cast<Token>(*best);
    --count;
    for (size_t i = place + 1; i < count; ++i) {
      tokens[i] = tokens[i + 1];
      results[i] = results[i + 1];
    }
    look(place);
    if (place > 0)
      look(place - 1);
  }
  out.insert(out.end(), tokens.data(), tokens.data() + count);
}

// A doubly linked list of tokens and a heap of pairs that may be merged; an
// entry of the heap whose tokens have changed since is passed over.
void mergeLong(const MergeRules &rules, std::string_view piece,
               std::vector<Token> &out) {
  struct Node {
    Token token;
    int64_t previous, next;
  };
  struct Candidate {
    Token result;
    int64_t place;
    Token left, right;
    bool operator>(const Candidate &other) const {
      return std::pair(result, place) > std::pair(other.result, other.place);
    }
  };
  auto count = static_cast<int64_t>(piece.size());
  std::vector<Node> nodes(piece.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  auto node = [&](int64_t place) -> Node & {
    return nodes[static_cast<size_t>(place)];
  };
  auto offer = [&](int64_t place) {
    if (place < 0 || node(place).next >= count)
      return;
    Token left = node(place).token, right = node(node(place).next).token;
    if (Token token = rules.pairs.find(left, right); token != none)
      heap.push({token, place, left, right});
  };
  for (int64_t i = 0; i < count; ++i)
    node(i) = {
        rules.tokenOfByte[static_cast<uint8_t>(piece[static_cast<size_t>(i)])],
        i - 1, i + 1};
  for (int64_t i = 0; i < count; ++i)
    offer(i);
  while (!heap.empty()) {
    Candidate best = heap.top();
    heap.pop();
    Node &left = node(best.place);
    if (left.token != best.left || left.next >= count ||
        node(left.next).token != best.right)
      continue;
    int64_t gone = left.next;
    left.token = best.result;
    left.next = node(gone).next;
    node(gone).token = none;
    if (left.next < count)
      node(left.next).previous = best.place;
    offer(left.previous);
    offer(best.place);
  }
  for (int64_t i = 0; i < count; i = node(i).next)
    out.push_back(node(i).token);
}

} // namespace

void PieceEncoder::merge(const MergeRules &rules, std::string_view piece,
                         std::vector<Token> &out) {
  if (piece.size() > shortPiece)
    mergeLong(rules, piece, out);
  else
    mergeShort(rules, piece, out);
}

void PieceEncoder::append(std::string_view piece, std::vector<Token> &out) {
  Remembered wanted;
  if (piece.size() >= sizeof(wanted.key))
    return merge(*rules, piece, out);
  std::memcpy(wanted.key.data(), piece.data(), piece.size());
  wanted.key[1] |= static_cast<uint64_t>(piece.size()) << 56;
  uint64_t mixed = wanted.key[0] * 0x9e3779b97f4a7c15 ^
                   (wanted.key[1] ^ wanted.key[0] >> 32) * 0xc2b2ae3d27d4eb4f;
  Remembered &slot = known[mixed >> (64 - rememberedBits)];
  if (slot.key == wanted.key) {
    out.insert(out.end(), slot.tokens.data(), slot.tokens.data() + slot.count);
    return;
  }
  size_t before = out.size();
  merge(*rules, piece, out);
  wanted.count = static_cast<uint16_t>(out.size() - before);
  if (wanted.count > wanted.tokens.size())
    return;
  std::copy(out.end() - wanted.count, out.end(), wanted.tokens.begin());
  slot = wanted;
}

} // namespace decay::runtime
