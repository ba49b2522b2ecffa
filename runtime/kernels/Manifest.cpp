//===- Manifest.cpp - What a model must supply to a design ----------------===//

#include "runtime/kernels/Manifest.h"

#include "runtime/core/Json.h"

#include <algorithm>
#include <set>

namespace decay::runtime {

static constexpr JsonLimits limits = {.depth = 8, .bytes = 1 << 20};
static constexpr size_t maximumMembers = 256;
static constexpr size_t maximumNameLength = 64;

namespace {
template <typename Enum> struct Word {
  std::string_view text;
  Enum value;
};
} // namespace

static constexpr Word<Granularity> granularities[] = {
    {"vector", Granularity::Vector}, {"scalar", Granularity::Scalar}};
static constexpr Word<Position> positions[] = {
    {"none", Position::None},
    {"rope", Position::Rope},
    {"lrpe_cosine", Position::LrpeCosine},
    {"tpe", Position::Tpe}};
static constexpr Word<Compatibility> compatibilities[] = {
    {"published", Compatibility::Published},
    {"authors", Compatibility::Authors}};
static constexpr Word<ProjectionKind> projectionKinds[] = {
    {"full", ProjectionKind::Full},
    {"low_rank", ProjectionKind::LowRank},
    {"per_head", ProjectionKind::PerHead}};

template <typename Enum, size_t n>
static std::string_view wordOf(const Word<Enum> (&words)[n], Enum value) {
  for (const Word<Enum> &word : words)
    if (word.value == value)
      return word.text;
  assert(false && "every value has a word");
  return "";
}

std::string_view toString(Granularity value) {
  return wordOf(granularities, value);
}
std::string_view toString(Position value) { return wordOf(positions, value); }
std::string_view toString(Compatibility value) {
  return wordOf(compatibilities, value);
}
std::string_view toString(ProjectionKind value) {
  return wordOf(projectionKinds, value);
}

static bool isName(std::string_view text) {
  return !text.empty() && text.size() <= maximumNameLength &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '_';
         });
}

namespace {
/// Takes the members of one JSON object; the first failure is kept and ends the
/// reading.
class ObjectReader {
public:
  ObjectReader(const Json &object, std::string path, Status &failure)
      : object(object), path(std::move(path)), failure(failure) {
    if (!object.is_object())
      fail("",
           "is " + std::string(object.type_name()) + ", expected an object");
  }

  void text(const char *key, std::string &result) {
    if (const Json *member = find(key, "a text", &Json::is_string))
      result = member->get<std::string>();
  }

  void name(const char *key, std::string &result) {
    text(key, result);
    if (failure.ok() && !isName(result))
      fail(key, "'" + result.substr(0, maximumNameLength) +
                    "' is no name: expected 1 to 64 letters, digits and '_'");
  }

  void flag(const char *key, bool &result) {
    if (const Json *member = find(key, "true or false", &Json::is_boolean))
      result = member->get<bool>();
  }

  void integer(const char *key, int64_t &result, int64_t least, int64_t most) {
    const Json *member = find(key, "an integer", &Json::is_number_integer);
    if (!member)
      return;
    // Unsigned numbers beyond int64 would wrap when read as one.
    bool tooLarge = member->is_number_unsigned() &&
                    member->get<uint64_t>() > uint64_t(INT64_MAX);
    result = tooLarge ? INT64_MAX : member->get<int64_t>();
    if (result < least || result > most)
      fail(key, "is " + member->dump() + ", expected " + std::to_string(least) +
                    " to " + std::to_string(most));
  }

  void shape(const char *key, TensorShape &result) {
    std::string written;
    text(key, written);
    if (!failure.ok())
      return;
    Result<TensorShape> parsed = TensorShape::parse(written);
    if (parsed.ok())
      result = *parsed;
    else
      fail(key, parsed.status().message());
  }

  template <typename Enum, size_t n>
  void word(const char *key, const Word<Enum> (&words)[n], Enum &result) {
    std::string written;
    text(key, written);
    if (!failure.ok())
      return;
    std::string expected;
    for (const Word<Enum> &candidate : words) {
      if (candidate.text == written) {
        result = candidate.value;
        return;
      }
      expected += (expected.empty() ? "" : ", ") + std::string(candidate.text);
    }
    fail(key, "is '" + written + "', expected one of " + expected);
  }

