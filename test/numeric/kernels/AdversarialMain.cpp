//===- AdversarialMain.cpp - λ at the ends of float32 ---------------------===//
//
// adversarial_kernels [folder]: λ is a projection itself, so that every λ can
// be given: 0, 1, just below 1, tiny, subnormal, alternating, one tiny λ at
// each position of a chunk before λ near 1; saturated gates; λ outside of
// [0, 1], which must be refused by name. One line a pattern.
//
//===----------------------------------------------------------------------===//
#include "test/numeric/kernels/Shapes.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace decay;
using namespace decay::test;

namespace {

/// λ of a token and a lane (a channel, or a head where λ is per head).
using Pattern = double (*)(int64_t token, int64_t lane);

struct NamedPattern {
  const char *name;
  Pattern value;
};

constexpr double nearOne = 1 - 0x1p-24;
constexpr int64_t chunk = 64;

const NamedPattern patterns[] = {
    {"0", [](int64_t, int64_t) { return 0.0; }},
    {"1", [](int64_t, int64_t) { return 1.0; }},
    {"1 - 2^-24", [](int64_t, int64_t) { return nearOne; }},
    {"1e-3", [](int64_t, int64_t) { return 1e-3; }},
    {"1e-30", [](int64_t, int64_t) { return 1e-30; }},
    {"1e-38", [](int64_t, int64_t) { return 1e-38; }},
    {"subnormal", [](int64_t, int64_t) { return 1e-42; }},
    {"least subnormal", [](int64_t, int64_t) { return 0x1p-149; }},
    {"alternating 0 and 1",
     [](int64_t t, int64_t lane) { return double((t + lane) & 1); }},
    {"a 0 at each position, then near 1",
     [](int64_t t, int64_t lane) {
       return t % chunk == lane % chunk ? 0.0 : nearOne;
     }},
    {"a 1e-30 at each position, then near 1",
     [](int64_t t, int64_t lane) {
       return t % chunk == lane % chunk ? 1e-30 : nearOne;
     }},
    {"a 1e-38 at each position, then 1",
     [](int64_t t, int64_t lane) {
       return t % chunk == lane % chunk ? 1e-38 : 1.0;
     }},
    {"a subnormal once, then 0.999",
     [](int64_t t, int64_t lane) { return t == lane % chunk ? 1e-42 : 0.999; }},
    {"1e-20 twice in a row, then near 1",
     [](int64_t t, int64_t lane) {
       return (t + lane) % chunk < 2 ? 1e-20 : nearOne;
     }},
};

struct Subject {
  std::string name, text;
  dsl::SettingChoices settings;
  std::unique_ptr<CompiledDesign> design;
};

std::unique_ptr<CompiledDesign> compile(const Subject &subject,
                                        const std::string &folder) {
  std::filesystem::create_directories(folder);
  std::string path = folder + "/adversarial.decay", problem;
  std::ofstream(path) << subject.text;
  dsl::Diagnostics diagnostics;
  auto checked =
      dsl::checkDesign({path, subject.text}, "", subject.settings, diagnostics);
  auto design = checked ? CompiledDesign::compile(path, subject.settings,
                                                  *checked, folder, problem)
                        : nullptr;
  if (!design)
    std::printf("FAILED %s does not compile: %s%s\n", subject.name.c_str(),
                diagnostics.render().c_str(), problem.c_str());
  return design;
}

/// Sets the projection f, whose rows are tokens.
void fill(Field &f, const Sizes &sizes, Pattern pattern, bool perHead) {
  int64_t row = static_cast<int64_t>(f.values.size()) / (sizes.B * sizes.T);
  for (int64_t token = 0; token < sizes.B * sizes.T; ++token)
    for (int64_t lane = 0; lane < row; ++lane)
      f.values[token * row + lane] = static_cast<float>(pattern(
          token % sizes.T, perHead ? lane : lane % sizes.K + lane / sizes.K));
}

int64_t failures = 0;
Verdict all;

void report(const std::string &name, const Verdict &verdict) {
  failures += !verdict.passed();
  all.merge(verdict);
  std::printf("%s %s: %s\n", verdict.passed() ? "ok     " : "FAILED ",
              name.c_str(), verdict.str().c_str());
  for (const std::string &fault : llvm::ArrayRef(verdict.faults).take_front(3))
    std::printf("    %s\n", fault.c_str());
}

CallShape shapeOf(bool perHead, bool packed) {
  CallShape shape;
  shape.sizes.T = 3 * chunk + 5;
  // As many lanes as a chunk has positions.
  shape.sizes.H = perHead ? chunk : 1;
  shape.sizes.K = perHead ? 16 : chunk;
  shape.sizes.V = perHead ? 16 : chunk;
  if (packed)
    shape.sizes.cuSeqlens = {0, 1, 70, shape.sizes.T};
  return shape;
}

void judgePatterns(const Subject &subject, bool perHead) {
  for (const NamedPattern &pattern : patterns)
    for (bool packed : {false, true}) {
      CallShape shape = shapeOf(perHead, packed);
      Random random(3);
      NamedFields inputs = subject.design->draw(shape.sizes, random);
      fill(inputs["f"], shape.sizes, pattern.value, perHead);
      report(subject.name + ", λ " + pattern.name + (packed ? ", packed" : ""),
             subject.design->judge(shape, inputs));
    }
}

/// Gates so strong that sigmoid, softplus and exp saturate.
void judgeSaturation(const Subject &subject) {
  for (double size : {20.0, 200.0, 1e4, 1e30})
    for (double sign : {-1.0, 1.0, 0.0}) {
      CallShape shape = shapeOf(false, false);
      Random random(4);
      NamedFields inputs = subject.design->draw(shape.sizes, random);
      // Sign 0: both in turn.
      for (auto [index, f] : llvm::enumerate(inputs["f"].values))
        f = static_cast<float>(size *
                               (sign != 0 ? sign : (index % 3 ? 1.0 : -1.0)));
      char text[64];
      std::snprintf(text, sizeof text, ", f %+g%s", size * (sign ? sign : 1),
                    sign == 0 ? " in turn" : "");
      report(subject.name + text, subject.design->judge(shape, inputs));
    }
}

/// One λ outside of [0, 1]: the status must name its place.
void judgeRefusal(const Subject &subject, double lambda) {
  CallShape shape = shapeOf(false, false);
  Random random(5);
  NamedFields inputs = subject.design->draw(shape.sizes, random);
  fill(inputs["f"], shape.sizes, [](int64_t, int64_t) { return 0.5; }, false);
  int64_t token = 77, channel = 13;
  inputs["f"].values[token * shape.sizes.K + channel] = lambda;
  Tensors tensors;
  for (const auto &[name, field] : inputs)
    tensors[name].assign(field.values.begin(), field.values.end());
  DecayDims dims{};
  dims.B = 1;
  dims.T = shape.sizes.T;
  dims.H = 1;
  dims.K = dims.V = chunk;
  dims.layers = 1;
  GuardedDevice device;
  CallOutcome outcome =
      callGuarded(subject.design->package(), runtime::KernelRole::Forward,
                  tensors, dims, device);
  Verdict verdict;
  const std::string &message = outcome.status.message();
  std::string place = "token 77, head 0, channel 13";
  if (outcome.status.ok() || message.find(place) == std::string::npos)
    verdict.faults.push_back("status '" + message + "', wanted '" + place +
                             "'");
  verdict.refusals = 1;
  report(subject.name + ", λ " + std::to_string(lambda) + " refused", verdict);
}

} // namespace

