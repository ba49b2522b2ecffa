//===- ArenaTest.cpp ------------------------------------------------------===//

#include "runtime/core/Arena.h"

#include "runtime/device/Devices.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
/// A machine that never has memory left.
class EmptyDevice : public Device {
public:
  std::string describe() const override { return "empty"; }
  int64_t workers() const override { return 1; }
  std::string_view target() const override { return "none"; }
  void *allocate(size_t) override { return nullptr; }
  void release(void *) override {}
  void parallelFor(int64_t,
                   const std::function<void(int64_t, int64_t)> &) override {}
  void multiply(const MatrixProduct &) override {}
  void *stream() override { return nullptr; }
};
} // namespace

TEST(Arena, RegionsAreSeparateZeroedAndAligned) {
  auto device = createDevice("");
  ASSERT_TRUE(device.ok()) << device.status().message();
  Arena arena;
  auto a = arena.planFloats("weights", "a", 3);
  auto b = arena.planFloats("weights", "b", 100);
  auto s = arena.planScratch("s", 10);
  auto t = arena.planScratch("t", 1000);
  EXPECT_EQ(arena.bytes(), 64u + 448u + 1024u);
  ASSERT_TRUE(arena.allocate(**device).ok());
  EXPECT_GE(arena.floats(b) - arena.floats(a), 3);
  EXPECT_EQ(arena.data(s), arena.data(t));
  EXPECT_GE(arena.floats(s) - arena.floats(b), 100);
  for (auto region : {a, b, s})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data(region)) % 64, 0u);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(arena.floats(b)[i], 0);
}

TEST(Arena, ReportsGroupsAndTotal) {
  Arena arena;
  arena.planFloats("weights", "w", 256);
  arena.planFloats("optimizer", "m", 512);
  arena.planFloats("weights", "v", 256);
  EXPECT_EQ(arena.report(), "  weights              2.0 KiB\n"
                            "  optimizer            2.0 KiB\n"
                            "  total                4.0 KiB\n");
}

TEST(Arena, SaysWhatWasTooMuch) {
  EmptyDevice device;
  Arena arena;
  arena.planFloats("weights", "w", 16);
  arena.planFloats("activations", "x", 1 << 20);
  Status status = arena.allocate(device);
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_NE(status.message().find("4.0 MiB asked for"), std::string::npos);
  EXPECT_NE(status.message().find("'activations' takes 4.0 MiB"),
            std::string::npos);
}
