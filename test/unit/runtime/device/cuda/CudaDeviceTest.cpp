//===- CudaDeviceTest.cpp - The GPU device, with a driver that pretends ---===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/kernels/KernelLibrary.h"
#include "test/support/gpu/FakeDriver.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
std::unique_ptr<CudaDevice> makeDevice() {
  auto device = CudaDevice::create();
  EXPECT_TRUE(device.ok()) << device.status().message();
  return std::move(*device);
}
} // namespace

TEST(CudaDevice, SaysWhatItIs) {
  auto device = makeDevice();
  EXPECT_EQ(device->describe(),
            "cuda: fake GPU, -1 multiprocessors of compute capability 9.0, "
            "16.0 MiB, driver for CUDA 13.0");
  EXPECT_EQ(device->target(), "cuda");
  EXPECT_EQ(device->card(), "fake GPU");
  EXPECT_EQ(device->cacheBytes(), 1 << 16);
  EXPECT_FALSE(device->driverVersion().empty());
  auto missing = CudaDevice::create(1);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().message(), "there is no GPU 1, expected 0 to 0");
}

TEST(CudaDevice, PeakIsThatOfTheCard) {
  EXPECT_EQ(peakTeraflopsOf("NVIDIA H100 80GB HBM3"), 989);
  EXPECT_EQ(peakTeraflopsOf("NVIDIA H100 PCIe"), 756);
  EXPECT_EQ(peakTeraflopsOf("NVIDIA H200"), 989);
  EXPECT_EQ(peakTeraflopsOf("fake GPU"), 0);
  EXPECT_EQ(makeDevice()->peakTeraflops(), 0);
}

TEST(CudaDevice, GivesBackWhatItTakes) {
  {
    auto device = makeDevice();
  }
  EXPECT_EQ(fake_driver.contexts, 0);
  EXPECT_EQ(fake_driver.streams, 0);
  EXPECT_EQ(fake_driver.events, 0);
}

TEST(CudaDevice, MemoryIsZeroedAndCopied) {
  auto device = makeDevice();
  char numbers[100], read[100];
  memset(numbers, 7, sizeof numbers);
  void *memory = device->allocate(100);
  ASSERT_NE(memory, nullptr);
  ASSERT_TRUE(device->upload(memory, numbers, 100).ok());
  void *second = device->allocate(100);
  ASSERT_NE(second, nullptr);
  ASSERT_TRUE(device->copy(second, memory, 100).ok());
  ASSERT_TRUE(device->download(read, second, 100).ok());
  EXPECT_EQ(memcmp(numbers, read, 100), 0);
  EXPECT_EQ(device->allocate(size_t(1) << 40), nullptr);
}

TEST(CudaDevice, SaysWhatIsFreeAndInUse) {
  auto device = makeDevice();
  const size_t free = device->freeBytes(), used = device->usedBytes();
  EXPECT_EQ(free + used, sizeof fake_device_memory);
  void *memory = device->allocate(size_t{1} << 20);
  EXPECT_EQ(device->usedBytes(), used + (size_t{1} << 20));
  EXPECT_EQ(device->freeBytes(), free - (size_t{1} << 20));
  device->release(memory);
}

TEST(CudaDevice, RepeatsWorkAsAGraph) {
  auto device = makeDevice();
  int calls = 0;
  auto work = [&] {
    ++calls;
    return Status();
  };
  fake_driver.captures = fake_driver.graph_launches = 0;
  {
    std::unique_ptr<Recording> recording;
    for (int i = 0; i < 5; ++i)
      ASSERT_TRUE(device->repeat(recording, work).ok());
    EXPECT_EQ(calls, 2) << "once to load code, once to record it";
    EXPECT_EQ(fake_driver.captures, 1);
    EXPECT_EQ(fake_driver.graph_launches, 4);
    EXPECT_EQ(fake_driver.graphs, 1);
  }
  EXPECT_EQ(fake_driver.graphs, 0);

  std::unique_ptr<Recording> broken;
  auto fail = [] { return Status::world("no"); };
  EXPECT_EQ(device->repeat(broken, fail).message(), "no");
  EXPECT_EQ(device->repeat(broken, fail).message(), "no");
}

