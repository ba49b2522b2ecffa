//===- GpuKernelsTest.cpp - The GPU's native kernels on the host ----------===//
//
// The kernels' own source, its threads run as fibers, against the kernels of
// the default device: both number types, wide and narrow rows, memory that is
// poisoned around every array.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"
#include "runtime/kernels/native/cuda/CudaKernels.h"
#include "test/support/gpu/HostLauncher.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

using namespace decay::runtime;

namespace {
/// An array in one of both types between zones that must not change. `begin`
/// numbers lie before it, so that wide accesses may be impossible.
class Array {
public:
  Array(NumberType type, std::vector<float> values, int64_t begin = 0)
      : type(type), count(values.size()), begin(begin),
        memory(guard * 2 + (values.size() + static_cast<size_t>(begin)) * 4) {
    std::memset(memory.data(), poison, memory.size());
    for (size_t i = 0; i < count; ++i)
      if (type == NumberType::F32)
        std::memcpy(at(i), &values[i], 4);
      else
        *reinterpret_cast<gpu::Bf16 *>(at(i)) = gpu::Bf16(values[i]);
  }

  Numbers numbers() { return {at(0), type}; }
  float *floats() { return numbers().floats(); }
  /// As the device holds them.
  std::vector<float> values() {
    std::vector<float> read(count);
    for (size_t i = 0; i < count; ++i)
      read[i] = type == NumberType::F32
                    ? *reinterpret_cast<float *>(at(i))
                    : static_cast<float>(*reinterpret_cast<gpu::Bf16 *>(at(i)));
    return read;
  }
  bool isIntact() const {
    size_t first = offset(), last = first + count * bytes();
    for (size_t i = 0; i < memory.size(); ++i)
      if ((i < first || i >= last) && memory[i] != poison)
        return false;
    return true;
  }

private:
  static constexpr size_t guard = 256;
  static constexpr unsigned char poison = 0xff; // NaN in both types
  size_t bytes() const { return static_cast<size_t>(bytesOf(type)); }
  size_t offset() const { return guard + static_cast<size_t>(begin) * bytes(); }
  unsigned char *at(size_t i) { return memory.data() + offset() + i * bytes(); }

  struct alignas(64) Line {
    unsigned char bytes[64];
  };
  /// Bytes that begin on a cache line.
  class Memory {
  public:
    explicit Memory(size_t size) : lines((size + 63) / 64), length(size) {}
    unsigned char *data() {
      return reinterpret_cast<unsigned char *>(lines.data());
    }
    size_t size() const { return length; }
    unsigned char operator[](size_t i) const {
      return reinterpret_cast<const unsigned char *>(lines.data())[i];
    }

  private:
    std::vector<Line> lines;
    size_t length;
  };

  NumberType type;
  size_t count;
  int64_t begin;
  Memory memory;
};

struct Case {
  NumberType type;
  int64_t rows, width, begin;
};

class GpuKernels : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    device = std::move(*createDevice("", {.workers = 1}));
    truth = std::move(*createNativeKernels(deviceNames().front(), *device));
    auto made =
        CudaKernels::create(*device, std::make_unique<gpu::HostLauncher>());
    ASSERT_TRUE(made.ok()) << made.status().message();
    kernels = std::move(*made);
  }
  void TearDown() override {
    for (const std::unique_ptr<Array> &array : arrays)
      EXPECT_TRUE(array->isIntact());
  }

  Case on = GetParam();
  RowShape shape{on.rows, on.width};

  std::vector<float> draw(int64_t count, float scale = 1, float mean = 0,
                          bool rounded = true) {
    Philox random(11, stream++);
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = mean + scale * static_cast<float>(random.normal(i));
      if (rounded && on.type == NumberType::BF16)
        values[i] = gpu::Bf16(values[i]);
    }
    return values;
  }
  std::vector<float> drawRows() { return draw(on.rows * on.width); }
  Array &array(std::vector<float> values) {
    return *arrays.emplace_back(
        std::make_unique<Array>(on.type, std::move(values), on.begin));
  }
  Array &floats(std::vector<float> values) {
    return *arrays.emplace_back(
        std::make_unique<Array>(NumberType::F32, std::move(values)));
  }
  std::vector<float> unwritten(size_t count) const {
    return std::vector<float>(count, std::numeric_limits<float>::quiet_NaN());
  }
  std::vector<int32_t> drawTokens(int64_t most) {
    Philox random(12, stream++);
    std::vector<int32_t> tokens(static_cast<size_t>(on.rows));
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] =
          static_cast<int32_t>(random.bits(i) % static_cast<uint64_t>(most));
    return tokens;
  }

  /// Sums differ in order, numbers of the device's type are rounded once.
  void expectNear(Array &found, const std::vector<float> &expected,
                  const char *what) {
    std::vector<float> values = found.values();
    ASSERT_EQ(values.size(), expected.size());
    double largest = 0;
    for (float value : expected)
      largest = std::max(largest, std::fabs(static_cast<double>(value)));
    bool rounded = found.numbers().type() == NumberType::BF16;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(values[i], expected[i],
                  (rounded ? 0x1p-8 : 0) * std::fabs(expected[i]) +
                      4e-6 * largest + 1e-30)
          << what << "[" << i << "]";
  }

  std::unique_ptr<Device> device;
  std::unique_ptr<NativeKernels> truth;
  std::unique_ptr<CudaKernels> kernels;
  std::vector<std::unique_ptr<Array>> arrays;
  uint64_t stream = 0;
};
} // namespace

