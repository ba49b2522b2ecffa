//===- Documents.h - From files to documents -------------------*- C++ -*-===//
//
// A text file is one document. A JSONL file (its name ends in .jsonl) has one
// on each line that is not empty: an object whose member `text` is the text.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DATA_DOCUMENTS_H
#define DECAY_RUNTIME_DATA_DOCUMENTS_H

#include "runtime/core/Files.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace decay::runtime {

/// A document, or a part of one that can be encoded apart.
struct DocumentPart {
  std::string_view bytes; ///< of the file: text, or a line of JSON
  bool begins = true;     ///< a document
  int64_t line = 0;       ///< of a JSONL file, from 1; 0: plain text
};

bool isJsonLines(const std::filesystem::path &file);

/// Which documents of a JSONL file are wanted, by their lines.
using LineFilter = std::function<bool(int64_t line)>;

/// Hands on what a mapped file is made of, in order: long texts in parts of
/// about a megabyte. `wanted` may be empty: all. The bytes of lines that are
/// not wanted are not looked at.
void forEachPart(const MappedFile &file, const std::filesystem::path &path,
                 const LineFilter &wanted,
                 const std::function<void(const DocumentPart &)> &visit);

/// The text of a part: `store` holds it where it is not in the file as it is.
/// User error with file, line and column for what is no object with a text.
Result<std::string_view> textOf(const DocumentPart &part,
                                const std::filesystem::path &path,
                                std::string &store);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_DOCUMENTS_H
