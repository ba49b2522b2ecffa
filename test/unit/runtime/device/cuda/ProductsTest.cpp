//===- ProductsTest.cpp - cuBLASLt's calls, on a library that pretends ----===//
//
// The library's functions on the processor, column-major as the real one's: a
// product in wrong order, layout or place comes out wrong.
//
//===----------------------------------------------------------------------===//

#include "runtime/device/cuda/Products.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <vector>

using namespace decay::runtime;

namespace {
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct Product {
  bool transposes[2] = {};
};
using Preference = std::map<int, std::vector<unsigned char>>;

/// What the library was asked, and what it shall answer.
struct Library {
  int live = 0, asked = 0, ways = 1, failure = 0;
  std::vector<Preference> preferences;
  const void *lastSource = nullptr;
};
Library library;

template <class T, class... Arguments> int make(void **made, Arguments... a) {
  ++library.live;
  *made = new T{a...};
  return 0;
}
template <class T> int destroy(void *made) {
  --library.live;
  delete static_cast<T *>(made);
  return 0;
}

int setProduct(void *product, int attribute, const void *value, size_t) {
  constexpr int transposeOfA = 3;
  static_cast<Product *>(product)->transposes[attribute - transposeOfA] =
      *static_cast<const int32_t *>(value) == 1;
  return 0;
}

int setPreference(void *preference, int attribute, const void *value,
                  size_t bytes) {
  const auto *first = static_cast<const unsigned char *>(value);
  (*static_cast<Preference *>(preference))[attribute] = {first, first + bytes};
  return 0;
}

int heuristic(void *, void *, void *, void *, void *, void *, void *preference,
              int wanted, CublasHeuristic *found, int *count) {
  EXPECT_EQ(wanted, 1);
  ++library.asked;
  library.preferences.push_back(*static_cast<Preference *>(preference));
  *found = {};
  *count = library.ways;
  return 0;
}

int multiply(void *, void *product, const void *alpha, const void *a,
             void *layoutA, const void *b, void *layoutB, const void *beta,
             const void *c, void *layoutC, void *d, void *layoutD,
             const CublasAlgorithm *, void *, size_t, void *) {
  library.lastSource = c;
  const auto &of = *static_cast<Product *>(product);
  const auto &A = *static_cast<Layout *>(layoutA);
  const auto &B = *static_cast<Layout *>(layoutB);
  const auto &D = *static_cast<Layout *>(layoutD);
  EXPECT_EQ(layoutC, layoutD);
  if (library.failure || D.type != 0)
    return library.failure;
  auto at = [](const void *array, const Layout &layout, uint64_t row,
               uint64_t column) -> const float & {
    EXPECT_LT(row, layout.rows);
    EXPECT_LT(column, layout.columns);
    return static_cast<const float *>(
        array)[row + column * static_cast<uint64_t>(layout.leading)];
  };
  const uint64_t depth = of.transposes[0] ? A.rows : A.columns;
  for (uint64_t i = 0; i < D.rows; ++i)
    for (uint64_t j = 0; j < D.columns; ++j) {
      float sum = 0;
      for (uint64_t k = 0; k < depth; ++k)
        sum += (of.transposes[0] ? at(a, A, k, i) : at(a, A, i, k)) *
               (of.transposes[1] ? at(b, B, j, k) : at(b, B, k, j));
      sum *= *static_cast<const float *>(alpha);
      if (float factor = *static_cast<const float *>(beta); factor != 0)
        sum += factor * at(c, D, i, j);
      const_cast<float &>(at(d, D, i, j)) = sum;
    }
  return 0;
}

const Cublas functions = {
    [](void **handle) { return make<int>(handle, 0); },
    destroy<int>,
    [](void **product, int compute, int scale) {
      EXPECT_EQ(compute, 68);
      EXPECT_EQ(scale, 0);
      return make<Product>(product);
    },
    destroy<Product>,
    setProduct,
    [](void **layout, int type, uint64_t rows, uint64_t columns,
       int64_t leading) {
      return make<Layout>(layout, type, rows, columns, leading);
    },
    destroy<Layout>,
    [](void **preference) { return make<Preference>(preference); },
    destroy<Preference>,
    setPreference,
    heuristic,
    multiply,
    [](int) { return "it does not want to"; },
    "pretended"};

class ProductsTest : public testing::Test {
protected:
  void SetUp() override {
    library = {};
    auto made = Products::create(functions, nullptr, nullptr, 1 << 20);
    ASSERT_TRUE(made.ok());
    products = std::move(*made);
  }
  void TearDown() override {
    products.reset();
    EXPECT_EQ(library.live, 0) << "all that was made is given back";
  }

