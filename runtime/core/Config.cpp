//===- Config.cpp - Settings from a TOML file and the command line --------===//

#include "runtime/core/Config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#define TOML_EXCEPTIONS 0
// The parser asserts on some texts which it refuses in its next line: bad input
// must never end the program.
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace decay::runtime {
namespace {
constexpr size_t mostBytes = size_t{1} << 20;

// Version 3.3 of the parser runs into undefined behaviour wherever it asks
// whether a letter such as é is white space. So it is only shown ASCII: bytes
// above, and '~' itself, are written as '~' and two hex digits, which changes
// nothing but the contents of strings and comments.
constexpr char mark = '~';

bool isHidden(char c) {
  return c == mark || static_cast<unsigned char>(c) >= 128;
}

std::string hide(std::string_view text) {
  std::string out;
  for (char c : text)
    if (isHidden(c))
      out += fmt::format("{}{:02x}", mark, static_cast<unsigned char>(c));
    else
      out += c;
  return out;
}

std::string unhide(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (text[i] == mark && i + 2 < text.size()) {
      std::from_chars(&text[i + 1], &text[i + 1] + 2, c, 16);
      i += 2;
    }
    out += static_cast<char>(c);
  }
  return out;
}

/// A place in the hidden text, as one in the text.
TextPlace placeIn(const toml::source_region &region, std::string_view text) {
  size_t start = 0;
  for (size_t line = 1; line < region.begin.line; ++line)
    start = text.find('\n', start) + 1;
  size_t column = 1;
  for (size_t seen = 1; seen < region.begin.column; ++column) {
    size_t at = start + column - 1;
    seen += at < text.size() && isHidden(text[at]) ? 3 : 1;
  }
  return {region.begin.line, column};
}

/// Refuses letters that only strings and comments may hold, because the parser
/// would complain about their hidden form.
Status checkCharacters(std::string_view text, std::string_view name) {
  if (text.size() > mostBytes)
    return Status::user(fmt::format("{}: {} bytes, at most {} are allowed",
                                    name, text.size(), mostBytes));
  char inside = 0; // '#', a quote, or 0 outside comments and strings
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\n' || (inside == c && c != '#'))
      inside = 0;
    else if (inside == '"' && c == '\\')
      ++i;
    else if (inside == 0 && (c == '"' || c == '\'' || c == '#'))
      inside = c;
    else if (inside == 0 && static_cast<unsigned char>(c) >= 128)
      return errorAt(name, text, placeOf(text, i),
                     "only strings on one line and comments may hold letters "
                     "other than ASCII's; put quotes around it");
  }
  return {};
}

template <typename T, typename Stored>
bool readArray(const toml::array &array, std::vector<Stored> &out) {
  for (const toml::node &node : array) {
    std::optional<T> element = node.value<T>();
    if (!element)
      return false;
    out.push_back(std::move(*element));
  }
  return true;
}

std::optional<Config::Value> valueOf(const toml::node &node) {
  if (const auto *value = node.as_boolean())
    return value->get();
  if (const auto *value = node.as_integer())
    return value->get();
  if (const auto *value = node.as_floating_point())
    return value->get();
  if (const auto *value = node.as_string())
    return unhide(value->get());
  const toml::array *array = node.as_array();
  if (!array)
    return std::nullopt;
  std::vector<std::string> strings;
  if (array->is_homogeneous<std::string>() || array->empty())
    if (readArray<std::string>(*array, strings)) {
      std::ranges::transform(strings, strings.begin(), unhide);
      return strings;
    }
  std::vector<double> numbers;
  for (const toml::node &element : *array)
    if (!element.is_number())
      return std::nullopt;
  if (readArray<double>(*array, numbers))
    return numbers;
  return std::nullopt;
}

struct Printer {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    return fmt::format("{}", value);
  }
  std::string operator()(const std::string &value) const {
    return fmt::format("\"{}\"", value);
  }
  std::string operator()(const std::vector<std::string> &value) const {
    return fmt::format("[\"{}\"]", fmt::join(value, "\", \""));
  }
  std::string operator()(const std::vector<double> &value) const {
    return fmt::format("[{}]", fmt::join(value, ", "));
  }
};

constexpr std::string_view commandLine = "command line";
} // namespace

Result<Config> Config::parse(std::string_view text, std::string_view name) {
  Config config;
  DECAY_RETURN_IF_ERROR(config.add(text, name));
  return config;
}

Status Config::add(std::string_view text, std::string_view name) {
  DECAY_RETURN_IF_ERROR(checkCharacters(text, name));
  toml::parse_result parsed = toml::parse(hide(text));
  if (!parsed)
    return errorAt(name, text, placeIn(parsed.error().source(), text),
                   parsed.error().description());
  int source = static_cast<int>(sources.size());
  sources.push_back({std::string(name), std::string(text)});

  struct Pending {
    std::string prefix;
    const toml::table *table;
  };
  std::vector<Pending> pending{{"", &parsed.table()}};
  while (!pending.empty()) {
    auto [prefix, table] = pending.back();
    pending.pop_back();
    for (auto &&[key, node] : *table) {
      std::string full = prefix + unhide(key.str());
      if (const toml::table *inner = node.as_table()) {
        pending.push_back({full + ".", inner});
        continue;
      }
      std::optional<Value> value = valueOf(node);
      if (!value)
        return errorAt(name, text, placeIn(node.source(), text),
                       fmt::format("'{}': expected a bool, a number, a string "
                                   "or an array of strings or numbers",
                                   full));
      settings.insert_or_assign(
          full,
          Setting{std::move(*value), placeIn(node.source(), text), source});
    }
  }
  return {};
}

