//===- Documents.cpp - From files to documents ----------------------------===//

#include "runtime/data/Documents.h"

#include "runtime/core/Json.h"
#include "runtime/tokenizer/PreTokenizer.h"

#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr size_t partBytes = size_t{1} << 20;

void forEachLine(std::string_view text, const LineFilter &wanted,
                 const std::function<void(const DocumentPart &)> &visit) {
  constexpr std::string_view blank = " \t\r";
  for (int64_t line = 1; !text.empty(); ++line) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view bytes = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (bytes.find_first_not_of(blank) != std::string_view::npos &&
        (!wanted || wanted(line)))
      visit({bytes, true, line});
  }
}
} // namespace

bool isJsonLines(const std::filesystem::path &file) {
  return file.extension() == ".jsonl";
}

void forEachPart(const MappedFile &file, const std::filesystem::path &path,
                 const LineFilter &wanted,
                 const std::function<void(const DocumentPart &)> &visit) {
  std::string_view text(reinterpret_cast<const char *>(file.bytes().data()),
                        file.bytes().size());
  if (isJsonLines(path))
    return forEachLine(text, wanted, visit);
  bool begins = true;
  do {
    size_t end = placeToCut(text, partBytes);
    visit({text.substr(0, end), begins, 0});
    text.remove_prefix(end);
    begins = false;
  } while (!text.empty());
}

Result<std::string_view> textOf(const DocumentPart &part,
                                const std::filesystem::path &path,
                                std::string &store) {
  if (part.line == 0)
    return part.bytes;
  std::string name = fmt::format("{} line {}", path.string(), part.line);
  DECAY_ASSIGN_OR_RETURN(Json json, parseJson(part.bytes, name));
  DECAY_ASSIGN_OR_RETURN(store, jsonString(json, "text", name));
  return std::string_view(store);
}

} // namespace decay::runtime
