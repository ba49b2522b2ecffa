//===- Config.h - Settings from a TOML file and the command line -*- C++
//-*-===//
//
// Every setting has a dotted name: "train.steps" is `steps` of table [train].
// The reader asks for the names it knows; what nobody asked for is an error
// with its place and the name that was probably meant.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_CONFIG_H
#define DECAY_RUNTIME_CORE_CONFIG_H

#include "runtime/core/Diagnostic.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace decay::runtime {

class Config {
public:
  using Value = std::variant<bool, int64_t, double, std::string,
                             std::vector<std::string>, std::vector<double>>;

  Config() = default;

  /// TOML of bools, numbers, strings and arrays of strings or
  /// numbers, in tables. `name` is what messages call the text.
  static Result<Config> parse(std::string_view text, std::string_view name);

  /// "train.steps=500": replaces or adds one setting. The value is TOML; a
  /// word that is not TOML is taken as a string, so that no quotes are needed.
  Status set(std::string_view assignment);

  bool has(std::string_view key) const;

  /// Reads a setting into `value`, which keeps its default when the setting is
  /// absent. User error when it has another type or lies outside the range.
  Status read(std::string_view key, bool &value);
  Status read(std::string_view key, int64_t &value,
              int64_t least = std::numeric_limits<int64_t>::min(),
              int64_t most = std::numeric_limits<int64_t>::max());
  Status read(std::string_view key, double &value,
              double least = -std::numeric_limits<double>::infinity(),
              double most = std::numeric_limits<double>::infinity());
  Status read(std::string_view key, std::string &value);
  Status read(std::string_view key, std::vector<std::string> &value);
  Status read(std::string_view key, std::vector<double> &value);

  /// A located error about a setting that only the reader can judge.
  Status error(std::string_view key, std::string_view message) const;

  /// Call last: user error for the first setting that was never asked for.
  Status finish() const;

  /// Every setting with its value, sorted by name: equal for two
  /// configurations that say the same. For hashes and records.
  std::string canonical() const;

private:
  struct Setting {
    Value value;
    TextPlace place;
    int source; ///< index into `sources`
  };
  struct Source {
    std::string name, text;
  };
  Status add(std::string_view text, std::string_view name);
  Setting *find(std::string_view key);
  Status expected(std::string_view key, const Setting &setting,
                  std::string_view what) const;

  std::map<std::string, Setting, std::less<>> settings;
  std::set<std::string, std::less<>> asked;
  std::vector<Source> sources;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_CONFIG_H
