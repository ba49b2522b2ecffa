//===- PairTable.h - Which token a pair becomes ----------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_TOKENIZER_PAIRTABLE_H
#define DECAY_RUNTIME_TOKENIZER_PAIRTABLE_H

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace decay::runtime {

using Token = int32_t;

inline uint64_t pairKey(Token left, Token right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
         static_cast<uint32_t>(right);
}

/// A hash table with open addressing, never more than half full: most questions
/// are about pairs that do not merge, and are answered by one line of memory.
class PairTable {
public:
  static constexpr Token none = -1;

  explicit PairTable(size_t pairs = 0)
      : slots(std::bit_ceil(2 * pairs + 2)),
        shift(64 - std::countr_zero(slots.size())) {}

  /// The token that the pair becomes, or `none`.
  Token find(Token left, Token right) const {
    uint64_t key = pairKey(left, right);
    for (size_t at = home(key);; at = next(at)) {
      if (slots[at].token == none || slots[at].key == key)
        return slots[at].token;
    }
  }

  /// For at most the number of pairs that the table was made for, each new.
  void insert(Token left, Token right, Token token) {
    size_t at = home(pairKey(left, right));
    while (slots[at].token != none)
      at = next(at);
    slots[at] = {pairKey(left, right), token};
  }

private:
  struct Slot {
    uint64_t key = 0;
    Token token = none;
  };
  size_t home(uint64_t key) const {
    constexpr uint64_t golden = 0x9e3779b97f4a7c15;
    return static_cast<size_t>((key ^ key >> 29) * golden >> shift);
  }
  size_t next(size_t at) const { return (at + 1) & (slots.size() - 1); }

  std::vector<Slot> slots;
  int shift;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_PAIRTABLE_H
