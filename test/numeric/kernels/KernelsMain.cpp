//===- KernelsMain.cpp - The library's kernels against the oracle ---------===//
//
// kernels_vs_oracle [--full] [--folder DIR] [part of a name]
// Each design of the library under its settings, in poisoned and guarded
// memory. --full: every setting with every shape; else a covering choice. One
// line a design; exit code 1 if one fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/kernels/Shapes.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdio>

using namespace decay;
using namespace decay::test;

namespace {

struct Options {
  bool full = false;
  std::string folder = "kernels_vs_oracle.out", only;
};

/// Without --full: of every design some of its settings, so that together all
/// values of all settings come up.
bool isChosen(size_t index, const std::string &design) {
  static std::string last;
  bool isFirst = design != last;
  last = design;
  return isFirst || index % 11 == 3;
}

Verdict judgeCase(const LibraryCase &libraryCase, size_t index,
                  const dsl::CheckedDesign &checked, const Options &options) {
  std::string problem;
  std::string folder = options.folder + "/" + std::to_string(index);
  auto design = CompiledDesign::compile(
      libraryCase.design, libraryCase.settings, checked, folder, problem);
  Verdict verdict;
  if (!design) {
    verdict.faults.push_back("does not compile: " + problem);
    return verdict;
  }
  Random random(index + 1);
  auto shapes = options.full ? allShapes() : someShapes(3, 1, 100, random);
  if (!options.full)
    shapes.push_back(someShapes(1, 500, 4097, random).front());
  for (const CallShape &shape : shapes) {
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
    else if (argument == "--folder" && index + 1 < count)
      options.folder = arguments[++index];
    else
      options.only = argument;
  }
  return options;
}

} // namespace

int main(int count, char **arguments) {
  Options options = parse(count, arguments);
  Verdict all;
  int64_t cases = 0, failed = 0;
  for (auto [index, libraryCase] : llvm::enumerate(libraryCases())) {
    std::string name = libraryCase.name(), problem;
    if (name.find(options.only) == std::string::npos ||
        (!options.full && !isChosen(index, libraryCase.design)))
      continue;
    auto checked = check(libraryCase, problem);
    if (!checked)
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
