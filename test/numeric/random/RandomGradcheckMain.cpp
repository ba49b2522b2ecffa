//===- RandomGradcheckMain.cpp - Gradients of random designs --------------===//
//
// random_gradcheck [count] [first] [seed]: designs number `first` and following
// of a fixed list, one in ten of the fresh seed. Prints the least failing form
// of each design that fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/random/RandomSeries.h"
#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Gradcheck.h"

#include <cstdio>

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
  RandomSeries series("random_gradcheck", argumentCount, arguments, 300);
  int64_t failed = series.run(judge, /*judgements=*/2000);
  std::printf(
      "random_gradcheck: %lld designs, %lld failed, %lld refused by the "
      "checker, worst relative error %.2e\n",
      static_cast<long long>(series.count), static_cast<long long>(failed),
      static_cast<long long>(series.refused), worst);
  return failed == 0 ? 0 : 1;
}
