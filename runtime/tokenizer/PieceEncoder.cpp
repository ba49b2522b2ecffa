//===- PieceEncoder.cpp - The merges inside one piece ---------------------===//

#include "runtime/tokenizer/PieceEncoder.h"

#include <queue>

namespace decay::runtime {
namespace {
constexpr size_t shortPiece = 32; ///< bytes: quadratic is faster up to here
constexpr size_t mostRemembered = 1 << 16;

Token byteToken(char byte) { return static_cast<uint8_t>(byte); }
} // namespace

void PieceEncoder::append(std::string_view piece, std::vector<Token> &out) {
  if (piece.size() > shortPiece)
    return encodeLong(piece, out);
  if (piece.size() == 1)
    return out.push_back(byteToken(piece[0]));
  auto found = known.find(piece);
  if (found != known.end()) {
    out.insert(out.end(), found->second.begin(), found->second.end());
    return;
  }
  encodeShort(piece, out);
  if (known.size() < mostRemembered)
    known.emplace(piece, work);
}

void PieceEncoder::encodeShort(std::string_view piece,
                               std::vector<Token> &out) {
  work.clear();
  for (char byte : piece)
    work.push_back(byteToken(byte));
  while (work.size() > 1) {
    size_t place = 0;
    Token best = none;
    for (size_t i = 0; i + 1 < work.size(); ++i) {
      Token token = mergeOf(work[i], work[i + 1]);
      if (token != none && (best == none || token < best))
        best = token, place = i;
    }
    if (best == none)
      break;
    work[place] = best;
    work.erase(work.begin() + static_cast<int64_t>(place) + 1);
  }
  out.insert(out.end(), work.begin(), work.end());
}

// A doubly linked list of tokens and a heap of pairs that may be merged; an
// entry of the heap whose tokens have changed since is passed over.
void PieceEncoder::encodeLong(std::string_view piece,
                              std::vector<Token> &out) const {
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
    if (Token token = mergeOf(left, right); token != none)
      heap.push({token, place, left, right});
  };
  for (int64_t i = 0; i < count; ++i)
    node(i) = {byteToken(piece[static_cast<size_t>(i)]), i - 1, i + 1};
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

} // namespace decay::runtime
