//===- TensorTest.cpp -----------------------------------------------------===//

#include "runtime/core/Tensor.h"

#include <gtest/gtest.h>
#include <numeric>
#include <vector>

using namespace decay::runtime;

TEST(Tensor, IsRowMajor) {
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  FloatView view(numbers.data(), {2, 3, 4});
  EXPECT_EQ(view.rank(), 3);
  EXPECT_EQ(view.size(), 24);
  EXPECT_EQ(view.stride(0), 12);
  EXPECT_EQ(view(1, 2, 3), 23);
  EXPECT_EQ(view(1, 0, 2), 14);
  EXPECT_TRUE(view.isDense());
}

TEST(Tensor, SliceKeepsStrides) {
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  FloatView middle = FloatView(numbers.data(), {4, 6}).slice(1, 2, 3);
  EXPECT_EQ(middle.dim(1), 3);
  EXPECT_EQ(middle.stride(0), 6);
  EXPECT_EQ(middle(3, 1), 21);
  EXPECT_FALSE(middle.isDense());
  EXPECT_TRUE(FloatView(numbers.data(), {4, 6}).slice(0, 1, 2).isDense());
}
