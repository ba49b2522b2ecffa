//===- CheckBytes.h - What must hold for any bytes -------------*- C++ -*-===//
//
// Each check takes bytes that nobody vouches for and gives "" or what is wrong
// with how they were taken. A crash, a hang or a sanitizer's report is wrong in
// any case.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_TEST_FUZZ_RUNTIME_CHECKBYTES_H
#define DECAY_TEST_FUZZ_RUNTIME_CHECKBYTES_H

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/core/Config.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <string>
#include <string_view>

namespace decay::runtime {

/// A refusal says something about the input by its name.
inline std::string complaintAboutRefusal(const Status &status) {
  return status.message().starts_with("input") ? ""
                                               : "a message without a place";
}

/// A header that is accepted describes disjoint data that covers the file.
inline std::string complaintAboutSafetensors(std::string_view bytes) {
  auto parsed =
      SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "input");
  if (!parsed.ok())
    return complaintAboutRefusal(parsed.status());
  uint64_t sum = 0;
  for (const StoredTensor &tensor : parsed->tensors()) {
    uint64_t size = static_cast<uint64_t>(storedTypeBytes(tensor.type));
    for (int64_t length : tensor.shape)
      size *= static_cast<uint64_t>(length);
    if (size != tensor.data.size())
      return "data that does not fit its shape";
    if (parsed->find(tensor.name) != &tensor)
      return "a tensor that is not found by its name";
    sum += size;
  }
  if (sum + 8 > bytes.size())
    return "more data than the file holds";
  // Whether checksums match or not, looking must be safe.
  (void)parsed->verify().ok();
  return "";
}

/// Any text comes back from its tokens, with any tokenizer that is accepted.
inline std::string complaintAboutTokenizer(std::string_view bytes) {
  size_t cut = bytes.find('\n');
  std::string_view json = bytes.substr(0, cut);
  std::string_view text =
      cut == std::string_view::npos ? bytes : bytes.substr(cut + 1);
  auto parsed = Tokenizer::parse(json, "input");
  if (!parsed.ok() && !complaintAboutRefusal(parsed.status()).empty())
    return "a message without a place";
  Tokenizer tokenizer = parsed.ok() ? *parsed : Tokenizer();
  std::string joined;
  PreTokenizer pieces(text);
  for (std::string_view piece = pieces.next(); !piece.empty();
       piece = pieces.next())
    joined += piece;
  if (joined != text)
    return "pieces that are not the text";
  auto decoded = tokenizer.decode(tokenizer.encode(text));
  if (!decoded.ok() || *decoded != text)
    return "a text that does not come back";
  if (parsed.ok() && !Tokenizer::parse(tokenizer.serialize(), "written").ok())
    return "a tokenizer that cannot be read back";
  return "";
}

inline std::string complaintAboutConfig(std::string_view bytes) {
  auto parsed = Config::parse(bytes, "input");
  if (!parsed.ok())
    return complaintAboutRefusal(parsed.status());
  int64_t number = 0;
  std::string text;
  (void)parsed->read("a.b", number, 1, 5).ok();
  (void)parsed->read("name", text).ok();
  (void)parsed->set(bytes).ok();
  Status status = parsed->finish();
  return status.ok() || !status.message().empty() ? "" : "an empty message";
}

} // namespace decay::runtime

#endif // DECAY_TEST_FUZZ_RUNTIME_CHECKBYTES_H
