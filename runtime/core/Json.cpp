//===- Json.cpp - JSON from files that nobody vouches for -----------------===//

#include "runtime/core/Json.h"

#include "runtime/core/Diagnostic.h"

#include <fmt/format.h>
#include <vector>

namespace decay::runtime {
namespace {
// Builds the value by hand, because the library's own builder neither limits
// depth nor notices a key that is given twice.
class Builder : public nlohmann::json_sax<Json> {
public:
  Builder(std::string_view text, std::string_view name, JsonLimits limits)
      : text(text), name(name), limits(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &) override {
    return add(value);
  }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t &) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t &value) override {
    Json &object = *stack.back();
    if (object.contains(value))
      return refuse(fmt::format("the key '{}' occurs twice", value));
    place = &object[value];
    return true;
  }

  bool parse_error(std::size_t position, const std::string &token,
                   const nlohmann::detail::exception &error) override {
    // The library's text is "[json...] parse error at line ..: what: why".
    std::string why = error.what();
    size_t start = why.find("syntax error");
    why = start == std::string::npos ? "not valid JSON" : why.substr(start);
    problem =
        errorAt(name, text, placeOf(text, position ? position - 1 : 0), why);
    return false;
  }

  Result<Json> result(bool complete) && {
    if (complete)
      return std::move(root);
    if (problem.ok())
      problem = Status::user(fmt::format("{}: error: not valid JSON", name));
    return std::move(problem);
  }

private:
  bool refuse(const std::string &message) {
    problem = Status::user(fmt::format("{}: error: {}", name, message));
    return false;
  }

  Json *put(Json value) {
    if (stack.empty()) {
      root = std::move(value);
      return &root;
    }
    if (stack.back()->is_array()) {
      stack.back()->push_back(std::move(value));
      return &stack.back()->back();
    }
    *place = std::move(value);
    return place;
  }
  bool add(Json value) { return put(std::move(value)) != nullptr; }
  bool open(Json value) {
    if (stack.size() >= limits.depth)
      return refuse(fmt::format("nested more than {} deep", limits.depth));
    stack.push_back(put(std::move(value)));
    return true;
  }
  bool close() {
    stack.pop_back();
    return true;
  }

  std::string_view text, name;
  JsonLimits limits;
  Json root;
  Json *place = nullptr;
  std::vector<Json *> stack;
  Status problem;
};

Result<const Json *> member(const Json &object, std::string_view key,
                            std::string_view name) {
  if (!object.is_object())
    return Status::user(fmt::format("{}: expected an object", name));
  auto found = object.find(std::string(key));
  if (found == object.end())
    return Status::user(fmt::format("{}: '{}' is missing", name, key));
  return &*found;
}

Status mismatch(const Json &value, std::string_view key, std::string_view name,
                std::string_view expected) {
  std::string found =
      value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (found.size() > 60)
    found = found.substr(0, 57) + "...";
  return Status::user(fmt::format("{}: '{}': expected {}, found {}", name, key,
                                  expected, found));
}
} // namespace

Result<Json> parseJson(std::string_view text, std::string_view name,
                       JsonLimits limits) {
  if (text.size() > limits.bytes)
    return Status::user(fmt::format("{}: error: {} bytes of JSON, at most {} "
                                    "are allowed",
                                    name, text.size(), limits.bytes));
  Builder builder(text, name, limits);
  bool complete = Json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).result(complete);
}

Result<int64_t> jsonInteger(const Json &object, std::string_view key,
                            std::string_view name, int64_t least,
                            int64_t most) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  bool bounded = least != std::numeric_limits<int64_t>::min() ||
                 most != std::numeric_limits<int64_t>::max();
  bool fits = value->is_number_integer() &&
              !(value->is_number_unsigned() &&
                value->get<uint64_t>() >
                    static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits || value->get<int64_t>() < least || value->get<int64_t>() > most)
    return mismatch(*value, key, name,
                    bounded
                        ? fmt::format("an integer from {} to {}", least, most)
                        : "an integer");
  return value->get<int64_t>();
}

Result<uint64_t> jsonUnsigned(const Json &object, std::string_view key,
                              std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_number_unsigned())
    return mismatch(*value, key, name, "an integer from 0");
  return value->get<uint64_t>();
}

Result<double> jsonNumber(const Json &object, std::string_view key,
                          std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_number())
    return mismatch(*value, key, name, "a number");
  return value->get<double>();
}

Result<std::string> jsonString(const Json &object, std::string_view key,
                               std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_string())
    return mismatch(*value, key, name, "a string");
  return value->get<std::string>();
}

Result<bool> jsonBool(const Json &object, std::string_view key,
                      std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_boolean())
    return mismatch(*value, key, name, "true or false");
  return value->get<bool>();
}

Result<Json> jsonArray(const Json &object, std::string_view key,
                       std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_array())
    return mismatch(*value, key, name, "an array");
  return *value;
}

Result<Json> jsonObject(const Json &object, std::string_view key,
                        std::string_view name) {
  DECAY_ASSIGN_OR_RETURN(const Json *value, member(object, key, name));
  if (!value->is_object())
    return mismatch(*value, key, name, "an object");
  return *value;
}

std::string writeJson(const Json &value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace decay::runtime
