//===- Generator.cpp -------------------------------------------*- C++ -*-===//
#include "runtime/eval/Generator.h"

#include <algorithm>

namespace decay::runtime {
namespace {

/// Holds text back while it could still become a stop word.
class StopFilter {
public:
  explicit StopFilter(const std::vector<std::string> &stops) : stops(stops) {
    for (const std::string &stop : stops)
      longest = std::max(longest, stop.size());
  }

  /// Returns true when a stop word is complete; `text` is then cut before it.
  bool complete(std::string &text) const {
    size_t at = std::string::npos;
    for (const std::string &stop : stops)
      if (!stop.empty())
        at = std::min(at, text.find(stop));
    if (at == std::string::npos)
      return false;
    text.resize(at);
    return true;
  }
  /// How much of `text` can be shown already.
  size_t safe(const std::string &text) const {
    return longest == 0 ? text.size()
                        : text.size() - std::min(text.size(), longest - 1);
  }

private:
  const std::vector<std::string> &stops;
  size_t longest = 0;
};

Status readPrompt(LanguageModel &model, const std::vector<Token> &prompt) {
  model.resetStates();
  const int64_t most = model.plannedTokens();
  for (int64_t first = 0; first < int64_t(prompt.size()); first += most) {
    ForwardCall call;
    call.tokens = prompt.data() + first;
    call.T = std::min(most, int64_t(prompt.size()) - first);
    call.carryState = true;
    DECAY_RETURN_IF_ERROR(model.forward(call));
    DECAY_RETURN_IF_ERROR(model.readFaults());
  }
  return {};
}

} // namespace

Result<std::string> generateText(LanguageModel &model,
                                 const Tokenizer &tokenizer,
                                 std::string_view prompt,
                                 const GenerationOptions &options) {
  DECAY_RETURN_IF_ERROR(options.sampling.check());
  std::vector<Token> tokens = tokenizer.encode(prompt);
  if (tokens.empty())
    tokens.push_back(tokenizer.endOfText());
  DECAY_RETURN_IF_ERROR(readPrompt(model, tokens));

  int64_t lastRow = (int64_t(tokens.size()) - 1) % model.plannedTokens();
  StopFilter filter(options.stops);
  std::string text;
  size_t shown = 0;
  for (int64_t i = 0; i < options.tokens; ++i) {
    Token token = sampleToken(model.logits(lastRow), tokenizer.vocabularySize(),
                              options.sampling, model.position());
    if (token == tokenizer.endOfText())
      break;
    text += tokenizer.bytesOf(token);
    bool done = filter.complete(text);
    size_t safe = done ? text.size() : filter.safe(text);
    if (options.piece && safe > shown)
      options.piece(std::string_view(text).substr(shown, safe - shown));
    shown = std::max(shown, safe);
    if (done || i + 1 == options.tokens || (options.stop && options.stop()))
      break;
    ForwardCall call;
    call.tokens = &token;
    call.carryState = true;
    DECAY_RETURN_IF_ERROR(model.forward(call));
    DECAY_RETURN_IF_ERROR(model.readFaults());
    lastRow = 0;
  }
  if (options.piece && text.size() > shown)
    options.piece(std::string_view(text).substr(shown));
  return text;
}

} // namespace decay::runtime
