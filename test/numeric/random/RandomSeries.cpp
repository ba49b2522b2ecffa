//===- RandomSeries.cpp - A judge over many random designs ----------------===//
#include "test/numeric/random/RandomSeries.h"

#include "test/numeric/random/DesignGenerator.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

namespace decay::test {

RandomSeries::RandomSeries(std::string program, int argumentCount,
                           char **arguments, int64_t usualCount)
    : program(std::move(program)) {
  auto number = [&](int place, uint64_t otherwise) {
    return argumentCount > place ? std::strtoull(arguments[place], nullptr, 0)
                                 : otherwise;
  };
  count = static_cast<int64_t>(number(1, static_cast<uint64_t>(usualCount)));
  first = static_cast<int64_t>(number(2, 0));
  fresh = number(3, std::random_device()());
}

int64_t RandomSeries::run(const Judge &judge, int64_t judgements) {
  std::printf("%s: %lld designs from %lld on, fresh seed %llu\n",
              program.c_str(), static_cast<long long>(count),
              static_cast<long long>(first),
              static_cast<unsigned long long>(fresh));
  int64_t failed = 0;
  for (int64_t index = first; index < first + count; ++index) {
    uint64_t seed = index % 10 == 9 ? fresh + index : index;
    RandomDesign design = generateAcceptedDesign(seed, refused);
    auto fault = judge(design);
    if (!fault)
      continue;
    ++failed;
    RandomDesign least = shrink(design, judge, judgements);
    std::printf("FAILED seed %llu: %s\n%s-- shrunk to --\n%s%s\n",
                static_cast<unsigned long long>(seed), fault->c_str(),
                design.str().c_str(), least.str().c_str(),
                judge(least).value_or("").c_str());
    std::fflush(stdout);
  }
  return failed;
}

} // namespace decay::test
