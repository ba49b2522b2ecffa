#include "runtime/communication/Communicator.h"
#include "Together.h"
#include "runtime/device/Devices.h"

using namespace decay::runtime;

namespace {
/// Numbers whose sum depends on its order.
float valueOf(int64_t rank, int64_t index) {
  constexpr float values[] = {1e8f, 1.0f, -1e8f, 3e-3f};
  return values[(rank + index) % 4] + static_cast<float>(index) * 1e-3f;
}

class Loopback : public testing::TestWithParam<int64_t> {};
} // namespace

TEST_P(Loopback, AddsInTheOrderOfRanks) {
  const int64_t size = GetParam();
  together(size, [size](Peers &peers) {
    auto device = createDevice("", {.workers = 1});
    ASSERT_TRUE(device.ok());
    auto loopback = createLoopback(**device, peers);
    for (int64_t part : {1, 16, 5000}) {
      std::vector<float> data;
      for (int64_t i = 0; i < part * size; ++i)
        data.push_back(valueOf(peers.rank(), i));
      ASSERT_TRUE(
          loopback
              ->reduceScatter(data.data(), static_cast<int64_t>(data.size()))
              .ok());
      ASSERT_TRUE(loopback->join().ok());
      for (int64_t i = peers.rank() * part; i < (peers.rank() + 1) * part;
           ++i) {
        float sum = valueOf(0, i);
        for (int64_t rank = 1; rank < size; ++rank)
          sum += valueOf(rank, i);
        EXPECT_EQ(data[static_cast<size_t>(i)], sum);
      }
    }
    peers.leave({});
  });
}

TEST_P(Loopback, GathersEveryRanksPart) {
  const int64_t size = GetParam();
  together(size, [size](Peers &peers) {
    auto device = createDevice("", {.workers = 1});
    ASSERT_TRUE(device.ok());
    auto loopback = createLoopback(**device, peers);
    for (int64_t part : {1, 16, 5000}) {
      std::vector<float> data(static_cast<size_t>(part * size), -1);
      for (int64_t i = peers.rank() * part; i < (peers.rank() + 1) * part; ++i)
        data[static_cast<size_t>(i)] = static_cast<float>(i);
      ASSERT_TRUE(
          loopback->allGather(data.data(), static_cast<int64_t>(data.size()))
              .ok());
      ASSERT_TRUE(loopback->joinFirst(1).ok());
      for (size_t i = 0; i < data.size(); ++i)
        EXPECT_EQ(data[i], static_cast<float>(i));
    }
    peers.leave({});
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, Loopback, testing::Values(1, 2, 3, 5));

TEST(Communicator, ALostRankIsAnError) {
  together(2, [](Peers &peers) {
    if (peers.rank() == 1)
      return;
    auto device = createDevice("", {.workers = 1});
    ASSERT_TRUE(device.ok());
    auto loopback = createLoopback(**device, peers);
    float data[2] = {1, 2};
    Status status = loopback->reduceScatter(data, 2);
    EXPECT_EQ(status.code(), StatusCode::World);
    EXPECT_NE(status.message().find("rank 1 (process "), std::string::npos)
        << status.message();
  });
}

TEST(Communicator, Names) {
  together(2, [](Peers &peers) {
    auto device = createDevice("", {.workers = 1});
    ASSERT_TRUE(device.ok());
    std::string name = deviceNames().front();
    for (const char *known : {"", "loopback"}) {
      auto made = createCommunicator(known, name, **device, peers);
      ASSERT_TRUE(made.ok());
      EXPECT_EQ((*made)->describe(), "loopback: 2 ranks");
    }
    auto other = createCommunicator("nccl", name, **device, peers);
    EXPECT_EQ(other.status().code(), StatusCode::User);
    auto unknown = createCommunicator("mpi", name, **device, peers);
    EXPECT_NE(unknown.status().message().find("expected one of loopback, nccl"),
              std::string::npos);
  });
}
