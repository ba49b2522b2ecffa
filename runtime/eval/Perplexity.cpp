//===- Perplexity.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/eval/Perplexity.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numbers>

namespace decay::runtime {

double TextScore::perplexity() const {
  return std::exp(nats / double(std::max<int64_t>(tokens, 1)));
}

double TextScore::bitsPerByte() const {
  return nats / std::numbers::ln2 / double(std::max<int64_t>(bytes, 1));
}

namespace {

/// Tokens and targets of some windows; what lies beyond the text is padding.
struct WindowBatch {
  std::vector<int32_t> tokens, targets;

  void fill(const TokenSequence &text, int64_t T, int64_t first, int64_t count,
            int32_t end) {
    tokens.assign(static_cast<size_t>(count * T), end);
    targets.assign(static_cast<size_t>(count * T), -1);
    std::vector<int32_t> window;
    for (int64_t w = 0; w < count; ++w) {
      int64_t from = (first + w) * T;
      window.resize(static_cast<size_t>(std::min(T + 1, text.size() - from)));
      text.read(from, window);
      std::copy(window.begin(), window.end() - 1, tokens.begin() + w * T);
      std::transform(window.begin() + 1, window.end(), targets.begin() + w * T,
                     [&](int32_t token) { return token == end ? -1 : token; });
    }
  }
};

} // namespace

Result<TextScore> scoreText(LanguageModel &model, const TokenSequence &text,
                            const Tokenizer &tokenizer,
                            const ScoreOptions &options) {
  if (text.size() < 2)
    return Status::user(fmt::format(
        "the text has {} tokens; at least 2 are needed to predict one "
        "from the other",
        text.size()));
  int64_t windows = (text.size() - 1 + options.T - 1) / options.T;
  if (options.mostWindows > 0)
    windows = std::min(windows, options.mostWindows);
  TextScore score;
  WindowBatch batch;
  for (int64_t first = 0; first < windows; first += options.B) {
    if (options.stop && options.stop())
      break;
    int64_t count = std::min(options.B, windows - first);
    batch.fill(text, options.T, first, count, tokenizer.endOfText());
    ForwardCall call;
    call.tokens = batch.tokens.data();
    call.B = count, call.T = options.T;
    DECAY_RETURN_IF_ERROR(model.forward(call));
    score.nats += model.loss(batch.targets.data(), 0);
    DECAY_RETURN_IF_ERROR(model.readFaults());
    for (int32_t target : batch.targets) {
      if (target < 0)
        continue;
      ++score.tokens;
      score.bytes += static_cast<int64_t>(tokenizer.bytesOf(target).size());
    }
    if (options.progress)
      options.progress(first + count, windows);
  }
  return score;
}

} // namespace decay::runtime