TEST_P(GpuKernels, RmsNormAndItsGradient) {
  std::vector<float> x = drawRows(), dy = drawRows(), dx = drawRows();
  std::vector<float> w = draw(on.width, 0.2f, 1, false);
  std::vector<float> dw = draw(on.width, 1, 0, false);
  size_t partials = static_cast<size_t>(NativeKernels::partialFloats(shape));
  for (EpsilonPlace place : {EpsilonPlace::Sum, EpsilonPlace::Mean}) {
    NormOptions options{0.1f, place};
    Array &gx = array(x), &gy = array(unwritten(x.size())), &gdy = array(dy),
          &gdx = array(dx);
    Array &gw = floats(w), &gdw = floats(dw), &gp = floats(unwritten(partials)),
          &gs = floats(unwritten(static_cast<size_t>(on.rows)));
    kernels->rmsNorm(shape, options, gx.numbers(), gw.floats(), gy.numbers(),
                     gs.floats());
    kernels->rmsNormBackward(shape, gx.numbers(), gw.floats(), gs.floats(),
                             gdy.numbers(), gdx.numbers(), gdw.floats(),
                             gp.floats());
    std::vector<float> y(x.size()), scale(static_cast<size_t>(on.rows)),
        p(partials), cdx = dx, cdw = dw;
    truth->rmsNorm(shape, options, x.data(), w.data(), y.data(), scale.data());
    truth->rmsNormBackward(shape, x.data(), w.data(), scale.data(), dy.data(),
                           cdx.data(), cdw.data(), p.data());
    expectNear(gy, y, "y");
    expectNear(gs, scale, "scale");
    expectNear(gdx, cdx, "dx");
    expectNear(gdw, cdw, "dw");
  }
}

TEST_P(GpuKernels, GatedNormAndItsGradientInPlace) {
  std::vector<float> o = drawRows(), gate = drawRows(), dy = drawRows();
  std::vector<float> w = draw(on.width, 0.2f, 1, false);
  std::vector<float> dw = draw(on.width, 1, 0, false);
  size_t partials = static_cast<size_t>(NativeKernels::partialFloats(shape));
  Array &go = array(o), &ggate = array(gate), &gy = array(unwritten(o.size())),
        &gdy = array(dy);
  Array &gw = floats(w), &gdw = floats(dw), &gp = floats(unwritten(partials)),
        &gs = floats(unwritten(static_cast<size_t>(on.rows)));
  kernels->gatedNorm(shape, {}, go.numbers(), ggate.numbers(), gw.floats(),
                     gy.numbers(), gs.floats());
  kernels->gatedNormBackward(shape, go.numbers(), ggate.numbers(), gw.floats(),
                             gs.floats(), gdy.numbers(), gdy.numbers(),
                             ggate.numbers(), gdw.floats(), gp.floats());
  std::vector<float> y(o.size()), scale(static_cast<size_t>(on.rows)),
      p(partials);
  truth->gatedNorm(shape, {}, o.data(), gate.data(), w.data(), y.data(),
                   scale.data());
  truth->gatedNormBackward(shape, o.data(), gate.data(), w.data(), scale.data(),
                           dy.data(), dy.data(), gate.data(), dw.data(),
                           p.data());
  expectNear(gy, y, "y");
  expectNear(gdy, dy, "dO");
  expectNear(ggate, gate, "dGate");
  expectNear(gdw, dw, "dw");
}

TEST_P(GpuKernels, GluAndItsGradient) {
  std::vector<float> ab = draw(on.rows * 2 * on.width), dh = drawRows();
  Array &gab = array(ab), &gh = array(unwritten(dh.size())), &gdh = array(dh);
  kernels->glu(shape, gab.numbers(), gh.numbers());
  kernels->gluBackward(shape, gab.numbers(), gdh.numbers());
  std::vector<float> h(dh.size());
  truth->glu(shape, ab.data(), h.data());
  truth->gluBackward(shape, ab.data(), dh.data());
  expectNear(gh, h, "h");
  expectNear(gab, ab, "dab");
  expectNear(gdh, dh, "h again");
}