int main(int count, char **arguments) {
  std::string folder = count > 1 ? arguments[1] : "adversarial_kernels.out";
  auto settings = [](const char *granularity) -> dsl::SettingChoices {
    return {{"granularity", granularity}};
  };
  const std::string raw = "design raw\n  project f full\n  λ = f\n";
  const std::string rawScalar = "design raw\n  granularity scalar\n"
                                "  project f\n  λ = f\n  k = k * (1 - λ)\n";
  Subject subjects[] = {
      {"vector", raw, settings("vector"), nullptr},
      {"vector, clamped",
       "design raw\n  project f full\n  λ = clamp(f, 0, 1)\n",
       {},
       nullptr},
      {"scalar", rawScalar, {}, nullptr},
      {"sigmoid",
       "design raw\n  project f full\n  λ = sigmoid(f)\n"
       "  k = 1 - λ\n",
       {},
       nullptr},
      {"exp softplus",
       "design raw\n  project f full\n  learn a = 0.5\n"
       "  log λ = -exp(a) * softplus(f)\n  k = 1 - λ\n",
       {},
       nullptr},
      {"logcumsumexp",
       "design raw\n  project f full\n"
       "  carry z = logcumsumexp(f) from 0\n"
       "  log λ = prev(z) - z\n  k = 1 - λ\n",
       {},
       nullptr},
  };
  for (Subject &subject : subjects) {
    subject.design = compile(subject, folder + "/" + subject.name);
    failures += !subject.design;
    // A carried sum of terms of size 1e4 has no more digits left in float32.
    if (subject.design)
      subject.design->judgeRms = false;
  }
  if (failures)
    return 1;
  judgePatterns(subjects[0], false);
  judgePatterns(subjects[1], false);
  judgePatterns(subjects[2], true);
  for (int subject : {3, 4, 5})
    judgeSaturation(subjects[subject]);
  for (double lambda : {1.5, 1 + 0x1p-23, -0.25, double(NAN)})
    judgeRefusal(subjects[0], lambda);
  std::printf("adversarial_kernels: %lld failed; %s\n",
              static_cast<long long>(failures), all.str().c_str());
  return failures == 0 ? 0 : 1;
}