Status Config::set(std::string_view assignment) {
  size_t equals = assignment.find('=');
  std::string_view key = assignment.substr(0, equals);
  bool plain = !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '-';
  });
  if (equals == std::string_view::npos || !plain)
    return Status::user(fmt::format(
        "'{}': expected section.key=value, for example train.steps=500",
        assignment));
  std::string_view text = assignment.substr(equals + 1);
  // TOML of one value: what follows it on a line of its own would be new keys.
  if (text.find('\n') == std::string_view::npos &&
      add(assignment, commandLine).ok())
    return {};
  int source = static_cast<int>(sources.size());
  sources.push_back({std::string(commandLine), std::string(assignment)});
  settings.insert_or_assign(
      std::string(key),
      Setting{std::string(text), TextPlace{1, equals + 2}, source});
  return {};
}

bool Config::has(std::string_view key) const {
  return settings.find(key) != settings.end();
}

Config::Setting *Config::find(std::string_view key) {
  asked.insert(std::string(key));
  auto found = settings.find(key);
  return found == settings.end() ? nullptr : &found->second;
}

Status Config::expected(std::string_view key, const Setting &setting,
                        std::string_view what) const {
  return error(key, fmt::format("'{}': expected {}, found {}", key, what,
                                std::visit(Printer{}, setting.value)));
}

Status Config::error(std::string_view key, std::string_view message) const {
  auto found = settings.find(key);
  if (found == settings.end())
    return Status::user(std::string(message));
  const Source &source = sources[static_cast<size_t>(found->second.source)];
  return errorAt(source.name, source.text, found->second.place, message);
}

Status Config::read(std::string_view key, bool &value) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  if (const bool *given = std::get_if<bool>(&setting->value))
    return value = *given, Status();
  return expected(key, *setting, "true or false");
}

Status Config::read(std::string_view key, int64_t &value, int64_t least,
                    int64_t most) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  const int64_t *given = std::get_if<int64_t>(&setting->value);
  if (given && *given >= least && *given <= most)
    return value = *given, Status();
  if (most != std::numeric_limits<int64_t>::max())
    return expected(key, *setting,
                    fmt::format("an integer from {} to {}", least, most));
  if (least != std::numeric_limits<int64_t>::min())
    return expected(key, *setting,
                    fmt::format("an integer of at least {}", least));
  return expected(key, *setting, "an integer");
}

Status Config::read(std::string_view key, double &value, double least,
                    double most) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  double number = std::numeric_limits<double>::quiet_NaN();
  if (const double *given = std::get_if<double>(&setting->value))
    number = *given;
  else if (const int64_t *whole = std::get_if<int64_t>(&setting->value))
    number = static_cast<double>(*whole);
  // Also false for NaN.
  if (std::isfinite(number) && number >= least && number <= most)
    return value = number, Status();
  if (std::isfinite(least) && std::isfinite(most))
    return expected(key, *setting,
                    fmt::format("a number from {} to {}", least, most));
  if (std::isfinite(least))
    return expected(key, *setting,
                    fmt::format("a number of at least {}", least));
  return expected(key, *setting, "a number");
}

Status Config::read(std::string_view key, std::string &value) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  if (const auto *given = std::get_if<std::string>(&setting->value))
    return value = *given, Status();
  return expected(key, *setting, "a string");
}

Status Config::read(std::string_view key, std::vector<std::string> &value) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  if (const auto *given =
          std::get_if<std::vector<std::string>>(&setting->value))
    return value = *given, Status();
  return expected(key, *setting, "an array of strings");
}

Status Config::read(std::string_view key, std::vector<double> &value) {
  Setting *setting = find(key);
  if (!setting)
    return {};
  if (const auto *given = std::get_if<std::vector<double>>(&setting->value))
    return value = *given, Status();
  const auto *strings = std::get_if<std::vector<std::string>>(&setting->value);
  if (strings && strings->empty())
    return value.clear(), Status();
  return expected(key, *setting, "an array of numbers");
}

Status Config::finish() const {
  for (const auto &[key, setting] : settings) {
    if (asked.contains(key))
      continue;
    std::vector<std::string> known(asked.begin(), asked.end());
    std::string message = fmt::format("unknown setting '{}'", key);
    if (std::string_view near = nearest(key, known); !near.empty())
      message += fmt::format("; did you mean '{}'?", near);
    return error(key, message);
  }
  return {};
}

std::string Config::canonical() const {
  std::string text;
  for (const auto &[key, setting] : settings)
    text += fmt::format("{} = {}\n", key, std::visit(Printer{}, setting.value));
  return text;
}

} // namespace decay::runtime