  template <typename Item>
  void list(const char *key, std::vector<Item> &result,
            void (*read)(ObjectReader &, Item &)) {
    const Json *member = find(key, "a list", &Json::is_array);
    if (!member)
      return;
    if (member->size() > maximumMembers)
      return fail(key, "has " + std::to_string(member->size()) +
                           " members, at most " +
                           std::to_string(maximumMembers) + " are allowed");
    std::set<std::string> names;
    for (size_t i = 0; i < member->size() && failure.ok(); ++i) {
      ObjectReader reader((*member)[i],
                          path + key + "[" + std::to_string(i) + "].", failure);
      Item item;
      read(reader, item);
      if (failure.ok() && !names.insert(item.name).second)
        reader.fail("name", "'" + item.name + "' stands twice");
      result.push_back(std::move(item));
    }
  }

  void fail(const char *key, const std::string &message) {
    if (failure.ok())
      failure = Status::user("manifest: '" + path + key + "' " + message);
  }

private:
  const Json *find(const char *key, const char *expected,
                   bool (Json::*is)() const noexcept) {
    if (!failure.ok())
      return nullptr;
    auto member = object.find(key);
    if (member == object.end()) {
      fail(key, "is missing");
      return nullptr;
    }
    if (!((*member).*is)()) {
      fail(key,
           "is " + std::string(member->type_name()) + ", expected " + expected);
      return nullptr;
    }
    return &*member;
  }

  const Json &object;
  std::string path;
  Status &failure;
};
} // namespace

static void readSetting(ObjectReader &reader, ManifestSetting &setting) {
  reader.name("name", setting.name);
  reader.text("value", setting.value);
  reader.text("default", setting.defaultValue);
  reader.text("allowed", setting.allowed);
}

static void readProjection(ObjectReader &reader,
                           ManifestProjection &projection) {
  reader.name("name", projection.name);
  reader.word("kind", projectionKinds, projection.kind);
  reader.integer("rank", projection.rank, 0, 1 << 20);
  reader.flag("bias", projection.bias);
  reader.shape("shape", projection.shape);
}

static void readParameter(ObjectReader &reader, ManifestParameter &parameter) {
  reader.name("name", parameter.name);
  reader.shape("shape", parameter.shape);
  reader.flag("weight_decay", parameter.weightDecay);
}

static void readCarry(ObjectReader &reader, ManifestCarry &carry) {
  reader.name("name", carry.name);
  reader.shape("shape", carry.shape);
}

static void readMembers(ObjectReader &reader, Manifest &manifest) {
  int64_t version = 0;
  reader.integer("manifest", version, 1, 1);
  reader.name("design", manifest.design);
  reader.text("base", manifest.base);
  reader.text("summary", manifest.summary);
  reader.text("citation", manifest.citation);
  reader.text("hash", manifest.hash);
  reader.name("target", manifest.target);
  reader.word("granularity", granularities, manifest.granularity);
  reader.flag("sharing", manifest.sharing);
  reader.word("position", positions, manifest.position);
  reader.word("compat", compatibilities, manifest.compatibility);
  reader.list("settings", manifest.settings, readSetting);
  reader.list("projections", manifest.projections, readProjection);
  reader.list("parameters", manifest.parameters, readParameter);
  reader.list("carries", manifest.carries, readCarry);
  reader.shape("state_shape", manifest.stateShape);
  reader.integer("state_width", manifest.stateWidth, 1, 2);
}

Result<Manifest> Manifest::parse(std::string_view text) {
  DECAY_ASSIGN_OR_RETURN(Json root, parseJson(text, "manifest", limits));
  Manifest manifest;
  Status failure;
  ObjectReader reader(root, "", failure);
  readMembers(reader, manifest);
  bool isHash =
      manifest.hash.size() == 64 &&
      manifest.hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!isHash)
    reader.fail("hash", "is not 64 hexadecimal digits");
  DECAY_RETURN_IF_ERROR(std::move(failure));
  return manifest;
}

} // namespace decay::runtime