  /// Rows of a, b, c and the source lie some numbers further apart than they
  /// are long.
  MatrixProduct sized(int64_t M, int64_t N, int64_t K, bool transposeA,
                      bool transposeB) {
    MatrixProduct p;
    p.transposeA = transposeA, p.transposeB = transposeB;
    p.M = M, p.N = N, p.K = K;
    p.lda = (transposeA ? M : K) + 3, p.ldb = (transposeB ? K : N) + 1;
    p.ldc = N + 2;
    auto fill = [&](std::vector<float> &numbers, int64_t count, float step) {
      numbers.resize(static_cast<size_t>(count));
      for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = std::sin(step * static_cast<float>(i));
      return numbers.data();
    };
    p.a = fill(a, (transposeA ? K : M) * p.lda, 0.7f);
    p.b = fill(b, (transposeB ? N : K) * p.ldb, 0.9f);
    p.c = fill(c, M * p.ldc, 1.1f);
    fill(source, M * p.ldc, 1.3f);
    return p;
  }

  std::unique_ptr<Products> products;
  std::vector<float> a, b, c, source;
};
} // namespace

TEST_F(ProductsTest, AreThoseOfRows) {
  for (int transposes = 0; transposes < 4; ++transposes)
    for (int added = 0; added < 3; ++added) {
      const bool transposeA = transposes & 1, transposeB = transposes & 2;
      MatrixProduct p = sized(3, 5, 4, transposeA, transposeB);
      p.alpha = 0.5f, p.beta = added ? 2.0f : 0.0f;
      if (added == 2)
        p.source = source.data();
      const std::vector<float> before = added == 2 ? source : c;
      const std::vector<float> padding = c;
      ASSERT_TRUE(products->multiply(p).ok());
      for (int64_t i = 0; i < p.M; ++i)
        for (int64_t j = 0; j < p.ldc; ++j) {
          auto index = static_cast<size_t>(i * p.ldc + j);
          if (j >= p.N) {
            EXPECT_EQ(c[index], padding[index]);
            continue;
          }
          float sum = p.beta * before[index];
          for (int64_t k = 0; k < p.K; ++k)
            sum += p.alpha *
                   a[static_cast<size_t>(transposeA ? k * p.lda + i
                                                    : i * p.lda + k)] *
                   b[static_cast<size_t>(transposeB ? j * p.ldb + k
                                                    : k * p.ldb + j)];
          EXPECT_NEAR(c[index], sum, 1e-5) << transposes << " " << added;
        }
    }
}

TEST_F(ProductsTest, TheLibraryIsAskedOnceForEachShapeAndAlignment) {
  MatrixProduct p = sized(3, 5, 4, false, true);
  for (int repeat = 0; repeat < 3; ++repeat)
    ASSERT_TRUE(products->multiply(p).ok());
  EXPECT_EQ(library.asked, 1);
  p.beta = 1;
  ASSERT_TRUE(products->multiply(p).ok());
  EXPECT_EQ(library.asked, 2);
  EXPECT_EQ(library.lastSource, p.c.data()) << "added to itself";
  p = sized(3, 5, 4, false, true);
  p.a = p.a + 1;
  ASSERT_TRUE(products->multiply(p).ok());
  EXPECT_EQ(library.asked, 3);
}

TEST_F(ProductsTest, PartsOfBf16ResultsAreSummedInFp32) {
  constexpr int reductions = 3, alignmentOfA = 5;
  MatrixProduct p = sized(3, 5, 4, false, true);
  ASSERT_TRUE(products->multiply(p).ok());
  EXPECT_FALSE(library.preferences.back().contains(reductions));
  // The library's A is ours B; nobody reads the numbers.
  p.a = ConstNumbers(a.data(), NumberType::BF16);
  p.b = ConstNumbers(reinterpret_cast<char *>(b.data()) + 6, NumberType::BF16);
  p.c = Numbers(c.data(), NumberType::BF16);
  ASSERT_TRUE(products->multiply(p).ok());
  const Preference &wished = library.preferences.back();
  EXPECT_EQ(wished.at(reductions), (std::vector<unsigned char>{2, 0, 0, 0}));
  EXPECT_EQ(wished.at(alignmentOfA), (std::vector<unsigned char>{2, 0, 0, 0}));
}

TEST_F(ProductsTest, FailuresNameTheProduct) {
  MatrixProduct p = sized(3, 5, 4, false, false);
  library.ways = 0;
  EXPECT_EQ(products->multiply(p).message(),
            "a matrix product of 3 x 5 x 4: the library knows no way");
  library.ways = 1, library.failure = 7;
  EXPECT_EQ(products->multiply(p).message(),
            "a matrix product of 3 x 5 x 4: cuBLAS: it does not want to "
            "(error 7)");
}
