//===- MemoryPlanTest.cpp -------------------------------------------------===//

#include "runtime/train/MemoryPlan.h"

#include "runtime/device/Devices.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
/// A machine with 10 KiB, of which 2 are in use.
class SmallDevice : public Device {
public:
  std::string describe() const override { return "small"; }
  int64_t workers() const override { return 1; }
  std::string_view target() const override { return "none"; }
  size_t freeBytes() const override { return 8192; }
  size_t usedBytes() const override { return 2048; }
  void *allocate(size_t) override { return nullptr; }
  void release(void *) override {}
  void parallelFor(int64_t,
                   const std::function<void(int64_t, int64_t)> &) override {}
  void multiply(const MatrixProduct &) override {}
  void *stream() override { return nullptr; }
};

void planSome(MemoryPlan &plan, int64_t activations) {
  Arena arena;
  arena.planFloats("weights", "w", 256);
  arena.planFloats("activations", "x", activations);
  plan.add(arena);
}
} // namespace

TEST(MemoryPlan, SaysWhatTakesHowMuchAndWhatChangesIt) {
  SmallDevice device;
  MemoryPlan plan(device);
  planSome(plan, 512);
  EXPECT_EQ(plan.bytes(), 3072u);
  EXPECT_EQ(plan.expectedBytes(), 5120u);
  EXPECT_EQ(plan.report(),
            "  weights              1.0 KiB  model.hidden_size, "
            "model.num_hidden_layers\n"
            "  activations          2.0 KiB  training.batch_size, "
            "training.seq_len, activation_checkpoint.mode\n"
            "  total                3.0 KiB  of 8.0 KiB free; 2.0 KiB are in "
            "use before\n");
  EXPECT_TRUE(plan.check().ok());
}

TEST(MemoryPlan, RefusesMoreThanIsFree) {
  SmallDevice device;
  MemoryPlan plan(device);
  planSome(plan, 1 << 16);
  Status status = plan.check();
  EXPECT_EQ(status.code(), StatusCode::World);
  for (const char *text :
       {"needs 257.0 KiB of memory (263168 bytes)",
        "8.0 KiB (8192 bytes) are "
        "free",
        "activations take 256.0 KiB", "training.batch_size smaller",
        "activation_checkpoint.mode = \"full\""})
    EXPECT_NE(status.message().find(text), std::string::npos)
        << text << " in " << status.message();
}

TEST(MemoryPlan, ComparesWithWhatIsInUse) {
  EXPECT_EQ(memoryVerdict(1050, 1000), "1.0 KiB in use after the first step, "
                                       "1000 B expected (5.0 % more)");
  EXPECT_EQ(memoryVerdict(0, 1000), "");
}

TEST(MemoryPlan, TheDefaultDeviceSaysWhatItHas) {
  auto device = createDevice("");
  ASSERT_TRUE(device.ok());
  const size_t before = (*device)->usedBytes(), bytes = size_t{64} << 20;
  ASSERT_GT(before, 0u);
  void *memory = (*device)->allocate(bytes);
  ASSERT_NE(memory, nullptr);
  EXPECT_NEAR(double((*device)->usedBytes() - before), double(bytes),
              0.05 * double(bytes));
  EXPECT_GT((*device)->freeBytes(), 0u);
  (*device)->release(memory);
}
