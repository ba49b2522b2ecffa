//===- Mutator.h - Damages a design file on purpose ------------*- C++ -*-===//
#ifndef DECAY_TEST_FUZZ_DSL_MUTATOR_H
#define DECAY_TEST_FUZZ_DSL_MUTATOR_H

#include <iterator>
#include <random>
#include <string>

namespace decay::dsl {

/// Damages a text the way that typing, cutting and pasting does.
class Mutator {
public:
  explicit Mutator(unsigned seed) : random(seed) {}

  std::string mutate(std::string text) {
    int count = 1 + below(4);
    for (int i = 0; i < count; ++i)
      mutateOnce(text);
    return text;
  }

private:
  size_t below(size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random);
  }

  void mutateOnce(std::string &text) {
    static const std::string words[] = {
        "λ",       "log ",     "(",        ")",        "[",     "]",
        " = ",     "design x", "variant ", " of ",     "k",     "prev(",
        "cumsum(", "first",    "1e38",     "-",        "−",     "/ 0",
        "layers",  "sharing ", "authors ", "without ", "\n",    "\"",
        "softmax", "v",        "\xff",     "\t",       "head",  "uniform(",
        "1e999",   "carry ",   "from",     "set p = ", " in (", ","};
    size_t at = below(text.size() + 1);
    switch (below(7)) {
    case 0:
      text.insert(at, words[below(std::size(words))]);
      break;
    case 1:
      text.erase(at, 1 + below(8));
      break;
    case 2:
      if (at < text.size())
        text[at] = static_cast<char>(below(256));
      break;
    case 3: // a piece again, elsewhere
      text.insert(below(text.size() + 1), text.substr(at, 1 + below(40)));
      break;
    case 4: // a line lost
      if (size_t end = text.find('\n', at); end != std::string::npos)
        text.erase(at, end - at);
      break;
    case 5: // two pieces exchanged
      if (text.size() > 20) {
        size_t other = below(text.size() - 10);
        at = below(text.size() - 10);
        for (size_t i = 0; i < 5; ++i)
          std::swap(text[at + i], text[other + i]);
      }
      break;
    default:
      text.resize(at);
      break;
    }
    if (text.empty())
      text = "\n";
  }

  std::mt19937 random;
};

/// A design of right lines that were not made for each other.
inline std::string randomLines(unsigned seed) {
  static const char *lines[] = {
      "project f",
      "project f full",
      "project f per_head",
      "project f bias",
      "project g",
      "project g per_head",
      "project k lowrank(4)",
      "project v bias",
      "project q full",
      "granularity scalar",
      "granularity scalar, vector",
      "position rope",
      "sharing on",
      "compat authors",
      "set p = 0.5 in (0, 1)",
      "set p = -2",
      "learn a = 0",
      "learn a[head] = head / heads",
      "learn a[channel] = 1",
      "learn a[] = p",
      "learn a[layers] = uniform(-1, 1)",
      "learn b = logit(p)",
      "learn b[layers, channel] = normal(0, 1)",
      "learn b = inv_softplus(log_uniform(1e-3, 1e-1, floor 1e-4))",
      "authors learn b = geometric(1/2, 1/4, layer)",
      "learn b[head] = layer",
      "carry z = cumsum(f) from 0",
      "carry z = logcumsumexp(f + a) from 1",
      "carry z = latest(k) from head",
      "carry y = cumsum(prev(z)) from layers",
      "carry y = latest(q * a) from softplus(0)",
      "x = a + b",
      "x = f * a",
      "x = cumsum(softmax(a)) - first",
      "x = first(b) * softmax(a)",
      "x = prev(z) - z",
      "x = 1 - λ",
      "x = k * q",
      "x = v",
      "x = z / y",
      "x = log(x)",
      "x = layer / max(layers - 1, 1)",
      "y = x + (1 - x) * a",
      "λ = sigmoid(f)",
      "λ = sigmoid(x)",
      "λ = x + (1 - x) * sigmoid(f)",
      "λ = exp(-softplus(x * b))",
      "λ = 0.5",
      "λ = y",
      "λ = 1 - exp(-exp(x))",
      "log λ = -softplus(k)",
      "log λ = x",
      "log λ = prev(z) - z",
      "log λ = log(prev(y)) - log(y)",
      "log λ = -exp(a) * softplus(f + b)",
      "scalar λ = sigmoid(a)",
      "tpe authors log λ = -a",
      "k = 1 - λ",
      "k = silu(k) * x",
      "k = a",
      "sharing k = 1 - λ",
      "sharing authors k = exp(prev(y) - z)",
      "q = q * b",
      "q = k",
      "rope q = silu(q) / 2",
      "v = v * sigmoid(g)",
      "v = a",
      "v = silu(v)",
      "v = v * x",
      "without a",
      "summary \"s\""};
  std::mt19937 random(seed);
  auto below = [&](size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random);
  };
  static const char *heads[] = {"design d\n", "variant d of mamba2\n",
                                "variant d of lightnet\n",
                                "variant d of hgrn2\n", "design d\n"};
  std::string text = heads[below(std::size(heads))];
  size_t count = 1 + below(9);
  for (size_t i = 0; i < count; ++i)
    text += std::string("  ") + lines[below(std::size(lines))] + "\n";
  return text;
}

} // namespace decay::dsl

#endif // DECAY_TEST_FUZZ_DSL_MUTATOR_H
