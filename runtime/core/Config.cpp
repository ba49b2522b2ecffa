//===- Config.cpp - Settings from a TOML file and the command line --------===//

#include "runtime/core/Config.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace decay::runtime {
namespace {
TextPlace placeOf(const toml::source_region &region) {
  return {region.begin.line, region.begin.column};
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
    return value->get();
  const toml::array *array = node.as_array();
  if (!array)
    return std::nullopt;
  std::vector<std::string> strings;
  if (array->is_homogeneous<std::string>() || array->empty())
    if (readArray<std::string>(*array, strings))
      return strings;
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
  toml::parse_result parsed = toml::parse(text);
  if (!parsed)
    return errorAt(name, text, placeOf(parsed.error().source()),
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
      std::string full = prefix + std::string(key.str());
      if (const toml::table *inner = node.as_table()) {
        pending.push_back({full + ".", inner});
        continue;
      }
      std::optional<Value> value = valueOf(node);
      if (!value)
        return errorAt(name, text, placeOf(node.source()),
                       fmt::format("'{}': expected a bool, a number, a string "
                                   "or an array of strings or numbers",
                                   full));
      settings.insert_or_assign(
          full, Setting{std::move(*value), placeOf(node.source()), source});
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
