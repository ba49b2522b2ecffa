//===- RandomKernelsMain.cpp - Kernels of random designs ------------------===//
//
// random_kernels [count] [first] [seed]: designs number `first` and following
// of a fixed list, one in ten of the fresh seed, each compiled and compared
// with the oracle; T single steps too. Prints the least failing form of each
// design that fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/kernels/Shapes.h"
#include "test/numeric/random/DesignGenerator.h"
#include "test/numeric/random/Shrinker.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace decay;
using namespace decay::test;

namespace {

std::string folder = "random_kernels.out";
Verdict all;

std::optional<std::string> judge(const RandomDesign &design) {
  auto checked = check(design);
  if (!checked)
    return std::nullopt;
  std::string path = folder + "/random.decay", problem;
  std::ofstream(path) << design.text();
  auto compiled =
      CompiledDesign::compile(path, design.settings, *checked, folder, problem);
  if (!compiled)
    return "does not compile: " + problem;
  compiled->judgeRms = false;
  Random random(design.seed);
  CallShape shape = anyShape(random);
  Verdict verdict = compiled->judge(shape, compiled->draw(shape.sizes, random));
  verdict.merge(compiled->judgeInitialisers(shape.sizes));
  Sizes few{.B = 2, .T = 9, .H = 2, .K = 6, .V = 5, .layer = 1, .layers = 3};
  verdict.merge(compiled->judgeSteps(few, compiled->draw(few, random)));
  all.merge(verdict);
  if (verdict.passed())
    return std::nullopt;
  return verdict.faults.front();
}

} // namespace

int main(int argumentCount, char **arguments) {
  auto number = [&](int place, uint64_t otherwise) {
    return argumentCount > place ? std::strtoull(arguments[place], nullptr, 0)
                                 : otherwise;
  };
  auto count = static_cast<int64_t>(number(1, 300));
  auto first = static_cast<int64_t>(number(2, 0));
  uint64_t fresh = number(3, std::random_device()());
  folder += "." + std::to_string(first);
  std::filesystem::create_directories(folder);
  std::printf("random_kernels: %lld designs from %lld on, fresh seed %llu\n",
              static_cast<long long>(count), static_cast<long long>(first),
              static_cast<unsigned long long>(fresh));
  int64_t refused = 0, failed = 0;
  for (int64_t index = first; index < first + count; ++index) {
    uint64_t seed = index % 10 == 9 ? fresh + index : index;
    RandomDesign design = generateAcceptedDesign(seed, refused);
    auto fault = judge(design);
    if (!fault)
      continue;
    ++failed;
    RandomDesign least = shrink(design, judge, 60);
    std::printf("FAILED seed %llu: %s\n%s-- shrunk to --\n%s%s\n",
                static_cast<unsigned long long>(seed), fault->c_str(),
                design.str().c_str(), least.str().c_str(),
                judge(least).value_or("").c_str());
    std::fflush(stdout);
  }
  std::printf("random_kernels: %lld designs, %lld failed, %lld refused by the "
              "checker; %s\n",
              static_cast<long long>(count), static_cast<long long>(failed),
              static_cast<long long>(refused), all.str().c_str());
  return failed == 0 ? 0 : 1;
}
