//===- Gpt2.h - The tokenizer of GPT-2 -------------------------*- C++ -*-===//
//
// Its vocabulary is not part of this program: it is read from a file that
// Python packages carry, in either of the two forms that it is published in.
//
//   gpt2.tiktoken, r50k_base.tiktoken   a line for each token: base64, number
//   vocab.bpe                           a line for each merge
//
// The file is known by its SHA-256. Token numbers are those of tiktoken's
// "gpt2": 50,256 byte pairs and bytes, then <|endoftext|>.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TOKENIZER_GPT2_H
#define DECAY_RUNTIME_TOKENIZER_GPT2_H

#include "runtime/tokenizer/Tokenizer.h"

#include <filesystem>
#include <optional>
#include <span>

namespace decay::runtime {

/// User error when the file is not one of the two, byte for byte.
Result<Tokenizer> loadGpt2(const std::filesystem::path &file);

/// The first file of either form in `folders`, by the names above and by those
/// of tiktoken's cache.
std::optional<std::filesystem::path>
findGpt2(std::span<const std::filesystem::path> folders);

/// The vocabulary that is installed here: the file that the environment
/// variable DECAY_GPT2 names, or the first in the program's folder, the build's
/// wheels and tiktoken's cache. User error that says how to come by one.
Result<Tokenizer> loadInstalledGpt2();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_GPT2_H
