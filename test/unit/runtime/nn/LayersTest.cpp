//===- LayersTest.cpp - Each layer's gradients and facts -------*- C++ -*-===//
#include "test/unit/runtime/nn/GradientCheck.h"

#include "runtime/nn/layers/Classifier.h"
#include "runtime/nn/layers/Embedding.h"
#include "runtime/nn/layers/Glu.h"
#include "runtime/nn/layers/LowRank.h"
#include "runtime/nn/layers/OutputGate.h"
#include "runtime/nn/layers/RmsNorm.h"

using namespace decay::runtime;
using namespace decay::runtime::test;

namespace {

constexpr int64_t rows = 70; // more than one block of a sum over rows
constexpr int64_t width = 40;

class Layers : public ::testing::Test {
protected:
  Machine machine;
  Backend backend = machine.backend();
  Values partials = Values(8 * 128);
};

TEST_F(Layers, linearGradients) {
  Linear layer{width, 24};
  Values x = draw(rows * width, 1), w = draw(24 * width, 2),
         probe = draw(rows * 24, 3);
  Values y(rows * 24), dx(x.size()), dw(w.size());
  auto value = [&] {
    layer.forward(backend, rows, {x.data(), width}, w.data(), {y.data(), 24});
    return dot(y, probe);
  };
  layer.backwardInput(backend, rows, {probe.data(), 24}, w.data(),
                      {dx.data(), width});
  layer.backwardWeight(backend, rows, {probe.data(), 24}, {x.data(), width},
                       dw.data());
  expectGradient("x", x, dx, value);
  expectGradient("weight", w, dw, value);
}

TEST_F(Layers, lowRankGradients) {
  LowRank layer{8, 24};
  Values inner = draw(rows * 8, 1), w = draw(24 * 8, 2),
         probe = draw(rows * 24, 3);
  Values y(rows * 24), dInner(inner.size()), dw(w.size());
  auto value = [&] {
    layer.forward(backend, rows, {inner.data(), 8}, w.data(), {y.data(), 24});
    return dot(y, probe);
  };
  layer.backward(backend, rows, {inner.data(), 8}, w.data(), {probe.data(), 24},
                 {dInner.data(), 8}, dw.data());
  expectGradient("inner", inner, dInner, value);
  expectGradient("second factor", w, dw, value);
}

TEST_F(Layers, rmsNormGradients) {
  for (EpsilonPlace place : {EpsilonPlace::Sum, EpsilonPlace::Mean}) {
    RmsNorm layer{width, {0.5f, place}};
    Values x = draw(rows * width, 1), w = draw(width, 2, 1, 1),
           probe = draw(rows * width, 3);
    Values y(x.size()), scale(rows), dx(x.size()), dw(w.size());
    auto value = [&] {
      layer.forward(backend, rows, x.data(), w.data(), y.data(), scale.data());
      return dot(y, probe);
    };
    value();
    layer.backward(backend, rows, x.data(), w.data(), scale.data(),
                   probe.data(), dx.data(), dw.data(), partials.data());
    expectGradient("x", x, dx, value);
    expectGradient("weight", w, dw, value);
  }
}

TEST_F(Layers, rmsNormPutsEpsilonInsideTheSum) {
  Values x{3, 4}, w{1, 2}, y(2), scale(1);
  RmsNorm{2, {1.0f, EpsilonPlace::Sum}}.forward(backend, 1, x.data(), w.data(),
                                                y.data(), scale.data());
  EXPECT_FLOAT_EQ(y[0], std::sqrt(2.0f) * 3 / std::sqrt(26.0f));
  EXPECT_FLOAT_EQ(y[1], std::sqrt(2.0f) * 8 / std::sqrt(26.0f));
  RmsNorm{2, {1.0f, EpsilonPlace::Mean}}.forward(backend, 1, x.data(), w.data(),
                                                 y.data(), scale.data());
  EXPECT_FLOAT_EQ(y[0], 3 / std::sqrt(13.5f));
}

TEST_F(Layers, outputGateGradients) {
  OutputGate layer{width, 24, {1e-5f, EpsilonPlace::Sum}};
  Values o = draw(rows * width, 1), gate = draw(rows * width, 2),
         norm = draw(width, 3, 1, 1), wo = draw(24 * width, 4),
         probe = draw(rows * 24, 5);
  Values normed(o.size()), scale(rows), dO(o.size()), dGate(o.size()),
      dNorm(width), dWo(wo.size());
  OutputGate::Weights weights{norm.data(), wo.data()},
      gradients{dNorm.data(), dWo.data()};
  OutputGate::Saved saved{o.data(), gate.data(), normed.data(), scale.data()};
  auto value = [&] {
    Values out(rows * 24);
    layer.forward(backend, rows, saved, weights, out.data(), out.data());
    return dot(out, probe);
  };
  value();
  layer.backward(backend, rows, saved, weights, probe.data(), dO.data(),
                 dGate.data(), gradients, partials.data());
  expectGradient("o", o, dO, value);
  expectGradient("gate", gate, dGate, value);
  expectGradient("norm", norm, dNorm, value);
  expectGradient("Wo", wo, dWo, value);
}

TEST_F(Layers, outputGateMultipliesBeforeTheNorm) {
  OutputGate layer{2, 1, {0.0f, EpsilonPlace::Sum}};
  Values o{3, 4}, gate{0, 100}, norm{1, 1}, wo{1, 0}, normed(2), scale(1),
      stream{10}, out{5};
  layer.forward(backend, 1,
                {o.data(), gate.data(), normed.data(), scale.data()},
                {norm.data(), wo.data()}, stream.data(), out.data());
  // o · sigmoid(G) = (1.5, 4); the residual stream stays as it was.
  EXPECT_EQ(stream[0], 10);
  EXPECT_NEAR(out[0], 10 + std::sqrt(2.0) * 1.5 / std::sqrt(1.5 * 1.5 + 16),
              1e-5);
}

TEST_F(Layers, gluGradients) {
  Glu layer{width, 48};
  Values x = draw(rows * width, 1), expand = draw(96 * width, 2, 0.2f),
         shrink = draw(width * 48, 3, 0.2f), probe = draw(rows * width, 4);
  Values ab(rows * 96), h(rows * 48), dx(x.size()), dExpand(expand.size()),
      dShrink(shrink.size());
  Glu::Weights weights{expand.data(), shrink.data()},
      gradients{dExpand.data(), dShrink.data()};
  auto value = [&] {
    Values out(x.size());
    layer.forward(backend, rows, x.data(), weights, ab.data(), h.data(),
                  out.data(), out.data());
    return dot(out, probe);
  };
  value();
  layer.backward(backend, rows, x.data(), weights, ab.data(), probe.data(),
                 h.data(), dx.data(), gradients);
  expectGradient("x", x, dx, value);
  expectGradient("W1, W2", expand, dExpand, value);
  expectGradient("W3", shrink, dShrink, value);
}

TEST_F(Layers, gluWidthIsEightThirdsRoundedUp) {
  EXPECT_EQ(Glu::hiddenFor(768, 256), 2048);
  EXPECT_EQ(Glu::hiddenFor(1024, 256), 2816);
  EXPECT_EQ(Glu::hiddenFor(2048, 256), 5632);
}

TEST_F(Layers, embeddingGradientsSumOverRepeatedTokens) {
  Embedding layer{width};
  Values table = draw(5 * width, 1), out(3 * width), dOut = draw(3 * width, 2),
         dTable(5 * width);
  int32_t tokens[] = {4, 1, 4};
  layer.forward(backend, 3, tokens, table.data(), out.data());
  layer.backward(backend, 3, tokens, dOut.data(), dTable.data(), nullptr);
  for (int64_t c = 0; c < width; ++c) {
    EXPECT_EQ(out[c], table[4 * width + c]);
    EXPECT_EQ(dTable[4 * width + c], dOut[c] + dOut[2 * width + c]);
    EXPECT_EQ(dTable[width + c], dOut[width + c]);
    EXPECT_EQ(dTable[c], 0);
  }
}

TEST_F(Layers, classifierGradientsAndChunks) {
  // So many classes that the rows do not fit one chunk.
  Classifier layer{8, 1 << 14};
  const int64_t count = 2 * layer.chunkRows(backend.device) + 3;
  Values x = draw(count * 8, 1), w = draw(layer.classes * 8, 2, 0.3f);
  std::vector<int32_t> targets(count);
  for (int64_t r = 0; r < count; ++r)
    targets[r] = r % 7 == 0 ? -1 : static_cast<int32_t>(r * 37 % layer.classes);
  Values losses(count), logits(layer.chunkRows(backend.device) * layer.classes),
      dx(x.size()), dw(w.size());
  auto value = [&] {
    layer.losses(backend, count, x.data(), w.data(), targets.data(),
                 losses.data(), logits.data(), nullptr);
    double sum = 0;
    for (float loss : losses)
      sum += loss;
    return sum;
  };
  Classifier::Gradient gradient{1.0f, dx.data(), dw.data()};
  layer.losses(backend, count, x.data(), w.data(), targets.data(),
               losses.data(), logits.data(), &gradient);
  EXPECT_EQ(losses[0], 0);
  EXPECT_EQ(losses[7], 0);
  for (int64_t c = 0; c < 8; ++c)
    EXPECT_EQ(dx[7 * 8 + c], 0);
  expectGradient("x", x, dx, value);
  expectGradient("weight", w, dw, value);
}

TEST_F(Layers, lossesAreThoseOfFloat64) {
  Classifier layer{1, 300};
  Values x{1, 1}, w = draw(300, 5, 20), losses(2), logits(600);
  int32_t targets[] = {3, 299};
  layer.losses(backend, 2, x.data(), w.data(), targets, losses.data(),
               logits.data(), nullptr);
  double top = *std::max_element(w.begin(), w.end()), sum = 0;
  for (float logit : w)
    sum += std::exp(logit - top);
  for (int r = 0; r < 2; ++r) {
    double expected = std::log(sum) + top - w[targets[r]];
    EXPECT_NEAR(losses[r], expected, 1e-6 * (1 + std::abs(expected)));
  }
}

TEST_F(Layers, sigmoidIsExactEnoughEverywhere) {
  // Through the gated norm of one value: o · s / √(o² s²) would hide s, so read
  // it from GLU.
  std::vector<float> points;
  for (float x = -90; x <= 90; x += 0.37f)
    points.push_back(x);
  for (float x : points) {
    Values ab{x, 1}, h(1);
    backend.kernels.glu({1, 1}, ab.data(), h.data());
    double expected = x / (1 + std::exp(-double(x)));
    EXPECT_NEAR(h[0], expected, 5e-7 * std::abs(expected) + 1e-35) << x;
  }
}

} // namespace
