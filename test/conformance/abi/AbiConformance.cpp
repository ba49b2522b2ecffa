//===- AbiConformance.cpp - What every package promises its caller --------===//

#include "test/conformance/abi/PackageCall.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace decay::runtime;
using namespace decay::test;

/// From the command line.
static std::vector<std::string> packagePaths;

namespace {
struct Sizes {
  const char *name;
  int64_t B, T, H, K, V;
};

void PrintTo(const Sizes &sizes, std::ostream *out) { *out << sizes.name; }

/// Each package at sizes that are ragged and at sizes that are round.
class Abi : public testing::TestWithParam<std::tuple<std::string, Sizes>> {
protected:
  void SetUp() override {
    Result<KernelLibrary> loaded = KernelLibrary::load(std::get<0>(GetParam()));
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    library = std::make_unique<KernelLibrary>(std::move(*loaded));
    Sizes sizes = std::get<1>(GetParam());
    dims.B = sizes.B, dims.T = sizes.T, dims.H = sizes.H;
    dims.K = sizes.K, dims.V = sizes.V;
    dims.layer = 1, dims.layers = 3;
  }

  Tensors inputs(KernelRole role) const {
    return randomInputs(*library, role, dims);
  }
  Tensors call(KernelRole role, const Tensors &inputs) {
    return callPackage(*library, role, inputs, dims, device);
  }
  std::vector<std::string> names(KernelRole role, bool written,
                                 bool optional) const {
    std::vector<std::string> result;
    for (const KernelOperandInfo &info : library->operands(role))
      if (info.written == written && info.optional == optional)
        result.push_back(info.name);
    return result;
  }
  bool isOptional(KernelRole role, const std::string &name) const {
    for (const KernelOperandInfo &info : library->operands(role))
      if (info.name == name)
        return info.optional;
    return false;
  }
  TensorShape shapeOf(KernelRole role, const std::string &name) const {
    for (const KernelOperandInfo &info : library->operands(role))
      if (info.name == name)
        return info.shape;
    return {};
  }
  /// Tokens [first, first + length) of all of a role's inputs with a time axis.
  Tensors sliced(KernelRole role, const Tensors &whole, int64_t first,
                 int64_t length) const;

  std::unique_ptr<KernelLibrary> library;
  DecayDims dims = {};
  GuardedDevice device;
};

constexpr KernelRole sweeps[] = {KernelRole::Forward, KernelRole::Backward};
} // namespace

static void expectSameBits(const Tensors &a, const Tensors &b) {
  for (const auto &[name, values] : a) {
    auto other = b.find(name);
    if (other == b.end())
      continue;
    ASSERT_EQ(values.size(), other->second.size()) << name;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(values[i]),
                std::bit_cast<uint32_t>(other->second[i]))
          << name << "[" << i << "]: " << values[i] << " and "
          << other->second[i];
  }
}

static void expectClose(const std::string &name, const std::vector<float> &a,
                        const std::vector<float> &b) {
  ASSERT_EQ(a.size(), b.size()) << name;
  double error = 0, scale = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(std::isfinite(a[i])) << name << "[" << i << "]";
    error += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    scale += double(b[i]) * b[i];
  }
  EXPECT_LE(std::sqrt(error / scale), 2e-6) << name;
}

/// Rows of [batch][time][row] between two times.
static std::vector<float> timeSlice(const std::vector<float> &values,
                                    int64_t batch, int64_t time, int64_t first,
                                    int64_t length) {
  int64_t row = int64_t(values.size()) / (batch * time);
  std::vector<float> result;
  for (int64_t b = 0; b < batch; ++b) {
    auto start = values.begin() + (b * time + first) * row;
    result.insert(result.end(), start, start + length * row);
  }
  return result;
}

Tensors Abi::sliced(KernelRole role, const Tensors &whole, int64_t first,
                    int64_t length) const {
  Tensors result = whole;
  for (auto &[name, values] : result)
    if (shapeOf(role, name).has('T'))
      values = timeSlice(values, dims.B, dims.T, first, length);
  return result;
}

TEST_P(Abi, HasAllEntries) {
  for (KernelRole role : {KernelRole::Forward, KernelRole::Backward,
                          KernelRole::Step, KernelRole::InitParameters})
    EXPECT_TRUE(library->has(role)) << toString(role);
}

