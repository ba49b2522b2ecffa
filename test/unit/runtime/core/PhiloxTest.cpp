//===- PhiloxTest.cpp -----------------------------------------------------===//

#include "runtime/core/Philox.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace decay::runtime;

// Known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, MatchesKnownAnswers) {
  EXPECT_EQ(philoxBlock({0, 0, 0, 0}, {0, 0}),
            (PhiloxWords{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(philoxBlock({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxWords{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philoxBlock({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                        {0xa4093822, 0x299f31d0}),
            (PhiloxWords{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, CounterAndKeyLayout) {
  Philox random(0x1111111122222222, 0x3333333344444444);
  EXPECT_EQ(random.words(0x5555555566666666),
            philoxBlock({0x66666666, 0x55555555, 0x44444444, 0x33333333},
                        {0x22222222, 0x11111111}));
  EXPECT_EQ(random.uniform(7),
            static_cast<float>(random.words(7)[0] >> 8) / 16777216.0f);
}

TEST(Philox, MomentsOfTheDistributions) {
  Philox random(42, 1);
  constexpr int count = 200000;
  double uniform = 0, normal = 0, square = 0, cut = 0;
  for (uint64_t i = 0; i < count; ++i) {
    float u = random.uniform(i);
    ASSERT_TRUE(u >= 0 && u < 1);
    uniform += u;
    double x = random.normal(i);
    normal += x, square += x * x;
    double t = random.truncatedNormal(i, 3);
    ASSERT_LE(std::fabs(t), 3);
    cut += t * t;
  }
  EXPECT_NEAR(uniform / count, 0.5, 0.005);
  EXPECT_NEAR(normal / count, 0, 0.01);
  EXPECT_NEAR(square / count, 1, 0.02);
  // Variance of a normal cut at 3: 1 - 2 * 3 phi(3) / (1 - 2 Phi(-3)).
  EXPECT_NEAR(cut / count, 0.97333, 0.02);
}

TEST(Philox, InverseNormalInvertsTheDistribution) {
  for (double p : {1e-300, 1e-20, 1e-6, 0.01, 0.07, 0.3, 0.5, 0.8, 0.999}) {
    double back = 0.5 * std::erfc(-inverseNormal(p) / std::sqrt(2.0));
    EXPECT_NEAR(back / p, 1, 1e-12 * std::max(1.0, -std::log(p))) << p;
  }
}
