//===- Diagnostic.h - Errors that point into a text ------------*- C++ -*-===//
//
// What a user error in a configuration or data file looks like:
//
//   train.toml:3:8: error: expected a number, found "fast"
//     3 | rate = "fast"
//       |        ^
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_DIAGNOSTIC_H
#define DECAY_RUNTIME_CORE_DIAGNOSTIC_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace decay::runtime {

/// A place in a text, both counted from 1; columns count bytes.
struct TextPlace {
  size_t line = 1, column = 1;
};

TextPlace placeOf(std::string_view text, size_t offset);

/// The message of the example above.
std::string locate(std::string_view name, std::string_view text,
                   TextPlace place, std::string_view message);

/// A user error made of it.
inline Status errorAt(std::string_view name, std::string_view text,
                      TextPlace place, std::string_view message) {
  return Status::user(locate(name, text, place, message));
}

/// The candidate that the user may have meant, or "" when none is near.
std::string_view nearest(std::string_view written,
                         std::span<const std::string> candidates);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_DIAGNOSTIC_H