TEST_P(Abi, OperandsFollowTheManifest) {
  const Manifest &manifest = library->manifest();
  std::vector<std::string> expected, parameters;
  for (const ManifestProjection &projection : manifest.projections)
    expected.push_back(projection.name);
  for (const ManifestParameter &parameter : manifest.parameters)
    parameters.push_back(parameter.name);
  expected.insert(expected.end(), parameters.begin(), parameters.end());
  expected.push_back("initial_state");
  for (const ManifestCarry &carry : manifest.carries)
    expected.push_back("initial_" + carry.name);
  expected.insert(expected.end(), {"o", "final_state"});
  for (const ManifestCarry &carry : manifest.carries)
    expected.push_back("final_" + carry.name);
  expected.push_back("lambda");
  auto namesOf = [this](KernelRole role) {
    std::vector<std::string> result;
    for (const KernelOperandInfo &info : library->operands(role))
      result.push_back(info.name);
    return result;
  };
  EXPECT_EQ(namesOf(KernelRole::Forward), expected);
  EXPECT_EQ(namesOf(KernelRole::Step), expected);
  EXPECT_EQ(namesOf(KernelRole::InitParameters), parameters);
}

TEST_P(Abi, WritesAllOfItsOutputsAndNothingElse) {
  for (KernelRole role : sweeps)
    for (const auto &[name, values] : call(role, inputs(role)))
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_TRUE(std::isfinite(values[i])) << name << "[" << i << "]";
}

TEST_P(Abi, RowStridesAndAlignmentChangeNoBit) {
  for (KernelRole role : sweeps) {
    Tensors given = inputs(role);
    Tensors dense = call(role, given);
    for (Layout layout : {Layout{13, 1}, Layout{dims.H * dims.K, 0}})
      expectSameBits(dense,
                     callPackage(*library, role, given, dims, device, layout));
  }
}

TEST_P(Abi, RepeatedCallsGiveTheSameBits) {
  for (KernelRole role : sweeps) {
    Tensors given = inputs(role);
    expectSameBits(call(role, given), call(role, given));
  }
}

TEST_P(Abi, WorkersChangeNoBit) {
  for (KernelRole role : sweeps) {
    Tensors given = inputs(role);
    Tensors one = call(role, given);
    for (GuardedDevice::Order order :
         {GuardedDevice::Order::Falling, GuardedDevice::Order::Threads})
      for (int64_t workers : {2, 3}) {
        GuardedDevice other(workers, order);
        expectSameBits(one, callPackage(*library, role, given, dims, other));
      }
  }
}

TEST_P(Abi, AbsentStatesAreZero) {
  for (KernelRole role : sweeps) {
    for (const char *name : {"initial_state", "d_o", "d_final_state"}) {
      Tensors given = inputs(role);
      if (!isOptional(role, name))
        continue;
      std::fill(given[name].begin(), given[name].end(), 0.f);
      Tensors zeros = call(role, given);
      given.erase(name);
      expectSameBits(zeros, call(role, given));
    }
  }
}

TEST_P(Abi, AbsentOutputsChangeNoOther) {
  for (KernelRole role : sweeps) {
    Tensors given = inputs(role);
    Tensors all = call(role, given);
    for (const std::string &name : names(role, true, true)) {
      Tensors rest =
          callPackage(*library, role, given, dims, device, {}, {name});
      EXPECT_FALSE(rest.contains(name));
      EXPECT_EQ(rest.size() + 1, all.size());
      expectSameBits(rest, all);
    }
  }
}

TEST_P(Abi, PackedSequencesAreAsIfAlone) {
  const int64_t ends[] = {0, 1, dims.T / 3 + 1, dims.T};
  dims.B = 1, dims.sequences = 3, dims.cu_seqlens = ends;
  for (KernelRole role : sweeps) {
    Tensors given = inputs(role);
    Tensors packed = call(role, given);
    for (int64_t n = 0; n < 3; ++n) {
      int64_t length = ends[n + 1] - ends[n];
      auto own = [&](const std::string &name, const std::vector<float> &all) {
        TensorShape shape = shapeOf(role, name);
        if (shape.has('T'))
          return timeSlice(all, 1, dims.T, ends[n], length);
        return shape.has('N') ? timeSlice(all, 1, 3, n, 1) : all;
      };
      Tensors alone;
      for (const auto &[name, values] : given)
        alone[name] = own(name, values);
      DecayDims single = dims;
      single.T = length, single.sequences = 0, single.cu_seqlens = nullptr;
      Tensors expected;
      for (const auto &[name, values] : packed)
        if (shapeOf(role, name).has('T') || shapeOf(role, name).has('N'))
          expected[name] = own(name, values);
      expectSameBits(expected,
                     callPackage(*library, role, alone, single, device));
    }
  }
}

