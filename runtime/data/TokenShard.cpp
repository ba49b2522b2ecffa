//===- TokenShard.cpp - Tokens on disk ------------------------------------===//

#include "runtime/data/TokenShard.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr size_t headerWords = 256;
constexpr int32_t magic = 20240520, version = 1;
using Header = std::array<int32_t, headerWords>;
} // namespace

Result<TokenShard> TokenShard::open(const std::filesystem::path &path) {
  TokenShard shard;
  DECAY_ASSIGN_OR_RETURN(shard.file, MappedFile::open(path));
  auto wrong = [&](std::string_view what) {
    return Status::world(fmt::format("{}: {}", path.string(), what));
  };
  Header header{};
  std::span<const std::byte> bytes = shard.file.bytes();
  if (bytes.size() < sizeof(header))
    return wrong("too short for a token shard");
  std::memcpy(header.data(), bytes.data(), sizeof(header));
  if (header[0] != magic)
    return wrong(fmt::format("not a token shard: its first word is {}, not {}",
                             header[0], magic));
  if (header[1] != version)
    return wrong(fmt::format("a token shard of version {}; this program reads "
                             "version {}",
                             header[1], version));
  uint64_t found = bytes.size() - sizeof(header);
  if (header[2] < 0 || found != static_cast<uint64_t>(header[2]) * 2)
    return wrong(fmt::format("the header promises {} tokens, the file has "
                             "{} bytes of them; it was cut off or damaged",
                             header[2], found));
  return shard;
}

std::span<const uint16_t> TokenShard::tokens() const {
  std::span<const std::byte> bytes = file.bytes().subspan(sizeof(Header));
  return {reinterpret_cast<const uint16_t *>(bytes.data()), bytes.size() / 2};
}

Status writeShard(const std::filesystem::path &path,
                  std::span<const uint16_t> tokens) {
  assert(tokens.size() <= INT32_MAX);
  Header header{magic, version, static_cast<int32_t>(tokens.size())};
  DurableFile file;
  DECAY_RETURN_IF_ERROR(file.create(path));
  DECAY_RETURN_IF_ERROR(file.write(header.data(), sizeof(header)));
  DECAY_RETURN_IF_ERROR(file.write(tokens.data(), tokens.size_bytes()));
  return file.close();
}

void TokenSequence::add(std::span<const uint16_t> tokens) {
  parts.push_back({tokens, total});
  total += static_cast<int64_t>(tokens.size());
}

Result<TokenSequence>
TokenSequence::open(std::span<const std::filesystem::path> shards,
                    int64_t vocabularySize) {
  TokenSequence sequence;
  for (const std::filesystem::path &path : shards) {
    DECAY_ASSIGN_OR_RETURN(TokenShard shard, TokenShard::open(path));
    std::span<const uint16_t> tokens = shard.tokens();
    auto largest = std::ranges::max_element(tokens);
    if (largest != tokens.end() && *largest >= vocabularySize)
      return Status::user(fmt::format(
          "{}: token {} does not exist in a vocabulary of {}; the shard was "
          "made with another tokenizer",
          path.string(), *largest, vocabularySize));
    sequence.files.push_back(std::move(shard));
    sequence.add(tokens);
  }
  return sequence;
}

TokenSequence TokenSequence::of(std::vector<uint16_t> tokens) {
  TokenSequence sequence;
  sequence.own = std::move(tokens);
  sequence.add(sequence.own);
  return sequence;
}

void TokenSequence::read(int64_t first, std::span<int32_t> out) const {
  assert(first >= 0 && first + static_cast<int64_t>(out.size()) <= total);
  auto part = std::ranges::upper_bound(parts, first, {}, &Part::first) - 1;
  while (!out.empty()) {
    std::span<const uint16_t> from =
        part->tokens.subspan(static_cast<size_t>(first - part->first));
    size_t count = std::min(out.size(), from.size());
    std::copy_n(from.begin(), count, out.begin());
    out = out.subspan(count);
    first += static_cast<int64_t>(count);
    ++part;
  }
}

} // namespace decay::runtime
