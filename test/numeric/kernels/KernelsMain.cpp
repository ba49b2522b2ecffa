//===- KernelsMain.cpp - The library's kernels against the oracle ---------===//
//
// kernels_vs_oracle [--full [--slice i/n]] [--variant NAME] [--folder DIR]
//                   [part of a name]
// Designs of the library in poisoned and guarded memory, some of their settings
// with some shapes. --full: every design at its defaults and with its other
// granularity, and every other value of a setting once, with every shape, or
// with each n-th from the i-th on. One line a design; exit code 1 if one fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/kernels/Shapes.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdio>
#include <malloc.h>
#include <set>

using namespace decay;
using namespace decay::test;

namespace {

struct Options {
  bool full = false;
  size_t slice = 0, slices = 1;
  std::string folder = "kernels_vs_oracle.out", only, variant;
};

/// Goes through the cases in order and picks some.
class Choice {
public:
  explicit Choice(bool full) : full(full) {}

  bool picks(size_t index, const LibraryCase &libraryCase) {
    bool isFirst = libraryCase.design != first.design;
    if (isFirst)
      first = libraryCase; // its defaults
    // Of every design some of its settings, so that together all values come
    // up.
    if (!full)
      return isFirst || index % 11 == 3;
    dsl::SettingChoices others;
    for (const auto &[setting, own] :
         llvm::zip(libraryCase.settings, first.settings))
      if (setting != own)
        others.push_back(setting);
    if (others.size() != 1)
      return isFirst;
    return others[0].first == "granularity" || seen.insert(others[0]).second;
  }

private:
  bool full;
  LibraryCase first;
  std::set<std::pair<std::string, std::string>> seen;
};

std::vector<CallShape> shapesOf(const Options &options, Random &random) {
  std::vector<CallShape> shapes;
  if (!options.full) {
    shapes = someShapes(3, 1, 100, random);
    shapes.push_back(someShapes(1, 500, 4097, random).front());
    return shapes;
  }
  for (auto [index, shape] : llvm::enumerate(allShapes()))
    if (index % options.slices == options.slice)
      shapes.push_back(shape);
  return shapes;
}

Verdict judgeCase(const LibraryCase &libraryCase, size_t index,
                  const dsl::CheckedDesign &checked, const Options &options) {
  std::string problem;
  std::string folder = options.folder + "/" + std::to_string(index);
  auto design =
      CompiledDesign::compile(libraryCase.design, libraryCase.settings, checked,
                              folder, problem, options.variant);
  Verdict verdict;
  if (!design) {
    verdict.faults.push_back("does not compile: " + problem);
    return verdict;
  }
  Random random(index + 1);
  for (const CallShape &shape : shapesOf(options, random)) {
    Verdict noisy = design->judge(shape, design->draw(shape.sizes, random));
    verdict.merge(noisy);
    // Noise can lead a λ that is a parameter out of [0, 1].
    if (noisy.refusals)
      verdict.merge(design->judge(
          shape, design->draw(shape.sizes, random, /*parameterNoise=*/0)));
  }
  Sizes few{.B = 2, .T = 20, .H = 2, .K = 16, .V = 24, .layers = 4, .seed = 9};
  verdict.merge(design->judgeInitialisers(few));
  verdict.merge(design->judgeSteps(few, design->draw(few, random)));
  return verdict;
}

Options parse(int count, char **arguments) {
  Options options;
  for (int index = 1; index < count; ++index) {
    std::string argument = arguments[index];
    if (argument == "--full")
      options.full = true;
    else if (argument == "--slice" && index + 1 < count)
      std::sscanf(arguments[++index], "%zu/%zu", &options.slice,
                  &options.slices);
    else if (argument == "--variant" && index + 1 < count)
      options.variant = arguments[++index];
    else if (argument == "--folder" && index + 1 < count)
      options.folder = arguments[++index];
    else
      options.only = argument;
  }
  return options;
}

} // namespace

int main(int count, char **arguments) {
  // The oracle's fields come and go by the megabyte: their pages stay.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  Options options = parse(count, arguments);
  Verdict all;
  int64_t cases = 0, failed = 0;
  Choice choice(options.full);
  for (auto [index, libraryCase] : llvm::enumerate(libraryCases())) {
    std::string name = libraryCase.name(), problem;
    auto checked = check(libraryCase, problem);
    if (!checked || !choice.picks(index, libraryCase) ||
        name.find(options.only) == std::string::npos)
      continue;
    Verdict verdict = judgeCase(libraryCase, index, *checked, options);
    ++cases;
    failed += !verdict.passed();
    std::printf("%s %s: %s\n", verdict.passed() ? "ok     " : "FAILED ",
                name.c_str(), verdict.str().c_str());
    for (const std::string &fault :
         llvm::ArrayRef(verdict.faults).take_front(5))
      std::printf("    %s\n", fault.c_str());
    std::fflush(stdout);
    all.merge(verdict);
  }
  std::printf("kernels_vs_oracle: %lld designs, %lld failed; %s\n",
              static_cast<long long>(cases), static_cast<long long>(failed),
              all.str().c_str());
  return failed == 0 && cases > 0 ? 0 : 1;
}
