//===- ModelConfig.h - The sizes and options of a model --------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_MODELS_MODELCONFIG_H
#define DECAY_RUNTIME_NN_MODELS_MODELCONFIG_H

#include "runtime/core/Json.h"
#include "runtime/kernels/native/NativeKernels.h"

#include <string>

namespace decay::runtime {

/// The two initialisations that the published code really has.
enum class Initialisation : uint8_t {
  /// Every matrix but W3 a truncated normal of deviation 0.02, cut at 0.06; W3
  /// zero.
  Published,
  /// The same, but the token mixer's matrices are Xavier-uniform with gain 0.01
  /// and Wo is zero.
  HuggingFace,
};

struct ModelConfig {
  int64_t vocabulary = 0; ///< classes of the softmax, padding included
  int64_t width = 0;      ///< D
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t gluWidth = 0; ///< M
  int64_t gateRank = 0; ///< of the output gate
  NormOptions norm;
  Initialisation initialisation = Initialisation::Published;

  int64_t headWidth() const { return width / heads; }

  /// A user error for sizes that do not fit together.
  Status check() const;

  /// As written to config.json, with the key names of Hugging Face
  /// configurations.
  Json toJson() const;
  static Result<ModelConfig> fromJson(const Json &object,
                                      std::string_view file);
};

/// "published", "huggingface".
std::string_view toString(Initialisation value);
Result<Initialisation> parseInitialisation(std::string_view word);
/// "sum", "mean".
std::string_view toString(EpsilonPlace value);
Result<EpsilonPlace> parseEpsilonPlace(std::string_view word);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_MODELS_MODELCONFIG_H
