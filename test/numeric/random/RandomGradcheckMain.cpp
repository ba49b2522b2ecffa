//===- RandomGradcheckMain.cpp - Gradients of random designs --------------===//
//
// random_gradcheck [count] [seed]: designs of fixed seeds, and one of a fresh
// seed in ten. Prints the least failing form of each design that fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/random/DesignGenerator.h"
#include "test/numeric/random/Shrinker.h"
#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Gradcheck.h"

#include <cstdio>
#include <cstdlib>

using namespace decay;
using namespace decay::test;

namespace {

double worst = 0;

std::optional<std::string> judge(const RandomDesign &design) {
  auto checked = check(design);
  if (!checked)
    return std::nullopt;
  mlir::MLIRContext context;
  auto module = prepareModule(context, *checked);
  if (!module)
    return "a pass failed";
  Random random(design.seed);
  Sizes sizes{.B = 1, .T = 4, .H = 2, .K = 2, .V = 2, .layers = 3};
  sizes.layer = integer(random, 0, 2);
  sizes.position = integer(random, 0, 9);
  if (random() & 1)
    sizes.cuSeqlens = {0, 1, 4};
  NamedFields inputs =
      drawInputs(*module, functionOf(*module, "backward"), sizes, random);
  GradcheckReport report = gradcheck(*module, sizes, inputs);
  worst = std::max(worst, report.worstError);
  if (report.passed())
    return std::nullopt;
  return describe(sizes) + ": " + report.str();
}

} // namespace

int main(int argumentCount, char **arguments) {
  int64_t count = argumentCount > 1 ? std::atoll(arguments[1]) : 300;
  uint64_t fresh = argumentCount > 2 ? std::strtoull(arguments[2], nullptr, 0)
                                     : std::random_device()();
  std::printf("random_gradcheck: %lld designs, fresh seed %llu\n",
              static_cast<long long>(count),
              static_cast<unsigned long long>(fresh));
  int64_t refused = 0, failed = 0;
  for (int64_t index = 0; index < count; ++index) {
    uint64_t seed = index % 10 == 9 ? fresh + index : index;
    RandomDesign design = generateAcceptedDesign(seed, refused);
    auto fault = judge(design);
    if (!fault)
      continue;
    ++failed;
    RandomDesign least = shrink(design, judge);
    std::printf("FAILED seed %llu: %s\n%s-- shrunk to --\n%s%s\n",
                static_cast<unsigned long long>(seed), fault->c_str(),
                design.str().c_str(), least.str().c_str(),
                judge(least).value_or("").c_str());
  }
  std::printf(
      "random_gradcheck: %lld designs, %lld failed, %lld refused by the "
      "checker, worst relative error %.2e\n",
      static_cast<long long>(count), static_cast<long long>(failed),
      static_cast<long long>(refused), worst);
  return failed == 0 ? 0 : 1;
}
