//===- CudaKernelsMain.cpp - GPU kernels in the emulator ------------------===//
//
// cuda_kernels_vs_oracle [--full] [--bf16|--fp32] [part of a name]
// Designs that together use every construct, in either precision, against the
// float64 oracle, by the bound of each element and the rms of each tensor;
// cu_seqlens that do not add up must be named; the emulator reports races and
// stray accesses. --full: all settings of all designs. One line a design; exit
// code 1 if one fails.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/cuda/EmulatedDesign.h"

#include <cstdio>

using namespace decay;
using namespace decay::test;

namespace {

struct Options {
  bool full = false;
  std::string only, precision;
};

const LibraryCase chosen[] = {
    {"simple_decay", {}},
    {"mamba2", {{"granularity", "scalar"}}},
    {"tnl", {}},
    {"tnl_l", {{"compat", "authors"}}},
    {"lightnet", {}},
    {"lightnet", {{"sharing", "on"}}},
    {"lightnet", {{"granularity", "scalar"}}},
    {"lssp", {{"compat", "authors"}}},
    {"hgrn2", {{"position", "rope"}}},
    {"hgrn2", {{"granularity", "scalar"}}},
    {"simple_decay", {{"granularity", "scalar"}, {"position", "rope"}}},
    {"lssp", {{"sharing", "on"}, {"position", "lrpe_cosine"}}},
    {"tpe", {}},
    {TEST_FOLDER "/scaled_values.decay", {}},
    {TEST_FOLDER "/changed_values.decay", {}},
    {TEST_FOLDER "/changed_values.decay", {{"granularity", "scalar"}}}};

struct Shape {
  const char *entry;
  Sizes sizes;
  EmulatedDesign::Given given;
};

Sizes sizesOf(int64_t B, int64_t T, int64_t K, int64_t V, Random &random) {
  Sizes sizes{.B = B, .T = T, .H = 2, .K = K, .V = V, .layers = 4};
  sizes.layer = integer(random, 0, 3);
  sizes.position = integer(random, 0, 1) * ((1 << 20) - 5);
  sizes.seed = random();
  return sizes;
}

Sizes sizesOf(int64_t B, int64_t T, int64_t D, Random &random) {
  return sizesOf(B, T, D, D, random);
}

std::vector<Shape> shapesOf(bool wide, bool isCut, Random &random) {
  Sizes packed = sizesOf(1, 150, 64, random);
  packed.cuSeqlens = {0, 17, 17, 150};
  std::vector<Shape> shapes = {
      {"forward", sizesOf(2, 1, 64, random), {true}},
      {"forward", sizesOf(1, 65, 64, random), {false}},
      {"forward", packed, {true}},
      {"backward", sizesOf(1, 17, 64, random), {false}},
      {"backward", packed, {true}}};
  if (wide) {
    shapes.push_back({"forward", sizesOf(1, 150, 128, random), {true}});
    shapes.push_back({"backward", sizesOf(1, 65, 128, random), {true}});
    shapes.push_back({"forward", sizesOf(1, 65, 64, 128, random), {true}});
    shapes.push_back({"backward", sizesOf(1, 65, 64, 128, random), {false}});
    shapes.push_back({"forward", sizesOf(1, 65, 128, 64, random), {false}});
    shapes.push_back(
        {"backward", sizesOf(1, 65, 128, 64, random), {true, 0, true}});
    shapes.push_back(
        {"backward", sizesOf(1, 129, 128, random), {true, 0, true}});
    shapes.push_back({"forward", sizesOf(1, 150, 128, random), {true, 64}});
    shapes.push_back({"backward", sizesOf(1, 150, 128, random), {true, 64}});
  }
  // Segments of one chunk and of several, the last full, short, or one token;
  // kernels that cannot have them do the same without.
  shapes.push_back({"forward", sizesOf(2, 200, 64, random), {true, 64}});
  shapes.push_back({"forward", sizesOf(1, 256, 64, random), {false, 128}});
  shapes.push_back({"backward", sizesOf(2, 129, 64, random), {true, 64}});
  shapes.push_back({"backward", sizesOf(1, 300, 64, random), {false, 128}});
  shapes.push_back(
      {"backward", sizesOf(2, 300, 64, random), {false, 128, true}});
  shapes.push_back({"backward", packed, {true, 0, true}});
  shapes.push_back(
      {"forward", sizesOf(1, 3, 64, random), {true, 0, false, true}});
  shapes.push_back(
      {"forward", sizesOf(1, 150, 64, random), {true, 64, false, true}});
  // Of unlike lengths, empty ones among them: each ends in a segment of its
  // own.
  packed = sizesOf(1, 400, 64, random);
  packed.cuSeqlens = {0, 0, 130, 131, 131, 400};
  for (const char *entry : {"forward", "backward"})
    shapes.push_back({entry, packed, {true, 64}});
  shapes.push_back({"backward", packed, {true, 128, true}});
  shapes.push_back({"backward", sizesOf(1, 1000, 64, random), {true, 192}});
  // So long that what corrects scans' gradients has parts of two chunks.
  if (isCut)
    shapes.push_back({"backward", sizesOf(1, 1000, 64, random), {true, 640}});
  return shapes;
}

/// cu_seqlens that do not add up, and the place that must be named.
const std::pair<std::vector<int64_t>, int64_t> badSequences[] = {
    {{0, 17, 5000}, 2}, {{0, 60, 40, 70}, 2},     {{0, 33, 60}, 2},
    {{3, 33, 70}, 0},   {{0, -5, 70}, 1},         {{0, 1LL << 40, 70}, 1},
    {{-1, 17, 70}, 0},  {{0, 17, 34, 51, 71}, 4},
};

void judgeBadSequences(const EmulatedDesign &design, Random &random,
                       Judgement &judgement) {
  for (const auto &[ends, wrongAt] : badSequences) {
    Sizes sizes = sizesOf(1, 70, 64, random);
    // Drawn for sequences that are right, of which there are as many.
    for (size_t n = 0; n < ends.size(); ++n)
      sizes.cuSeqlens.push_back(n + 1 < ends.size() ? static_cast<int64_t>(n)
                                                    : sizes.T);
    NamedFields inputs = design.draw(sizes, random, 0);
    sizes.cuSeqlens = ends;
    for (const char *entry : {"forward", "backward"})
      design.judgeBadSequences(entry, sizes, inputs, wrongAt, judgement);
  }
}

const EmulatedDesign::HeadDims headDims = {
    {64, 64}, {128, 128}, {64, 128}, {128, 64}};

Judgement judgeCase(const LibraryCase &libraryCase, const Standard &standard) {
  Judgement judgement;
  std::string problem;
  auto design =
      EmulatedDesign::compile(libraryCase, standard, headDims, problem);
  if (!design) {
    judgement.faults.push_back("does not compile: " + problem);
    return judgement;
  }
  bool hasPairs = libraryCase.name().find("lrpe_cosine") != std::string::npos;
  Random random(7);
  // In fp32 sequences stay whole.
  bool isCut = std::string(standard.precision) == "bf16";
  // Noise can lead a λ that is a parameter out of [0, 1].
  for (const Shape &shape : shapesOf(!hasPairs, isCut, random))
    for (double noise : {0.1, 0.0})
      if (design->judge(shape.entry, shape.sizes, shape.given,
                        design->draw(shape.sizes, random, noise), judgement))
        break;
  for (auto [K, V] : headDims) {
    Sizes few = sizesOf(2, 3, K, V, random);
    for (double noise : {0.1, 0.0})
      if (design->judgeSteps(few, design->draw(few, random, noise), judgement))
        break;
  }
  Sizes few = sizesOf(2, 3, 64, random);
  design->judgeFault(few, design->draw(few, random, /*parameterNoise=*/0.1),
                     judgement);
  judgeBadSequences(*design, random, judgement);
  Sizes one = sizesOf(1, 65, 64, random);
  design->judgeSomeGradients(one, design->draw(one, random, 0), judgement);
  design->judgeInitialisers(sizesOf(1, 1, 64, random), judgement);
  return judgement;
}

void print(const std::string &name, const Judgement &judgement) {
  std::printf("%s %s: %lld tensors, %lld launches cut sequences, %lld tensors "
              "kept, worst rms %.2f of what is allowed (%s), worst error/bound "
              "%.2f (%s)\n",
              judgement.faults.empty() ? "ok     " : "FAILED ", name.c_str(),
              static_cast<long long>(judgement.tensors),
              static_cast<long long>(judgement.cutSequences),
              static_cast<long long>(judgement.kept), judgement.worst,
              judgement.worstAt.c_str(), judgement.worstElement,
              judgement.worstElementAt.c_str());
  for (const std::string &fault : judgement.faults)
    std::printf("    %s\n", fault.c_str());
  std::fflush(stdout);
}

Options parse(int count, char **arguments) {
  Options options;
  for (int index = 1; index < count; ++index) {
    std::string argument = arguments[index];
    if (argument == "--full")
      options.full = true;
    else if (argument == "--bf16" || argument == "--fp32")
      options.precision = argument.substr(2);
    else
      options.only = argument;
  }
  return options;
}

} // namespace

int main(int count, char **arguments) {
  Options options = parse(count, arguments);
  std::vector<LibraryCase> cases(std::begin(chosen), std::end(chosen));
  if (options.full)
    cases = libraryCases();
  int64_t failed = 0, judged = 0;
  for (const LibraryCase &libraryCase : cases) {
    std::string name = libraryCase.name(), problem;
    if (name.find(options.only) == std::string::npos ||
        !check(libraryCase, problem))
      continue;
    for (const Standard &standard : {bf16Standard, fp32Standard}) {
      if (!std::string(standard.precision).starts_with(options.precision))
        continue;
      Judgement judgement = judgeCase(libraryCase, standard);
      ++judged;
      failed += !judgement.faults.empty();
      print(name + " " + standard.precision, judgement);
    }
  }
  std::printf("cuda_kernels_vs_oracle: %lld designs, %lld failed\n",
              static_cast<long long>(judged), static_cast<long long>(failed));
  return failed == 0 && judged > 0 ? 0 : 1;
}
