//===- Words.cpp - The words of the language
//-------------------------------===//
#include "dsl/syntax/Words.h"
#include "dsl/operators/PointwiseOperators.h"
#include "dsl/syntax/Diagnostics.h"

#include "llvm/ADT/STLExtras.h"

namespace decay::dsl {
namespace {

template <typename Row>
const Row *findRow(llvm::ArrayRef<Row> rows, llvm::StringRef Row::*key,
                   llvm::StringRef name) {
  const Row *row =
      llvm::find_if(rows, [&](const Row &each) { return each.*key == name; });
  return row == rows.end() ? nullptr : row;
}

} // namespace

llvm::ArrayRef<AxisSetting> axisSettings() {
  static const AxisSetting table[] = {
      {"granularity",
       {"vector", "scalar"},
       "one λ per channel, or one per head"},
      {"sharing",
       {"off", "on"},
       "f is the key projection, and k follows from λ"},
      {"position",
       {"none", "rope", "lrpe_cosine", "tpe"},
       "positional encoding of q and k"},
      {"compat",
       {"published", "authors"},
       "the paper's formula, or the quirks of its code"},
  };
  return table;
}

const AxisSetting *findAxisSetting(llvm::StringRef name) {
  return findRow(axisSettings(), &AxisSetting::name, name);
}

llvm::ArrayRef<GuardWord> guardWords() {
  static const GuardWord table[] = {
      {"vector", "granularity", "vector"},
      {"scalar", "granularity", "scalar"},
      {"sharing", "sharing", "on"},
      {"rope", "position", "rope"},
      {"lrpe_cosine", "position", "lrpe_cosine"},
      {"tpe", "position", "tpe"},
      {"published", "compat", "published"},
      {"authors", "compat", "authors"},
  };
  return table;
}

const GuardWord *findGuardWord(llvm::StringRef word) {
  return findRow(guardWords(), &GuardWord::word, word);
}

llvm::ArrayRef<BuiltinFunction> builtinFunctions() {
  static const BuiltinFunction table[] = {
      {"prev", "prev(z)", 1, "a carried value before this token"},
      {"softmax", "softmax(x)", 1, "softmax over the layers"},
      {"cumsum", "cumsum(x)", 1,
       "cumulative sum over the layers; on a carry line, over the tokens"},
      {"first", "first(x)", 1,
       "the value at layer 0; `x - first` is short for x - first(x)"},
      {"geometric", "geometric(a, b, head)", 3,
       "from a at the first head (or layer) to b at the last, by equal ratios"},
      {"logit", "logit(p)", 1, "log(p / (1 - p))"},
      {"inv_softplus", "inv_softplus(x)", 1, "the number whose softplus is x"},
      {"uniform", "uniform(a, b)", 2, "a random draw between a and b"},
      {"log_uniform", "log_uniform(a, b)", 2,
       "a draw whose logarithm is uniform; log_uniform(a, b, floor c): at "
       "least c"},
      {"normal", "normal(mean, deviation)", 2,
       "a random draw from a normal distribution"},
      {"logcumsumexp", "logcumsumexp(x)", 1,
       "on a carry line: log of the running sum of exp(x)"},
      {"latest", "latest(x)", 1,
       "on a carry line: x itself, so that prev gives x one token ago"},
  };
  return table;
}

const BuiltinFunction *findBuiltinFunction(llvm::StringRef name) {
  return findRow(builtinFunctions(), &BuiltinFunction::name, name);
}

bool isFunctionName(llvm::StringRef name) {
  const PointwiseOperator *card = findPointwiseOperator(name);
  return (card && card->visible) || findBuiltinFunction(name);
}

std::vector<std::string> functionNames() {
  std::vector<std::string> names;
  for (const PointwiseOperator &card : pointwiseOperators())
    if (card.visible)
      names.push_back(card.name.str());
  for (const BuiltinFunction &function : builtinFunctions())
    names.push_back(function.name.str());
  return names;
}

std::string nearestFunction(llvm::StringRef name) {
  // What other languages call things.
  static constexpr std::pair<llvm::StringRef, const char *> otherNames[] = {
      {"swish", "silu"},
      {"logistic", "sigmoid"},
      {"sig", "sigmoid"},
      {"sigma", "sigmoid"},
      {"ln", "log"},
      {"relu", "max(x, 0)"},
      {"abs", "max(x, -x)"},
      {"square", "x * x"},
      {"power", "pow"},
      {"minimum", "min"},
      {"maximum", "max"},
      {"lse", "logaddexp"},
      {"rsqrt", "1 / sqrt(x)"},
      {"log_sigmoid", "logsigmoid"},
      {"clip", "clamp"},
  };
  for (const auto &[other, ours] : otherNames)
    if (other == name)
      return ours;
  return nearestWord(name, functionNames());
}

llvm::StringRef reservedMeaning(llvm::StringRef name) {
  static constexpr llvm::StringRef numbers[] = {"head", "heads", "layer",
                                                "layers"};
  if (isFunctionName(name))
    return "a function of the language";
  if (llvm::is_contained(numbers, name))
    return "a number of the language";
  static constexpr llvm::StringRef others[] = {"design", "variant", "of", "in",
                                               "from"};
  if (llvm::is_contained(others, name) ||
      llvm::is_contained(statementWords(), name) || findGuardWord(name) ||
      name == "no_weight_decay")
    return "a word of the language";
  return {};
}

llvm::StringRef operandMeaning(llvm::StringRef name) {
  bool isTaken = name == "o" || name == "state" || name.starts_with("d_") ||
                 name.starts_with("initial_") || name.starts_with("final_");
  return isTaken ? "an operand of every compiled package" : "";
}

llvm::ArrayRef<llvm::StringRef> statementWords() {
  static constexpr llvm::StringRef words[] = {
      "summary", "cite",    "granularity", "sharing", "position", "compat",
      "set",     "project", "learn",       "carry",   "without"};
  return words;
}

std::string listOf(llvm::ArrayRef<std::string> words,
                   llvm::StringRef lastJoin) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i)
      text += i + 1 == words.size() ? lastJoin.str() : ", ";
    text += words[i];
  }
  return text;
}

} // namespace decay::dsl
