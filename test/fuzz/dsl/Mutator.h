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

} // namespace decay::dsl

#endif // DECAY_TEST_FUZZ_DSL_MUTATOR_H
