//===- GradcheckMain.cpp - Gradients of every library design --------------===//
//
// gradcheck [part of a name]: each design of the library under each of its
// settings, batched and packed. One line a case; exit code 1 if one fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Gradcheck.h"

#include <cstdio>
#include <string_view>

using namespace decay;
using namespace decay::test;

namespace {

struct Tally {
  int64_t cases = 0, refused = 0, failed = 0, elements = 0;
  double worst = 0;
  std::string worstCase;
};

const Sizes shapes[] = {
    {.B = 2, .T = 4, .H = 2, .K = 2, .V = 3, .layer = 1, .layers = 3},
    {.B = 1,
     .T = 6,
     .H = 1,
     .K = 4,
     .V = 2,
     .cuSeqlens = {0, 1, 6},
     .layer = 2,
     .layers = 3,
     .position = 5},
};

void checkOne(const LibraryCase &libraryCase, Tally &tally) {
  std::string problem;
  auto design = check(libraryCase, problem);
  if (!design) {
    ++tally.refused;
    std::printf("refused %s\n", libraryCase.name().c_str());
    return;
  }
  mlir::MLIRContext context;
  auto module = prepareModule(context, *design);
  for (const Sizes &sizes : shapes) {
    Random random(tally.cases + 1);
    NamedFields inputs =
        drawInputs(*module, functionOf(*module, "backward"), sizes, random);
    GradcheckReport report = gradcheck(*module, sizes, inputs);
    ++tally.cases;
    tally.elements += report.elements;
    tally.failed += !report.passed();
    if (report.worstError >= tally.worst) {
      tally.worst = report.worstError;
      tally.worstCase = libraryCase.name() + " " + describe(sizes);
    }
    std::printf("%s %s, %s: %s\n", report.passed() ? "ok     " : "FAILED ",
                libraryCase.name().c_str(), describe(sizes).c_str(),
                report.str().c_str());
  }
}

} // namespace

int main(int count, char **arguments) {
  std::string_view only = count > 1 ? arguments[1] : "";
  Tally tally;
  for (const LibraryCase &libraryCase : libraryCases())
    if (libraryCase.name().find(only) != std::string::npos)
      checkOne(libraryCase, tally);
  std::printf("gradcheck: %lld cases, %lld elements, %lld failed, %lld "
              "combinations refused by the checker, worst relative error %.2e "
              "(%s)\n",
              static_cast<long long>(tally.cases),
              static_cast<long long>(tally.elements),
              static_cast<long long>(tally.failed),
              static_cast<long long>(tally.refused), tally.worst,
              tally.worstCase.c_str());
  return tally.failed == 0 && tally.cases > 0 ? 0 : 1;
}
