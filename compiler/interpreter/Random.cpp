//===- Random.cpp - Draws by counter --------------------------------------===//
//
// Philox4x32-10 (Salmon et al., SC 2011) with key = seed and counter = (element
// index, stream). uniform = (word 0 >> 8) 2^-24; normal by Box and Muller from
// u1 = ((word 0 >> 8) + 1) 2^-24 and u2 = (word 1 >> 8) 2^-24.
//
//===----------------------------------------------------------------------===//
#include "compiler/interpreter/Evaluate.h"

#include <numbers>

namespace decay::interpreter {
namespace {

using Words = std::array<uint32_t, 4>;

Words philox(uint64_t seed, uint64_t stream, uint64_t index) {
  auto low = [](uint64_t word) { return static_cast<uint32_t>(word); };
  auto high = [](uint64_t word) { return static_cast<uint32_t>(word >> 32); };
  Words x{low(index), high(index), low(stream), high(stream)};
  uint32_t key0 = low(seed), key1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
    x = {high(b) ^ x[1] ^ key0, low(b), high(a) ^ x[3] ^ key1, low(a)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return x;
}

} // namespace

Results evaluate(ir::RandomOp op, Operands operands, Call &call) {
  Field result = call.make(op.getType());
  bool isNormal = op.getKind() == "normal";
  auto at = [&](const Field &field, size_t index) -> Bounded {
    size_t place = field.values.size() == 1 ? 0 : index;
    return {field.values[place], field.boundAt(place)};
  };
  for (size_t index = 0; index < result.values.size(); ++index) {
    Words words = philox(call.sizes.seed, op.getStream(), index);
    double u1 = (words[0] >> 8) * 0x1p-24, u2 = (words[1] >> 8) * 0x1p-24;
    Bounded first = at(*operands[0], index), second = at(*operands[1], index);
    double draw = isNormal ? std::sqrt(-2 * std::log(u1 + 0x1p-24)) *
                                 std::cos(2 * std::numbers::pi * u2)
                           : u1;
    double width = isNormal ? second.value : second.value - first.value;
    result.values[index] = first.value + draw * width;
    if (call.bounds)
      result.bounds[index] =
          roundedBound(result.values[index],
                       first.bound + std::fabs(first.value) +
                           (std::fabs(draw) + 1) * (second.bound + first.bound +
                                                    2 * std::fabs(width)));
  }
  return {std::move(result)};
}

} // namespace decay::interpreter
