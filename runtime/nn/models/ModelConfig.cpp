//===- ModelConfig.cpp -----------------------------------------*- C++ -*-===//
#include "runtime/nn/models/ModelConfig.h"

#include <array>
#include <fmt/format.h>

namespace decay::runtime {
namespace {

template <typename T> struct Word {
  std::string_view text;
  T value;
};

constexpr std::array<Word<Initialisation>, 2> initialisations{
    {{"published", Initialisation::Published},
     {"huggingface", Initialisation::HuggingFace}}};
constexpr std::array<Word<EpsilonPlace>, 2> epsilonPlaces{
    {{"sum", EpsilonPlace::Sum}, {"mean", EpsilonPlace::Mean}}};

template <typename Table, typename T>
std::string_view wordOf(const Table &table, T value) {
  for (const auto &word : table)
    if (word.value == value)
      return word.text;
  assert(false && "every value has a word");
  return "";
}

template <typename T, size_t N>
Result<T> valueOf(const std::array<Word<T>, N> &table,
                  std::string_view written) {
  std::string known;
  for (const Word<T> &word : table) {
    if (word.text == written)
      return word.value;
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", word.text);
  }
  return Status::user(
      fmt::format("found '{}', expected one of {}", written, known));
}

/// The integers of config.json: key, member, least value.
struct SizeKey {
  const char *key;
  int64_t ModelConfig::*member;
};
constexpr SizeKey sizeKeys[] = {
    {"vocab_size", &ModelConfig::vocabulary},
    {"hidden_size", &ModelConfig::width},
    {"num_hidden_layers", &ModelConfig::layers},
    {"num_heads", &ModelConfig::heads},
    {"intermediate_size", &ModelConfig::gluWidth},
    {"gate_rank", &ModelConfig::gateRank},
};

} // namespace

std::string_view toString(Initialisation value) {
  return wordOf(initialisations, value);
}
std::string_view toString(EpsilonPlace value) {
  return wordOf(epsilonPlaces, value);
}
Result<Initialisation> parseInitialisation(std::string_view word) {
  return valueOf(initialisations, word);
}
Result<EpsilonPlace> parseEpsilonPlace(std::string_view word) {
  return valueOf(epsilonPlaces, word);
}

Status ModelConfig::check() const {
  constexpr int64_t most = int64_t(1) << 24;
  for (const SizeKey &size : sizeKeys)
    if (this->*size.member < 1 || this->*size.member > most)
      return Status::user(fmt::format("{} is {}; it must lie between 1 and {}",
                                      size.key, this->*size.member, most));
  if (width % heads != 0)
    return Status::user(
        fmt::format("hidden_size {} is not a multiple of num_heads {}; choose "
                    "num_heads so that every head has the same width",
                    width, heads));
  return {};
}

Json ModelConfig::toJson() const {
  Json object;
  for (const SizeKey &size : sizeKeys)
    object[size.key] = this->*size.member;
  object["rms_norm_eps"] = norm.epsilon;
  object["rms_norm_eps_place"] = toString(norm.place);
  object["initialization"] = toString(initialisation);
  object["tie_word_embeddings"] = false;
  return object;
}

Result<ModelConfig> ModelConfig::fromJson(const Json &object,
                                          std::string_view file) {
  ModelConfig config;
  for (const SizeKey &size : sizeKeys) {
    DECAY_ASSIGN_OR_RETURN(config.*size.member,
                           jsonInteger(object, size.key, file));
  }
  DECAY_ASSIGN_OR_RETURN(double epsilon,
                         jsonNumber(object, "rms_norm_eps", file));
  config.norm.epsilon = static_cast<float>(epsilon);
  DECAY_ASSIGN_OR_RETURN(std::string place,
                         jsonString(object, "rms_norm_eps_place", file));
  DECAY_ASSIGN_OR_RETURN(config.norm.place, parseEpsilonPlace(place));
  DECAY_ASSIGN_OR_RETURN(std::string word,
                         jsonString(object, "initialization", file));
  DECAY_ASSIGN_OR_RETURN(config.initialisation, parseInitialisation(word));
  DECAY_RETURN_IF_ERROR(config.check().within(file));
  return config;
}

} // namespace decay::runtime