TEST_P(Abi, ParametersAreDrawnFromTheSeed) {
  dims.B = dims.T = 1;
  dims.seed = 5;
  Tensors first = call(KernelRole::InitParameters, {});
  expectSameBits(first, call(KernelRole::InitParameters, {}));
  EXPECT_EQ(first.size(), library->manifest().parameters.size());
}

/// What the end of one stretch of tokens is to the start of the next.
static void handOver(const Manifest &manifest, const char *from, const char *to,
                     const Tensors &outputs, Tensors &inputs) {
  auto move = [&](const std::string &name) {
    inputs[to + name] = outputs.at(from + name);
  };
  move("state");
  for (const ManifestCarry &carry : manifest.carries)
    move(carry.name);
}

TEST_P(Abi, StepsAreOneForward) {
  Tensors whole = inputs(KernelRole::Forward);
  Tensors expected = call(KernelRole::Forward, whole);
  DecayDims one = dims;
  one.T = 1;
  Tensors last, rows;
  for (int64_t t = 0; t < dims.T; ++t) {
    one.position = t;
    Tensors now = sliced(KernelRole::Forward, whole, t, 1);
    if (t > 0)
      handOver(library->manifest(), "final_", "initial_", last, now);
    last = callPackage(*library, KernelRole::Step, now, one, device);
    for (const auto &[name, values] : last) {
      rows[name].resize(expected[name].size());
      int64_t row = int64_t(values.size()) / dims.B;
      if (shapeOf(KernelRole::Forward, name).has('T'))
        for (int64_t b = 0; b < dims.B; ++b)
          std::copy_n(values.data() + b * row, row,
                      rows[name].data() + (b * dims.T + t) * row);
      else
        rows[name] = values;
    }
  }
  for (const auto &[name, values] : rows)
    expectClose(name, values, expected[name]);
}

TEST_P(Abi, HalvesAreTheWhole) {
  Tensors forward = inputs(KernelRole::Forward);
  Tensors given = inputs(KernelRole::Backward);
  for (auto &[name, values] : forward)
    values = given.contains(name) ? given[name] : values;
  Tensors expected = call(KernelRole::Backward, given);
  int64_t cut = dims.T / 2 + 1, rest = dims.T - cut;
  DecayDims early = dims, late = dims;
  early.T = cut, late.T = rest, late.position = cut;
  const Manifest &manifest = library->manifest();

  Tensors ends =
      callPackage(*library, KernelRole::Forward,
                  sliced(KernelRole::Forward, forward, 0, cut), early, device);
  Tensors lateInputs = sliced(KernelRole::Backward, given, cut, rest);
  handOver(manifest, "final_", "initial_", ends, lateInputs);
  Tensors lateOutputs =
      callPackage(*library, KernelRole::Backward, lateInputs, late, device);
  Tensors earlyInputs = sliced(KernelRole::Backward, given, 0, cut);
  handOver(manifest, "d_initial_", "d_final_", lateOutputs, earlyInputs);
  Tensors earlyOutputs =
      callPackage(*library, KernelRole::Backward, earlyInputs, early, device);
  for (const auto &[name, values] : expected) {
    TensorShape shape = shapeOf(KernelRole::Backward, name);
    if (shape.has('T')) {
      expectClose(name + " early", earlyOutputs[name],
                  timeSlice(values, dims.B, dims.T, 0, cut));
      expectClose(name + " late", lateOutputs[name],
                  timeSlice(values, dims.B, dims.T, cut, rest));
    } else if (shape.has('N')) {
      expectClose(name, earlyOutputs[name], values);
    } else {
      std::vector<float> sum = earlyOutputs[name];
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] += lateOutputs[name][i];
      expectClose(name, sum, values);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Packages, Abi,
    testing::Combine(testing::ValuesIn(packagePaths),
                     testing::Values(Sizes{"ragged", 2, 37, 3, 20, 12},
                                     Sizes{"round", 1, 130, 2, 64, 64})),
    [](const auto &info) {
      std::string name = std::get<0>(info.param);
      name = name.substr(name.find_last_of('/') + 1);
      name =
          name.substr(0, name.find('.')) + "_" + std::get<1>(info.param).name;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
          '_');
      return name;
    });

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-')
      packagePaths.push_back(argv[i]);
  testing::InitGoogleTest(&argc, argv);
  if (packagePaths.empty()) {
    fprintf(stderr, "usage: abi_conformance PACKAGE.so... [gtest flags]\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