TEST(CudaDevice, TellsKindsOfWorkApart) {
  auto device = makeDevice();
  std::unique_ptr<Recording> recording;
  int calls = 0;
  auto times = device->timeParts([&] {
    device->announce(WorkKind::Products);
    device->announce(WorkKind::Products);
    device->announce(WorkKind::Norms);
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(device
                      ->repeat(recording,
                               [&] {
                                 ++calls;
                                 device->announce(WorkKind::Products);
                                 return Status();
                               })
                      .ok());
    return Status();
  });
  ASSERT_TRUE(times.ok() && times->has_value());
  EXPECT_EQ(calls, 3) << "nothing is a graph while parts are timed";
  // The driver says 1.5 ms between any two events.
  auto of = [&](WorkKind kind) { return (**times)[static_cast<size_t>(kind)]; };
  EXPECT_NEAR(of(WorkKind::Products), 3e-3, 1e-9);
  EXPECT_NEAR(of(WorkKind::Norms), 1.5e-3, 1e-9);
  EXPECT_EQ(of(WorkKind::Loss), 0);
  EXPECT_EQ(fake_driver.events, 0);
}

TEST(CudaDevice, WorksWithoutAGraphWhereThereIsNone) {
  auto device = makeDevice();
  int calls = 0;
  auto work = [&] {
    ++calls;
    return Status();
  };
  fake_driver.graph_launches = 0;
  fake_driver.capture_result = 900;
  std::unique_ptr<Recording> refused, single;
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(device->repeat(refused, work).ok());
  fake_driver.capture_result = 0;
  EXPECT_EQ(calls, 3);
  device->setActivationType(NumberType::F32);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(device->repeat(single, work).ok());
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(fake_driver.graph_launches, 0);
}

TEST(Cublas, IsLookedForFromTheUsersFoldersOutwards) {
  std::vector<std::string> places = cublasPlaces("/a::/b/");
  EXPECT_EQ(places[0], "/a/libcublasLt.so.13");
  EXPECT_EQ(places[1], "/a/libcublasLt.so.12");
  auto has = [&](const char *place) {
    return std::ranges::count(places, place) == 1;
  };
  EXPECT_TRUE(has("/a/nvidia/cublas/lib/libcublasLt.so.12"));
  EXPECT_TRUE(has("/b/nvidia/cu13/lib/libcublasLt.so.13"));
  auto last = std::ranges::find(places, "libcublasLt.so.13");
  ASSERT_NE(last, places.end());
  EXPECT_TRUE(std::all_of(places.begin(), last, [](const std::string &place) {
    return place.starts_with("/a/") || place.starts_with("/b/");
  }));
}

TEST(Cublas, SaysWhatIsMissingAndHowToGiveIt) {
  auto opened = openCublas();
  if (opened.ok())
    GTEST_SKIP() << (*opened)->path;
  EXPECT_EQ(opened.status().code(), StatusCode::World);
  for (const char *word :
       {"libcublasLt.so.13", "libcublas.so.12", "DECAY_CUBLAS"})
    EXPECT_NE(opened.status().message().find(word), std::string::npos) << word;
}

TEST(CudaDevice, WorksOnSeveralThreads) {
  auto device = std::move(*CudaDevice::create(0, 3));
  EXPECT_EQ(device->workers(), 3);
  std::vector<std::atomic<int>> calls(100);
  device->parallelFor(100, [&](int64_t index, int64_t worker) {
    EXPECT_LT(worker, 3);
    ++calls[static_cast<size_t>(index)];
  });
  for (std::atomic<int> &count : calls)
    EXPECT_EQ(count, 1);
}

