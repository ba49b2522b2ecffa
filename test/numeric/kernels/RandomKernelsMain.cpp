//===- RandomKernelsMain.cpp - Kernels of random designs ------------------===//
//
// random_kernels [count] [first] [seed]: designs number `first` and following
// of a fixed list, one in ten of the fresh seed, each compiled and compared
// with the oracle; T single steps too. Prints the least failing form of each
// design that fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/kernels/Shapes.h"
#include "test/numeric/random/RandomSeries.h"

#include <cstdio>
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
  RandomSeries series("random_kernels", argumentCount, arguments, 300);
  folder += "." + std::to_string(series.first);
  std::filesystem::create_directories(folder);
  int64_t failed = series.run(judge);
  std::printf("random_kernels: %lld designs, %lld failed, %lld refused by the "
              "checker; %s\n",
              static_cast<long long>(series.count),
              static_cast<long long>(failed),
              static_cast<long long>(series.refused), all.str().c_str());
  return failed == 0 ? 0 : 1;
}