TEST_P(GpuKernels, RowsOfATableAndTheirGradients) {
  const int64_t tableRows = 5;
  std::vector<float> table = draw(tableRows * on.width), dOut = drawRows();
  std::vector<float> dTable = draw(tableRows * on.width, 1, 0, false);
  std::vector<int32_t> tokens = drawTokens(tableRows);
  Array &gtable = array(table), &gout = array(unwritten(dOut.size())),
        &gdOut = array(dOut), &gdTable = floats(dTable);
  kernels->gatherRows(shape, tokens.data(), gtable.numbers(), gout.numbers());
  Array &scratch = floats(
      unwritten(static_cast<size_t>(NativeKernels::scatterFloats(shape))));
  kernels->scatterAddRows(shape, tokens.data(), gdOut.numbers(),
                          gdTable.floats(), scratch.floats());
  std::vector<float> out(dOut.size());
  truth->gatherRows(shape, tokens.data(), table.data(), out.data());
  truth->scatterAddRows(shape, tokens.data(), dOut.data(), dTable.data(),
                        nullptr);
  EXPECT_EQ(gout.values(), out);
  expectNear(gdTable, dTable, "dTable");
}

TEST_P(GpuKernels, GradientsOfTokensThatFillSeveralSegments) {
  const int64_t tableRows = 4;
  std::vector<float> dOut = drawRows();
  std::vector<float> dTable = draw(tableRows * on.width, 1, 0, false);
  // Two tokens are rare, one never comes, and one has all other rows: the
  // segments in between are its alone.
  std::vector<int32_t> tokens(static_cast<size_t>(on.rows), 1);
  tokens.front() = 3, tokens[tokens.size() / 2] = 0;
  Array &gdOut = array(dOut), &gdTable = floats(dTable);
  Array &scratch = floats(
      unwritten(static_cast<size_t>(NativeKernels::scatterFloats(shape))));
  kernels->scatterAddRows(shape, tokens.data(), gdOut.numbers(),
                          gdTable.floats(), scratch.floats());
  truth->scatterAddRows(shape, tokens.data(), dOut.data(), dTable.data(),
                        nullptr);
  expectNear(gdTable, dTable, "dTable");
}

TEST_P(GpuKernels, BiasAndItsGradient) {
  const int64_t stride = on.width + 8;
  std::vector<float> x = draw(on.rows * stride);
  std::vector<float> bias = draw(on.width, 1, 0, false), sums = bias;
  Array &gx = array(x), &gbias = floats(bias), &gsums = floats(sums);
  kernels->sumRows(shape, gx.numbers(), stride, gsums.floats());
  kernels->addBias(shape, gx.numbers(), stride, gbias.floats());
  truth->sumRows(shape, x.data(), stride, sums.data());
  truth->addBias(shape, x.data(), stride, bias.data());
  expectNear(gsums, sums, "sums");
  expectNear(gx, x, "x");
}

TEST_P(GpuKernels, LossesAndTheirGradients) {
  for (float gradientScale : {0.0f, 0.125f}) {
    CrossEntropyShape classes{on.rows, on.width, gradientScale};
    std::vector<float> logits = draw(on.rows * on.width, 4, -3);
    std::vector<int32_t> targets = drawTokens(on.width);
    targets[targets.size() / 2] = -1;
    Array &glogits = array(logits),
          &glosses = floats(unwritten(static_cast<size_t>(on.rows)));
    kernels->crossEntropy(classes, glogits.numbers(), targets.data(),
                          glosses.floats());
    std::vector<float> losses(static_cast<size_t>(on.rows));
    truth->crossEntropy(classes, logits.data(), targets.data(), losses.data());
    expectNear(glosses, losses, "losses");
    expectNear(glogits, logits, "gradient");
  }
}

TEST_P(GpuKernels, ConversionsAndSums) {
  const int64_t count = on.rows * on.width;
  std::vector<float> x = draw(count, 1, 0, false), y = draw(count, 1, 0, false);
  Array &gx = floats(x), &gy = floats(y), &gback = floats(unwritten(x.size()));
  Array &half = *arrays.emplace_back(
      std::make_unique<Array>(NumberType::BF16, unwritten(x.size()), on.begin));
  kernels->convert(half.numbers(), gx.numbers(), count);
  kernels->convert(gback.numbers(), half.numbers(), count);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(gback.values()[i], static_cast<float>(gpu::Bf16(x[i])));
  kernels->add(gy.floats(), gx.floats(), count);
  truth->add(y.data(), x.data(), count);
  EXPECT_EQ(gy.values(), y);
  kernels->copy(gback.numbers(), gx.numbers(), count);
  EXPECT_EQ(gback.values(), x);
  kernels->zero(gback.numbers(), count);
  EXPECT_EQ(gback.values(), std::vector<float>(x.size(), 0.0f));
}

