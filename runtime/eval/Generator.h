//===- Generator.h - Text from a model, token by token ---------*- C++ -*-===//
#ifndef DECAY_RUNTIME_EVAL_GENERATOR_H
#define DECAY_RUNTIME_EVAL_GENERATOR_H

#include "runtime/eval/Sampler.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

struct GenerationOptions {
  SamplingOptions sampling;
  int64_t tokens = 128; ///< at most so many
  std::vector<std::string>
      stops; ///< end after one of these; it is not part of the result
  std::function<void(std::string_view)> piece; ///< receives bytes as they come
  std::function<bool()> stop;                  ///< asked after each token
};

/// The text that follows `prompt` (an empty one begins a new text). The prompt
/// runs through the chunked kernel, then the package's `step` makes one token
/// at a time; the model's states are used (RunShape::states). Ends at an end of
/// text. User error for options out of range.
Result<std::string> generateText(LanguageModel &model,
                                 const Tokenizer &tokenizer,
                                 std::string_view prompt,
                                 const GenerationOptions &options);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_GENERATOR_H
