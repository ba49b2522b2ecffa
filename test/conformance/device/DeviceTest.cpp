//===- DeviceTest.cpp - What every device must do -------------------------===//

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"

#include "runtime/abi/DecayPackage.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace decay::runtime;

namespace {
class DeviceTest : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    for (int64_t workers : {1, 2, 5}) {
      auto created = createDevice(GetParam(), {.workers = workers});
      if (!created.ok())
        GTEST_SKIP() << created.status().message();
      devices.push_back(std::move(*created));
    }
  }
  std::vector<std::unique_ptr<Device>> devices;
};

std::vector<float> draw(int64_t count, uint64_t stream) {
  Philox random(1, stream);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<float>(random.normal(i));
  return numbers;
}

/// Numbers in a device's memory.
class DeviceArray {
public:
  DeviceArray(Device &device, const std::vector<float> &numbers)
      : device(device), count(numbers.size()),
        memory(device.allocate(bytes())) {
    EXPECT_TRUE(device.upload(memory, numbers.data(), bytes()).ok());
  }
  DeviceArray(const DeviceArray &) = delete;
  ~DeviceArray() { device.release(memory); }

  float *data() { return static_cast<float *>(memory); }
  std::vector<float> read() {
    std::vector<float> numbers(count);
    EXPECT_TRUE(device.download(numbers.data(), memory, bytes()).ok());
    return numbers;
  }

private:
  size_t bytes() const { return count * sizeof(float); }
  Device &device;
  size_t count;
  void *memory;
};

/// Matrices of one product, with leading dimensions wider than the rows.
struct Problem {
  MatrixProduct product;
  std::vector<float> a, b, c;

  Problem(int64_t M, int64_t N, int64_t K, bool transposeA, bool transposeB,
          float alpha, float beta) {
    int64_t lda = (transposeA ? M : K) + 3, ldb = (transposeB ? K : N) + 1;
    int64_t ldc = N + 2;
    a = draw((transposeA ? K : M) * lda, 1);
    b = draw((transposeB ? N : K) * ldb, 2);
    c = draw(M * ldc, 3);
    product = {transposeA, transposeB, M,  N,   K,  alpha, beta,
               {},         lda,        {}, ldb, {}, ldc,   {}};
  }

  std::vector<float> run(Device &device) const {
    DeviceArray left(device, a), right(device, b), result(device, c);
    MatrixProduct call = product;
    call.a = left.data(), call.b = right.data(), call.c = result.data();
    device.multiply(call);
    return result.read();
  }

  static double number(const std::vector<float> &numbers, int64_t index) {
    return numbers[static_cast<size_t>(index)];
  }

  /// The worst error as a multiple of 2^-24 times the sum of absolute terms.
  double worst(const std::vector<float> &result) const {
    const MatrixProduct &p = product;
    double worst = 0;
    for (int64_t i = 0; i < p.M; ++i)
      for (int64_t j = 0; j < p.ldc; ++j) {
        size_t at = static_cast<size_t>(i * p.ldc + j);
        if (j >= p.N) {
          worst = result[at] == c[at] ? worst : INFINITY;
          continue;
        }
        double sum = 0, absolute = 0;
        for (int64_t k = 0; k < p.K; ++k) {
          double left = number(a, p.transposeA ? k * p.lda + i : i * p.lda + k);
          double right =
              number(b, p.transposeB ? j * p.ldb + k : k * p.ldb + j);
          sum += left * right;
          absolute += std::fabs(left * right);
        }
        double exact = p.alpha * sum + p.beta * c[at];
        double scale = std::fabs(p.alpha) * absolute +
                       std::fabs(static_cast<double>(p.beta) * c[at]);
        worst = std::max(worst, std::fabs(result[at] - exact) /
                                    (0x1p-24 * scale + 1e-30));
      }
    return worst;
  }
};
} // namespace

TEST_P(DeviceTest, DescribesItself) {
  EXPECT_EQ(devices[0]->describe().find(GetParam() + ": "), 0u)
      << devices[0]->describe();
  EXPECT_EQ(devices[1]->workers(), 2);
}

TEST_P(DeviceTest, MemoryIsZeroedAndAligned) {
  Device &device = *devices[0];
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{1} << 20}) {
    void *memory = device.allocate(bytes);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    std::vector<unsigned char> read(bytes, 1), ones(bytes, 0xff);
    ASSERT_TRUE(device.download(read.data(), memory, bytes).ok());
    EXPECT_EQ(read, std::vector<unsigned char>(bytes, 0));
    ASSERT_TRUE(device.upload(memory, ones.data(), bytes).ok());
    device.release(memory);
  }
  EXPECT_EQ(device.allocate(SIZE_MAX - 10), nullptr);
  EXPECT_EQ(device.allocate(SIZE_MAX / 4), nullptr);
}

TEST_P(DeviceTest, ParallelForCallsEachIndexOnce) {
  for (auto &device : devices) {
    std::vector<std::atomic<int>> calls(1000);
    std::atomic<bool> wrongWorker{false};
    device->parallelFor(1000, [&](int64_t index, int64_t worker) {
      ++calls[static_cast<size_t>(index)];
      if (worker < 0 || worker >= device->workers())
        wrongWorker = true;
    });
    for (auto &call : calls)
      ASSERT_EQ(call, 1);
    EXPECT_FALSE(wrongWorker);
    device->parallelFor(0, [](int64_t, int64_t) { FAIL(); });
  }
}

