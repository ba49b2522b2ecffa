//===- Perplexity.h - What held-out text costs -----------------*- C++ -*-===//
//
// The text is cut into windows of T tokens; every window starts with an empty
// state, as in training, and its first token is predicted from the last one of
// the window before. So every token but the first is predicted once, with at
// most T tokens of context. Ends of text are context, but predicting them does
// not count: they are no part of the text, and the byte baseline does not pay
// for them either.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_EVAL_PERPLEXITY_H
#define DECAY_RUNTIME_EVAL_PERPLEXITY_H

#include "runtime/data/TokenShard.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <functional>

namespace decay::runtime {

struct TextScore {
  double nats = 0;    ///< -log of the probability of all tokens that count
  int64_t tokens = 0; ///< that count
  int64_t bytes = 0;  ///< of text that they stand for

  double perplexity() const; ///< per token
  double bitsPerByte() const;
};

struct ScoreOptions {
  int64_t B = 1, T = 1;    ///< at most what the model was planned for
  int64_t mostWindows = 0; ///< 0: the whole text
  std::function<void(int64_t window, int64_t windows)> progress;
  std::function<bool()> stop; ///< asked between batches; true ends early
};

/// A user error if the text has fewer than two tokens.
Result<TextScore> scoreText(LanguageModel &model, const TokenSequence &text,
                            const Tokenizer &tokenizer,
                            const ScoreOptions &options);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_PERPLEXITY_H
