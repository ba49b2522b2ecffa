//===- RandomCudaKernelsMain.cpp - GPU kernels of random designs ----------===//
//
// random_cuda_kernels [count] [first] [seed]: designs number `first` and
// following of a fixed list, one in ten of the fresh seed, each compiled for
// GPUs, one in three in fp32, and compared with the oracle in the emulator:
// forward, backward, steps and initialisers. Prints the least failing form of
// each design that fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/cuda/EmulatedDesign.h"
#include "test/numeric/random/RandomSeries.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace decay;
using namespace decay::test;

namespace {

std::string folder = "random_cuda_kernels.out";
Judgement all;

/// A call of a few chunks, packed or not, with states or not.
Sizes anySizes(Random &random) {
  constexpr int64_t lengths[] = {1, 15, 17, 63, 65, 130};
  Sizes sizes{.B = 1,
              .T = lengths[integer(random, 0, 5)],
              .H = 2,
              .K = 64,
              .V = 64,
              .layers = 3};
  sizes.layer = integer(random, 0, 2);
  sizes.position = integer(random, 0, 1) * ((1 << 20) - 5);
  sizes.seed = random();
  if (sizes.T > 1 && integer(random, 0, 2) == 0)
    sizes.cuSeqlens = {0, sizes.T / 3, sizes.T / 3, sizes.T};
  return sizes;
}

std::optional<std::string> judge(const RandomDesign &random) {
  auto checked = check(random);
  if (!checked)
    return std::nullopt;
  std::string path = folder + "/random.decay", problem;
  std::ofstream(path) << random.text();
  const Standard &standard = random.seed % 3 == 0 ? fp32Standard : bf16Standard;
  auto design = EmulatedDesign::compile({path, random.settings}, standard,
                                        {{64, 64}}, problem);
  if (!design)
    return "does not compile: " + problem;
  design->judgesRms = false;
  bool changesValues =
      checked->nodes[checked->v].kind != dsl::NodeKind::Projection;
  design->judgesElements = !standard.isBfloat() || !changesValues;
  Random numbers(random.seed);
  Judgement judgement;
  for (const char *entry : {"forward", "backward"}) {
    Sizes sizes = anySizes(numbers);
    EmulatedDesign::Given given{.states = integer(numbers, 0, 1) == 1,
                                .segmentTokens = integer(numbers, 0, 1) * 64};
    given.kept =
        entry == std::string("backward") && integer(numbers, 0, 1) == 1;
    design->judge(entry, sizes, given, design->draw(sizes, numbers, 0.1),
                  judgement);
  }
  Sizes few{.B = 2, .T = 3, .H = 2, .K = 64, .V = 64, .layer = 1, .layers = 3};
  design->judgeSteps(few, design->draw(few, numbers, 0.1), judgement);
  // Their functions are right to 8 units, which a chain of them can add up.
  design->judgesElements = false;
  design->judgeInitialisers(few, judgement);
  all.tensors += judgement.tensors;
  if (judgement.worstElement > all.worstElement) {
    all.worstElement = judgement.worstElement;
    all.worstElementAt = "seed " + std::to_string(random.seed) + ", " +
                         standard.precision + ": " + judgement.worstElementAt;
  }
  if (judgement.faults.empty())
    return std::nullopt;
  return judgement.faults.front();
}

} // namespace

int main(int argumentCount, char **arguments) {
  RandomSeries series("random_cuda_kernels", argumentCount, arguments, 100);
  folder += "." + std::to_string(series.first);
  std::filesystem::create_directories(folder);
  int64_t failed = series.run(judge);
  std::printf("random_cuda_kernels: %lld designs, %lld failed, %lld refused by "
              "the checker; %lld tensors, worst error/bound %.2f (%s)\n",
              static_cast<long long>(series.count),
              static_cast<long long>(failed),
              static_cast<long long>(series.refused),
              static_cast<long long>(all.tensors), all.worstElement,
              all.worstElementAt.c_str());
  return failed == 0 ? 0 : 1;
}