TEST_P(DeviceTest, CopiesWithinItsMemory) {
  Device &device = *devices[0];
  std::vector<float> numbers = draw(1000, 4);
  DeviceArray from(device, numbers), to(device, draw(1000, 5));
  ASSERT_TRUE(device.copy(to.data() + 10, from.data(), 990 * 4).ok());
  ASSERT_TRUE(device.synchronise().ok());
  std::vector<float> read = to.read();
  EXPECT_TRUE(std::equal(read.begin() + 10, read.end(), numbers.begin()));
}

TEST_P(DeviceTest, StreamRunsTasksOfAPackage) {
  if (!devices[0]->isHostMemory())
    GTEST_SKIP() << "packages launch on the device's own stream";
  for (auto &device : devices) {
    auto *runner = static_cast<DecayTaskRunner *>(device->stream());
    ASSERT_EQ(runner->workers, device->workers());
    std::vector<int> calls(100);
    runner->run(
        runner->context, 100,
        [](void *closure, int64_t index, int64_t) {
          ++static_cast<int *>(closure)[index];
        },
        calls.data());
    EXPECT_EQ(calls, std::vector<int>(100, 1));
  }
}

TEST_P(DeviceTest, ProductsAreRight) {
  constexpr int64_t shapes[][3] = {{1, 1, 1},     {1, 300, 64},  {300, 1, 64},
                                   {17, 33, 65},  {64, 64, 64},  {130, 70, 257},
                                   {257, 513, 5}, {300, 520, 96}};
  for (auto [M, N, K] : shapes)
    for (bool transposeA : {false, true})
      for (bool transposeB : {false, true})
        for (float beta : {0.0f, 1.0f}) {
          Problem problem(M, N, K, transposeA, transposeB, 1, beta);
          double worst = problem.worst(problem.run(*devices[1]));
          ASSERT_LE(worst, 16) << M << " x " << N << " x " << K << " "
                               << transposeA << transposeB << " " << beta;
        }
  Problem scaled(40, 50, 60, false, true, -0.5f, 2);
  EXPECT_LE(scaled.worst(scaled.run(*devices[1])), 16);
}

TEST_P(DeviceTest, ProductsAreAddedToAnotherArray) {
  for (auto [M, N, K] : {std::array<int64_t, 3>{1, 33, 64}, {300, 520, 96}}) {
    Problem problem(M, N, K, false, true, 1, 1);
    DeviceArray source(*devices[1], problem.c);
    problem.product.source = source.data();
    std::vector<float> expected = problem.c;
    for (int64_t at = 0; at < M * problem.product.ldc; ++at)
      if (at % problem.product.ldc < N)
        problem.c[static_cast<size_t>(at)] = NAN;
    std::vector<float> result = problem.run(*devices[1]);
    problem.c = std::move(expected);
    EXPECT_LE(problem.worst(result), 16) << M << " x " << N << " x " << K;
    EXPECT_EQ(source.read(), problem.c);
  }
}

TEST_P(DeviceTest, ZeroBetaNeverReadsTheResult) {
  Problem problem(70, 90, 33, false, false, 1, 0);
  std::fill(problem.c.begin(), problem.c.end(), NAN);
  std::vector<float> result = problem.run(*devices[1]);
  for (int64_t i = 0; i < 70; ++i)
    for (int64_t j = 0; j < 90; ++j)
      ASSERT_FALSE(
          std::isnan(result[static_cast<size_t>(i * problem.product.ldc + j)]));
}

TEST_P(DeviceTest, SameBitsForAnyNumberOfWorkersAndEveryCall) {
  constexpr int64_t shapes[][3] = {
      {7, 9, 11}, {128, 128, 128}, {512, 384, 128}, {384, 1000, 300}};
  for (auto [M, N, K] : shapes)
    for (int transposes = 0; transposes < 4; ++transposes) {
      Problem problem(M, N, K, transposes & 1, transposes & 2, 1, 1);
      std::vector<float> first = problem.run(*devices[0]);
      for (auto &device : devices)
        for (int repeat = 0; repeat < 3; ++repeat) {
          std::vector<float> again = problem.run(*device);
          ASSERT_EQ(std::memcmp(first.data(), again.data(),
                                first.size() * sizeof(float)),
                    0)
              << M << " x " << N << " x " << K << " " << transposes;
        }
    }
}

TEST_P(DeviceTest, ProductsInSeveralThreadsAtOnce) {
  if (!devices[0]->isHostMemory())
    GTEST_SKIP() << "its context belongs to one thread";
  Problem problem(200, 150, 120, false, true, 1, 0);
  std::vector<float> expected = problem.run(*devices[0]);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (size_t caller = 0; caller < 6; ++caller)
    threads.emplace_back([&, caller] {
      for (int repeat = 0; repeat < 60; ++repeat)
        if (problem.run(*devices[caller % 3]) != expected)
          ++wrong;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(DeviceTest, ProductsInsideATask) {
  if (!devices[0]->isHostMemory())
    GTEST_SKIP() << "its context belongs to one thread";
  Problem problem(300, 300, 60, true, false, 1, 0);
  std::vector<float> expected = problem.run(*devices[0]);
  std::atomic<int> wrong{0};
  devices[2]->parallelFor(8, [&](int64_t, int64_t) {
    if (problem.run(*devices[2]) != expected)
      ++wrong;
  });
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(All, DeviceTest, testing::ValuesIn(deviceNames()));

TEST(Devices, UnknownNameAndImpossibleWorkers) {
  auto unknown = createDevice("abacus");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().code(), StatusCode::User);
  EXPECT_NE(unknown.status().message().find("this build has: "),
            std::string::npos);
  EXPECT_FALSE(createDevice("", {.workers = -1}).ok());
  EXPECT_FALSE(createDevice("", {.workers = 1 << 20}).ok());
}