TEST(CudaDevice, FailuresAreInTheDriversWords) {
  auto device = makeDevice();
  fake_driver.wait_result = 700;
  Status status = device->synchronise();
  fake_driver.wait_result = 0;
  EXPECT_EQ(status.message(), "a launch before this failed: what the fake "
                              "driver says (error 700)");
  auto times =
      device->timeEach(3, [](int64_t) { return Status::user("not begun"); });
  EXPECT_FALSE(times.ok());
  EXPECT_EQ(fake_driver.events, 0);
  std::vector<int64_t> called;
  times = device->timeEach(3, [&](int64_t index) {
    called.push_back(index);
    return Status();
  });
  ASSERT_TRUE(times.ok());
  EXPECT_EQ(*times, std::vector<float>(3, 1.5f));
  EXPECT_EQ(called, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(fake_driver.events, 0);
}

namespace {
/// simple_decay's forward on the GPU, sizes B 1, T 3, H 2, K and V 64.
class GpuKernel : public testing::Test {
protected:
  void SetUp() override {
    auto loaded = KernelLibrary::load(TEST_PACKAGE);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    library = std::make_unique<KernelLibrary>(std::move(*loaded));
    dims.B = 1, dims.T = 3, dims.H = 2, dims.K = dims.V = 64, dims.layers = 1;
    for (const KernelOperandInfo &info : library->operands(KernelRole::Forward))
      if (!info.optional) {
        KernelOperand &operand = operands.emplace_back();
        operand.name = info.name;
        operand.type = info.type;
        operand.elements = info.shape.elements(dims, 1);
        operand.data = device->allocate(size_t(operand.elements) *
                                        (info.type == DECAY_BF16 ? 2 : 4));
      }
    fake_driver.launch_count = 0;
  }
  Status launch() {
    return library->launch(KernelRole::Forward, operands, dims, workspace,
                           *device);
  }

  std::unique_ptr<CudaDevice> device = makeDevice();
  std::unique_ptr<KernelLibrary> library;
  std::vector<KernelOperand> operands;
  DecayDims dims = {};
  KernelWorkspace workspace{*device};
};

class OtherDevice final : public Device {
public:
  std::string describe() const override { return "other"; }
  int64_t workers() const override { return 1; }
  std::string_view target() const override { return "other"; }
  void *allocate(size_t) override { return nullptr; }
  void release(void *) override {}
  void parallelFor(int64_t,
                   const std::function<void(int64_t, int64_t)> &) override {}
  void multiply(const MatrixProduct &) override {}
  void *stream() override { return nullptr; }
};
} // namespace

TEST_F(GpuKernel, RunsOnTheDevicesStream) {
  EXPECT_EQ(library->memory(), DECAY_DEVICE_MEMORY);
  Status status = launch();
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_GE(fake_driver.launch_count, 1);
  EXPECT_EQ(fake_driver.launches[0].stream, device->stream());
  EXPECT_TRUE(library->readFault(KernelRole::Forward, workspace, *device).ok());
}

TEST_F(GpuKernel, FaultsAreReadLater) {
  ASSERT_TRUE(launch().ok());
  int32_t code = DECAY_LAMBDA_OUT_OF_RANGE;
  double value = 1.5;
  char slot[64] = {};
  memcpy(slot + 4, &code, sizeof code);
  memcpy(slot + 40, &value, sizeof value);
  ASSERT_TRUE(device->upload(workspace.data(), slot, sizeof slot).ok());
  Status status = library->readFault(KernelRole::Forward, workspace, *device);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("λ is 1.5 at sequence 0, token 0"),
            std::string::npos)
      << status.message();
  EXPECT_TRUE(library->readFault(KernelRole::Forward, workspace, *device).ok());
}

TEST_F(GpuKernel, RefusesWhatDoesNotFit) {
  operands[0].type = DECAY_F32;
  EXPECT_NE(launch().message().find("'q' holds fp32, expected bf16"),
            std::string::npos);
  operands[0].type = DECAY_BF16;
  operands[0].rowStride = 132;
  EXPECT_NE(launch().message().find("'q' has 384 elements"), std::string::npos)
      << launch().message();
  dims.K = 48;
  operands[0].rowStride = 0;
  EXPECT_NE(launch().message().find("no kernel for head dims K = 48"),
            std::string::npos)
      << launch().message();
  dims.K = 64;
  OtherDevice other;
  Status status =
      library->launch(KernelRole::Forward, operands, dims, workspace, other);
  EXPECT_NE(status.message().find("compiled for the target 'cuda', but the "
                                  "device runs those for 'other'"),
            std::string::npos)
      << status.message();
}
