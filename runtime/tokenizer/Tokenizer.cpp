//===- Tokenizer.cpp - Text to token numbers and back ---------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include "runtime/core/Files.h"
#include "runtime/core/Json.h"
#include "runtime/core/Sha256.h"
#include "runtime/tokenizer/PreTokenizer.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

namespace decay::runtime {
namespace {
constexpr std::string_view formatName = "decay.bpe";
constexpr int64_t formatNumber = 1;
constexpr size_t mostFileBytes = size_t{16} << 20;

std::string inQuotes(std::string_view bytes) {
  std::string text = "'";
  for (unsigned char c : bytes)
    text += c >= 32 && c < 127 ? std::string(1, static_cast<char>(c))
                               : fmt::format("\\x{:02x}", c);
  return text + "'";
}
} // namespace

Tokenizer::Tokenizer(std::vector<Merge> merges, const ByteOrder &order)
    : mergeList(std::move(merges)), bytes(order),
      rules{{}, PairTable(mergeList.size())} {
  spellings.reserve(static_cast<size_t>(vocabularySize()));
  for (uint8_t byte : bytes) {
    rules.tokenOfByte[byte] = static_cast<Token>(spellings.size());
    spellings.emplace_back(1, static_cast<char>(byte));
  }
  for (const Merge &merge : mergeList) {
    rules.pairs.insert(merge.left, merge.right,
                       static_cast<Token>(spellings.size()));
    spellings.push_back(spellings[static_cast<size_t>(merge.left)] +
                        spellings[static_cast<size_t>(merge.right)]);
  }
  spellings.emplace_back();
}

Result<Tokenizer> Tokenizer::create(std::vector<Merge> merges,
                                    const ByteOrder &bytes) {
  constexpr size_t mostMerges = mostTokens - firstMerge - 1;
  if (merges.size() > mostMerges)
    return Status::user(fmt::format("{} merges, at most {} are allowed",
                                    merges.size(), mostMerges));
  std::vector<size_t> lengths(firstMerge, 1);
  std::unordered_map<uint64_t, size_t> seen;
  for (size_t i = 0; i < merges.size(); ++i) {
    auto [left, right] = merges[i];
    auto known = static_cast<Token>(lengths.size());
    if (left < 0 || right < 0 || left >= known || right >= known)
      return Status::user(
          fmt::format("merge {}: [{}, {}] names a token that does not come "
                      "before token {}",
                      i, left, right, known));
    if (!seen.emplace(pairKey(left, right), i).second)
      return Status::user(fmt::format("merge {}: [{}, {}] stands there already",
                                      i, left, right));
    lengths.push_back(lengths[static_cast<size_t>(left)] +
                      lengths[static_cast<size_t>(right)]);
    if (lengths.back() > longestToken)
      return Status::user(fmt::format("merge {}: a token of more than {} bytes",
                                      i, longestToken));
  }
  return Tokenizer(std::move(merges), bytes);
}

std::string Tokenizer::serialize() const {
  Json list = Json::array();
  for (const Merge &merge : mergeList)
    list.push_back({merge.left, merge.right});
  Json json = {{"format", formatName},
               {"version", formatNumber},
               {"merges", std::move(list)}};
  if (bytes != countingBytes)
    json["bytes"] = bytes;
  return json.dump() + "\n";
}

/// The order of the bytes, if the file gives one.
static Result<ByteOrder> parseBytes(const Json &json, std::string_view name) {
  if (!json.contains("bytes"))
    return countingBytes;
  const Json &list = json["bytes"];
  ByteOrder order{};
  std::array<bool, order.size()> seen{};
  bool good = list.is_array() && list.size() == order.size();
  for (size_t i = 0; good && i < order.size(); ++i) {
    good = list[i].is_number_unsigned() &&
           list[i].get<uint64_t>() < order.size() &&
           !std::exchange(seen[list[i].get<size_t>()], true);
    if (good)
      order[i] = list[i].get<uint8_t>();
  }
  if (!good)
    return Status::user(fmt::format(
        "{}: 'bytes': expected the numbers 0 to 255, each once", name));
  return order;
}

Result<Tokenizer> Tokenizer::parse(std::string_view text,
                                   std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(Json json, parseJson(text, name, {4, mostFileBytes}));
  DECAY_ASSIGN_OR_RETURN(std::string format, jsonString(json, "format", name));
  DECAY_ASSIGN_OR_RETURN(int64_t version, jsonInteger(json, "version", name));
  if (format != formatName || version != formatNumber)
    return Status::user(
        fmt::format("{}: expected the format {} {}, found {} {}", name,
                    formatName, formatNumber, inQuotes(format), version));
  if (!json.contains("merges") || !json["merges"].is_array())
    return Status::user(fmt::format("{}: 'merges': expected an array", name));
  std::vector<Merge> merges;
  for (const Json &pair : json["merges"]) {
    bool numbers =
        pair.is_array() && pair.size() == 2 &&
        std::ranges::all_of(pair, [](const Json &token) {
          return token.is_number_unsigned() &&
                 token.get<uint64_t>() < static_cast<uint64_t>(mostTokens);
        });
    if (!numbers)
      return Status::user(fmt::format(
          "{}: merge {}: expected two token numbers", name, merges.size()));
    merges.push_back({pair[0].get<Token>(), pair[1].get<Token>()});
  }
  DECAY_ASSIGN_OR_RETURN(ByteOrder bytes, parseBytes(json, name));
  Result<Tokenizer> created = create(std::move(merges), bytes);
  if (!created.ok())
    return std::move(created).status().within(name);
  return created;
}

Result<Tokenizer> Tokenizer::load(const std::filesystem::path &path) {
  DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path, mostFileBytes));
  return parse(text, path.string());
}

Status Tokenizer::save(const std::filesystem::path &path) const {
  return writeFileAtomic(path, serialize());
}

std::vector<Token> Tokenizer::encode(std::string_view text) const {
  std::vector<Token> tokens;
  tokens.reserve(text.size() / 3);
  PieceEncoder encoder(rules);
  encode(text, encoder, tokens);
  return tokens;
}

void Tokenizer::encode(std::string_view text, PieceEncoder &encoder,
                       std::vector<Token> &out) {
  PreTokenizer pieces(text);
  for (std::string_view piece = pieces.next(); !piece.empty();
       piece = pieces.next())
    encoder.append(piece, out);
}

std::string_view Tokenizer::bytesOf(Token token) const {
  return spellings.at(static_cast<size_t>(token));
}

Result<std::string> Tokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (Token token : tokens) {
    if (token < 0 || token >= vocabularySize())
      return Status::user(fmt::format("{} is no token of a vocabulary of {}",
                                      token, vocabularySize()));
    text += spellings[static_cast<size_t>(token)];
  }
  return text;
}

std::string Tokenizer::hash() const { return sha256(serialize()); }

} // namespace decay::runtime
