//===- TokenShard.cpp - Tokens on disk ------------------------------------===//

#include "runtime/data/TokenShard.h"

#include "runtime/core/Parallel.h"

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

void TokenShard::prefetch(size_t first, size_t count) const {
  file.prefetch(sizeof(Header) + first * sizeof(uint16_t),
                count * sizeof(uint16_t));
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

/// User error for a token that is not below `vocabularySize`.
static Status checkTokens(const std::filesystem::path &path,
                          std::span<const uint16_t> tokens,
                          int64_t vocabularySize) {
  // Without the place, which only a damaged shard needs, this is a maximum over
  // vectors, as fast as the memory.
  uint16_t largest = 0;
  for (uint16_t token : tokens)
    largest = std::max(largest, token);
  if (largest < vocabularySize)
    return {};
  auto beyond = std::ranges::find_if(
      tokens, [&](uint16_t token) { return token >= vocabularySize; });
  return Status::user(fmt::format(
      "{}: token {} at place {} does not exist in a vocabulary of {}; the "
      "shard was made with another tokenizer, or is damaged",
      path.string(), *beyond, beyond - tokens.begin(), vocabularySize));
}

Result<TokenSequence>
TokenSequence::open(std::span<const std::filesystem::path> shards,
                    int64_t vocabularySize) {
  TokenSequence sequence;
  for (const std::filesystem::path &path : shards) {
    DECAY_ASSIGN_OR_RETURN(TokenShard shard, TokenShard::open(path));
    sequence.files.push_back(std::move(shard));
    sequence.add(sequence.files.back().tokens());
  }
  // All tokens are read once, so that none beyond the vocabulary is met in the
  // middle of a run; afterwards they are in the page cache.
  std::vector<Status> found(shards.size());
  inParallel(shards.size(), threadCount(), [&](size_t index, size_t) {
    found[index] = checkTokens(shards[index], sequence.parts[index].tokens,
                               vocabularySize);
  });
  for (Status &status : found)
    DECAY_RETURN_IF_ERROR(std::move(status));
  return sequence;
}

TokenSequence TokenSequence::of(std::vector<uint16_t> tokens) {
  TokenSequence sequence;
  sequence.own = std::move(tokens);
  sequence.add(sequence.own);
  return sequence;
}

void TokenSequence::prefetch(int64_t first, int64_t count) const {
  assert(first >= 0 && first + count <= total);
  if (files.empty())
    return;
  auto index = static_cast<size_t>(
      std::ranges::upper_bound(parts, first, {}, &Part::first) - parts.begin() -
      1);
  for (; count > 0 && index < parts.size(); ++index) {
    const Part &part = parts[index];
    auto from = static_cast<size_t>(first - part.first);
    size_t here =
        std::min(static_cast<size_t>(count), part.tokens.size() - from);
    files[index].prefetch(from, here);
    first += static_cast<int64_t>(here);
    count -= static_cast<int64_t>(here);
  }
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