TEST_P(GpuKernels, RowsAreConvertedOneByOne) {
  const int64_t stride = on.width + 5;
  std::vector<float> x = drawRows(), y = draw(on.rows * stride);
  Array &gx = floats(x);
  Array &half = *arrays.emplace_back(
      std::make_unique<Array>(NumberType::BF16, y, on.begin));
  std::vector<float> expected = half.values();
  for (int64_t r = 0; r < on.rows; ++r)
    for (int64_t c = 0; c < on.width; ++c)
      expected[static_cast<size_t>(r * stride + c)] =
          gpu::Bf16(x[static_cast<size_t>(r * on.width + c)]);
  kernels->convertRows(shape, half.numbers(), stride, gx.numbers(), on.width);
  EXPECT_EQ(half.values(), expected);
  kernels->convertRows(shape, gx.numbers(), on.width, half.numbers(), stride);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(gx.values()[i], static_cast<float>(gpu::Bf16(x[i])));
}

TEST_P(GpuKernels, UpdatesAndNorms) {
  const int64_t count = on.rows * on.width;
  std::vector<float> w = draw(count, 1, 0, false), g = draw(count, 1, 0, false),
                     m = draw(count, 0.1f, 0, false),
                     v = draw(count, 0.01f, 0.1f, false);
  for (float &one : v)
    one = std::fabs(one);
  AdamWFactors factors{0.9, 0.95, 1e-8, 0.7, 1.3, 1.7, 1e-2, 0.999};
  Array &gw = floats(w), &gg = floats(g), &gm = floats(m), &gv = floats(v);
  Array &copy = *arrays.emplace_back(
      std::make_unique<Array>(NumberType::BF16, unwritten(w.size())));
  double sum = kernels->sumOfSquares(
      std::vector<FloatSpan>{{gg.floats(), count}, {gw.floats(), count / 2}});
  EXPECT_NEAR(sum / truth->sumOfSquares(std::vector<FloatSpan>{
                        {g.data(), count}, {w.data(), count / 2}}),
              1, 1e-13);
  // From a wide bound on, where the last few are left over, and from another.
  const int64_t half = count / 2;
  for (auto [first, updated] :
       {std::pair{int64_t{0}, half}, std::pair{half, count - half}})
    kernels->adamW(factors,
                   {gw.floats() + first, gg.floats() + first,
                    gm.floats() + first, gv.floats() + first,
                    copy.numbers() + first},
                   updated);
  truth->adamW(factors, {w.data(), g.data(), m.data(), v.data(), {}}, count);
  expectNear(gw, w, "w");
  expectNear(gm, m, "m");
  expectNear(gv, v, "v");
  for (size_t i = 0; i < w.size(); ++i)
    ASSERT_EQ(copy.values()[i], static_cast<float>(gpu::Bf16(gw.values()[i])));
}

TEST(GpuKernelsLargeSums, RunOverSeveralBlocks) {
  auto device = std::move(*createDevice("", {.workers = 1}));
  auto kernels = std::move(
      *CudaKernels::create(*device, std::make_unique<gpu::HostLauncher>()));
  std::vector<float> ones(300'001, 1.0f);
  std::vector<FloatSpan> spans{{ones.data(), 300'001}, {ones.data(), 7}};
  EXPECT_EQ(kernels->sumOfSquares(spans), 300'008);
  ones[299'999] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(kernels->sumOfSquares(spans)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, GpuKernels,
    testing::Values(
        Case{NumberType::F32, 1, 3, 0}, Case{NumberType::F32, 67, 7, 0},
        Case{NumberType::F32, 70, 40, 0}, Case{NumberType::F32, 5, 1024, 0},
        Case{NumberType::F32, 5, 1024, 1}, Case{NumberType::F32, 67, 512, 0},
        Case{NumberType::BF16, 66, 1024, 0}, Case{NumberType::BF16, 3, 1, 0},
        Case{NumberType::BF16, 67, 39, 0}, Case{NumberType::BF16, 130, 40, 0},
        Case{NumberType::BF16, 4, 1096, 0}, Case{NumberType::BF16, 4, 1096, 3}),
    [](const testing::TestParamInfo<Case> &info) {
      return (info.param.type == NumberType::F32 ? "F32_" : "BF16_") +
             std::to_string(info.param.rows) + "x" +
             std::to_string(info.param.width) +
             (info.param.begin ? "_unaligned" : "");
    });
