//===- TensorShapeTest.cpp - The axes of an operand -----------------------===//

#include "runtime/kernels/TensorShape.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

static TensorShape shapeOf(const char *text) {
  Result<TensorShape> shape = TensorShape::parse(text);
  EXPECT_TRUE(shape.ok()) << text;
  return *shape;
}

static DecayDims someDims() {
  DecayDims dims = {};
  dims.B = 2, dims.T = 5, dims.H = 3, dims.K = 4, dims.V = 7, dims.layers = 6;
  return dims;
}

TEST(TensorShape, ExtentsFollowTheAxes) {
  EXPECT_EQ(shapeOf("B T H K").extents(someDims(), 1),
            (std::vector<int64_t>{2, 5, 3, 4}));
  EXPECT_EQ(shapeOf("N H W V").extents(someDims(), 2),
            (std::vector<int64_t>{2, 3, 8, 7}));
  EXPECT_EQ(shapeOf("L H K").elements(someDims(), 1), 72);
  EXPECT_EQ(shapeOf("").elements(someDims(), 1), 1);
}

TEST(TensorShape, SequencesArePackedOrTheBatch) {
  DecayDims dims = someDims();
  EXPECT_EQ(shapeOf("N").elements(dims, 1), 2);
  dims.sequences = 4;
  EXPECT_EQ(shapeOf("N").elements(dims, 1), 4);
}

TEST(TensorShape, EachSequenceHasSlotsForItsChunks) {
  DecayDims dims = someDims();
  EXPECT_EQ(shapeOf("S H").elements(dims, 1), 2 * 3);
  dims.T = 130;
  EXPECT_EQ(shapeOf("S").elements(dims, 1), 2 * 130 / 64 + 2);
  dims.B = 1, dims.sequences = 50;
  EXPECT_EQ(shapeOf("S").elements(dims, 1), 130 / 64 + 50);
}

TEST(TensorShape, RowsAreWhatFollowsTime) {
  EXPECT_EQ(shapeOf("B T H V").rowElements(someDims(), 1), 21);
  EXPECT_EQ(shapeOf("B T H").rowElements(someDims(), 1), 3);
  EXPECT_EQ(shapeOf("B T").rowElements(someDims(), 1), 1);
}

TEST(TensorShape, SpanReachesToTheLastElement) {
  EXPECT_EQ(shapeOf("B T H K").span(someDims(), 1, 0), 120);
  EXPECT_EQ(shapeOf("B T H K").span(someDims(), 1, 20), 9 * 20 + 12);
  EXPECT_EQ(shapeOf("H K").span(someDims(), 1, 20), 12);
}

TEST(TensorShape, RefusesWhatIsNoListOfAxes) {
  for (const char *text :
       {"B T H Q", "BT", "B  T", "B ", " B", "B T B", "b", "B,T"}) {
    Result<TensorShape> shape = TensorShape::parse(text);
    ASSERT_FALSE(shape.ok()) << text;
    EXPECT_NE(
        shape.status().message().find(std::string("the shape '") + text + "'"),
        std::string::npos);
  }
}
