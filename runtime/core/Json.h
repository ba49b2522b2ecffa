//===- Json.h - JSON from files that nobody vouches for --------*- C++ -*-===//
#ifndef DECAY_RUNTIME_CORE_JSON_H
#define DECAY_RUNTIME_CORE_JSON_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace decay::runtime {

using Json = nlohmann::json;

struct JsonLimits {
  size_t depth = 64;
  size_t bytes = size_t{256} << 20;
};

/// A whole JSON text. Refused with line and column: syntax errors, anything
/// after the value, a key that occurs twice in one object, too deep nesting,
/// strings that are not UTF-8. `name` is what messages call the text.
Result<Json> parseJson(std::string_view text, std::string_view name,
                       JsonLimits limits = {});

/// Typed members of an object; `name` is the file, for messages such as
/// "config.json: 'layers': expected an integer from 1 to 1000, found 0".
Result<int64_t> jsonInteger(const Json &object, std::string_view key,
                            std::string_view name,
                            int64_t least = std::numeric_limits<int64_t>::min(),
                            int64_t most = std::numeric_limits<int64_t>::max());
Result<uint64_t> jsonUnsigned(const Json &object, std::string_view key,
                              std::string_view name);
Result<double> jsonNumber(const Json &object, std::string_view key,
                          std::string_view name);
Result<std::string> jsonString(const Json &object, std::string_view key,
                               std::string_view name);
Result<bool> jsonBool(const Json &object, std::string_view key,
                      std::string_view name);

/// An array or object member; user error when it is missing or something else.
Result<Json> jsonArray(const Json &object, std::string_view key,
                       std::string_view name);
Result<Json> jsonObject(const Json &object, std::string_view key,
                        std::string_view name);

/// Indented by two spaces, ends with a newline; the same bytes for the same
/// value. Bytes that are not UTF-8 are replaced by U+FFFD.
std::string writeJson(const Json &value);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_JSON_H
