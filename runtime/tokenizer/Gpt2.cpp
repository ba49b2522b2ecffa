//===- Gpt2.cpp - The tokenizer of GPT-2 ----------------------------------===//

#include "runtime/tokenizer/Gpt2.h"

#include "runtime/core/Files.h"
#include "runtime/core/Sha256.h"

#include <cassert>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ranges>
#include <unordered_map>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
constexpr size_t mostFileBytes = size_t{4} << 20;
constexpr size_t mergeCount = 50000;

/// Bytes that GPT-2 writes as themselves come first, then the others.
bool isPrintable(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
         byte >= 174;
}

ByteOrder gpt2Bytes() {
  ByteOrder order{};
  size_t count = 0;
  for (bool printable : {true, false})
    for (int byte = 0; byte < 256; ++byte)
      if (isPrintable(byte) == printable)
        order[count++] = static_cast<uint8_t>(byte);
  return order;
}

template <typename Function>
void forEachLine(std::string_view text, Function function) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    function(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string fromBase64(std::string_view digits) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "abcdefghijklmnopqrstuvwxyz0123456789"
                                        "+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (char digit : digits.substr(0, digits.find('='))) {
    bits = bits << 6 | static_cast<uint32_t>(alphabet.find(digit));
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xff);
    }
  }
  return bytes;
}

// The file names tokens, not merges. The pair that became a token is what
// the merges before it make of its bytes.
std::vector<Merge> mergesOfTokens(std::string_view text) {
  ByteOrder order = gpt2Bytes();
  MergeRules rules{{}, PairTable(mergeCount)};
  for (size_t token = 0; token < order.size(); ++token)
    rules.tokenOfByte[order[token]] = static_cast<Token>(token);
  std::vector<Merge> merges;
  std::vector<Token> pair;
  Token token = 0;
  forEachLine(text, [&](std::string_view line) {
    std::string bytes = fromBase64(line.substr(0, line.find(' ')));
    if (token >= Tokenizer::firstMerge) {
      pair.clear();
      PieceEncoder::merge(rules, bytes, pair);
      assert(pair.size() == 2);
      merges.push_back({pair[0], pair[1]});
      rules.pairs.insert(pair[0], pair[1], token);
    }
    ++token;
  });
  return merges;
}

// Bytes are written as characters: printable ones as the code point of their
// number, the others as code points from 256 on. All take one or two bytes of
// UTF-8.
std::vector<Merge> mergesOfPairs(std::string_view text) {
  ByteOrder order = gpt2Bytes();
  std::unordered_map<std::string, Token> tokens;
  int unprintable = 256;
  for (size_t token = 0; token < order.size(); ++token) {
    int code = isPrintable(order[token]) ? order[token] : unprintable++;
    std::string spelling =
        code < 128 ? std::string(1, static_cast<char>(code))
                   : std::string{static_cast<char>(0xC0 | code >> 6),
                                 static_cast<char>(0x80 | (code & 0x3F))};
    tokens.emplace(spelling, static_cast<Token>(token));
  }
  std::vector<Merge> merges;
  forEachLine(text, [&](std::string_view line) {
    if (line.starts_with("#version") || line.empty())
      return;
    size_t space = line.find(' ');
    std::string left(line.substr(0, space)), right(line.substr(space + 1));
    merges.push_back({tokens.at(left), tokens.at(right)});
    tokens.emplace(left + right, static_cast<Token>(tokens.size()));
  });
  return merges;
}

struct KnownFile {
  std::string_view sha256;
  std::vector<Merge> (*read)(std::string_view text);
};
constexpr KnownFile knownFiles[] = {
    {"306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
     mergesOfTokens},
    {"1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
     mergesOfPairs}};

/// tiktoken's cache calls a file by the SHA-1 of its address.
constexpr const char *fileNames[] = {
    "gpt2.tiktoken", "r50k_base.tiktoken", "vocab.bpe",
    "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
    "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"};
} // namespace

Result<Tokenizer> loadGpt2(const fs::path &file) {
  DECAY_ASSIGN_OR_RETURN(std::string text, readFile(file, mostFileBytes));
  std::string hash = sha256(text);
  for (const KnownFile &known : knownFiles)
    if (hash == known.sha256) {
      std::vector<Merge> merges = known.read(text);
      assert(merges.size() == mergeCount);
      return Tokenizer::create(std::move(merges), gpt2Bytes());
    }
  return Status::user(fmt::format(
      "{}: not GPT-2's vocabulary: its SHA-256 is {}, expected {} "
      "(gpt2.tiktoken) or {} (vocab.bpe)",
      file.string(), hash, knownFiles[0].sha256, knownFiles[1].sha256));
}

std::optional<fs::path> findGpt2(std::span<const fs::path> folders) {
  std::error_code ignored;
  for (const fs::path &folder : folders)
    for (const char *name : fileNames)
      if (fs::is_regular_file(folder / name, ignored))
        return folder / name;
  return std::nullopt;
}

Result<Tokenizer> loadInstalledGpt2() {
  if (const char *named = std::getenv("DECAY_GPT2"))
    return loadGpt2(named);
  std::vector<fs::path> folders;
  std::error_code failure;
  fs::path program = fs::read_symlink("/proc/self/exe", failure).parent_path();
  if (!failure)
    folders = {program, program.parent_path() / "wheels" / "bin"};
  for (const char *variable : {"TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"})
    if (const char *cache = std::getenv(variable))
      folders.emplace_back(cache);
  fs::path temporary = fs::temp_directory_path(failure);
  if (!failure)
    folders.push_back(temporary / "data-gym-cache");
  if (std::optional<fs::path> file = findGpt2(folders))
    return loadGpt2(*file);
  return Status::user(fmt::format(
      "GPT-2's vocabulary is not on this machine (looked into {}). The Python "
      "package mlx-whisper carries it (pip download --no-deps mlx-whisper; the "
      "wheel is a zip file with mlx_whisper/assets/gpt2.tiktoken), tiktoken "
      "fetches it; set DECAY_GPT2 to the file",
      fmt::join(folders | std::views::transform(&fs::path::native), ", ")));
}

} // namespace decay::runtime
