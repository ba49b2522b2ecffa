//===- StreamBenchTest.cpp - Packages on a device that pretends -----------===//

#include "runtime/bench/BenchCommand.h"
#include "runtime/bench/StreamCall.h"
#include "runtime/device/Devices.h"
#include "test/support/gpu/FakeDriver.h"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <sstream>

using namespace decay::runtime;

namespace {

constexpr const char *gpu = "cuda";

KernelLibrary open(const std::string &design) {
  auto library =
      KernelLibrary::load(std::string(TEST_PACKAGES) + "/" + design + ".so");
  EXPECT_TRUE(library.ok()) << library.status().message();
  return std::move(*library);
}

DecayDims dimsOf(int64_t B, int64_t T, int64_t H, int64_t D) {
  DecayDims dims = {};
  dims.B = B, dims.T = T, dims.H = H, dims.K = dims.V = D;
  dims.layer = 1, dims.layers = 4;
  return dims;
}

/// `bench kernels` with the packages that the build made.
class StreamBench : public testing::Test {
protected:
  StreamBench() { command.attach(app); }
  void SetUp() override { fake_driver.launch_count = 0; }

  Result<std::string> run(const std::string &line) {
    try {
      app.parse(line);
    } catch (const CLI::ParseError &error) {
      return Status::user(error.what());
    }
    return command.run([this](const std::string &design,
                              const BenchCommand::Settings &,
                              const std::string &target) {
      compiled += design + " for " + target + "; ";
      return Result<std::string>(std::string(TEST_PACKAGES) + "/" + design +
                                 ".so");
    });
  }

  CLI::App app;
  BenchCommand command;
  std::string compiled;
};

class MovedBytes : public testing::TestWithParam<const char *> {};

} // namespace

TEST(MovedBytesByHand, AreThoseOfTheTensors) {
  KernelLibrary library = open("simple_decay");
  DecayDims dims = dimsOf(16, 2048, 16, 128);
  // q, k, v, f and o, bf16; delta, fp32, for each head and channel.
  int64_t tensor = 2 * 16 * 2048 * 16 * 128, delta = 4 * 16 * 128;
  EXPECT_EQ(movedBytes(library, BenchDirection::Forward, dims),
            5 * tensor + delta);
  // And q, k, v, f, d_o, the gradients of the first four; delta and its.
  EXPECT_EQ(movedBytes(library, BenchDirection::Training, dims),
            14 * tensor + 3 * delta);
  dims = dimsOf(64, 1, 16, 128);
  int64_t state = int64_t{4} * 64 * 16 * 128 * 128;
  EXPECT_EQ(movedBytes(library, BenchDirection::Step, dims),
            5 * 2 * 64 * 16 * 128 + delta + 2 * state);
}

TEST_P(MovedBytes, FollowTheManifest) {
  KernelLibrary library = open(GetParam());
  const Manifest &manifest = library.manifest();
  DecayDims dims = dimsOf(2, 3, 2, 64);
  int64_t W = manifest.stateWidth, output = 2 * 2 * 3 * 2 * 64;
  int64_t projections = 0, parameters = 0;
  for (const ManifestProjection &projection : manifest.projections)
    projections += 2 * projection.shape.elements(dims, W);
  for (const ManifestParameter &parameter : manifest.parameters)
    parameters += 4 * parameter.shape.elements(dims, W);
  int64_t forward = projections + parameters + output;
  EXPECT_EQ(movedBytes(library, BenchDirection::Forward, dims), forward);
  EXPECT_EQ(movedBytes(library, BenchDirection::Training, dims),
            2 * forward + projections + parameters);
  dims.T = 1;
  int64_t states = 4 * manifest.stateShape.elements(dims, W);
  for (const ManifestCarry &carry : manifest.carries)
    states += 4 * carry.shape.elements(dims, W);
  EXPECT_EQ(movedBytes(library, BenchDirection::Step, dims),
            (projections + output) / 3 + parameters + 2 * states);
}

INSTANTIATE_TEST_SUITE_P(Designs, MovedBytes,
                         testing::Values("simple_decay", "hgrn2", "tnl",
                                         "lightnet"),
                         [](const auto &info) { return info.param; });

TEST(BenchShape, IsFourOrFiveNumbers) {
  auto four = parseBenchShape("16,2048,8,128");
  ASSERT_TRUE(four.ok());
  EXPECT_EQ(four->H, 8);
  EXPECT_EQ(four->K, 128);
  EXPECT_EQ(four->V, 128);
  auto five = parseBenchShape("1,2,3,64,128");
  ASSERT_TRUE(five.ok());
  EXPECT_EQ(five->V, 128);
  for (const char *wrong :
       {"", "1", "1,2,3", "1,2,3,4,5,6", "1,2,3,x", "1,2,3,4,", "1 2 3 4"}) {
    auto shape = parseBenchShape(wrong);
    ASSERT_FALSE(shape.ok()) << wrong;
    EXPECT_EQ(shape.status().code(), StatusCode::User);
    EXPECT_NE(shape.status().message().find("expected B,T,H,D"),
              std::string::npos);
  }
}

TEST(StreamCall, RotatesThroughMoreThanTheCache) {
  auto device = createStreamDevice(gpu);
  ASSERT_TRUE(device.ok());
  KernelLibrary library = open("tnl");
  auto random = RandomTensors::create(**device);
  ASSERT_TRUE(random.ok());
  DecayDims dims = dimsOf(1, 16, 1, 64);
  StreamCall call(library, **device, dims, BenchDirection::Forward);
  ASSERT_TRUE(call.prepare(*random).ok());
  int64_t set = movedBytes(library, BenchDirection::Forward, dims);
  // Between two turns of a set, others as large as the cache pass.
  EXPECT_GT((call.setCount() - 1) * set, fake_driver.cache_bytes);
  fake_driver.launch_count = 0;
  ASSERT_TRUE(call.run(0).ok() && call.run(1).ok());
  auto firstOperand = [](const FakeLaunch &launch) {
    return std::string(launch.parameter, sizeof(void *));
  };
  EXPECT_NE(firstOperand(fake_driver.launches[0]),
            firstOperand(fake_driver.launches[1]));
}

TEST_F(StreamBench, WritesARowForEachFigure) {
  auto text = run("kernels --target cuda --design simple_decay,tnl --shape "
                  "1,3,2,64 1,5,1,64,64 --seconds 0 --json");
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(compiled, "simple_decay for cuda; tnl for cuda; ");
  std::istringstream lines(*text);
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) {
    auto row = parseJson(line, "row");
    ASSERT_TRUE(row.ok()) << line;
    rows.push_back(*row);
  }
  ASSERT_EQ(rows.size(), 12u);
  EXPECT_EQ(rows[0]["design"], "simple_decay");
  EXPECT_EQ(rows[0]["granularity"], "vector");
  EXPECT_EQ(rows[0]["direction"], "forward");
  EXPECT_EQ(rows[3]["direction"], "forward_backward");
  EXPECT_EQ(rows[5]["direction"], "step");
  EXPECT_EQ(rows[5]["shape"], Json::parse("[1, 1, 1, 64, 64]"));
  EXPECT_EQ(rows[0]["shape"], Json::parse("[1, 3, 2, 64, 64]"));
  EXPECT_EQ(rows[0]["card"], "fake GPU");
  EXPECT_EQ(rows[0]["bytes"], 5 * 2 * 3 * 2 * 64 + 4 * 2 * 64);
  // Every event is 1.5 ms after the one before.
  for (const Json &row : rows) {
    for (const char *name : {"ms", "ms_lower", "ms_upper", "alone_ms"})
      EXPECT_EQ(row[name], 1.5) << name;
    for (const char *name : {"driver", "commit", "date", "package"})
      EXPECT_FALSE(row[name].get<std::string>().empty()) << name;
    EXPECT_GE(row["floor_ms"], 0);
    EXPECT_GE(row["first_call_ms"], 0);
    EXPECT_TRUE(row.contains("copy_gb_s"));
  }
}

TEST_F(StreamBench, TimesAFolderOfPackages) {
  auto text = run("kernels --packages " TEST_PACKAGES
                  " --design tnl,hgrn2 --direction forward --shape 1,3,1,48 "
                  "1,3,1,64 --seconds 0");
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(compiled, "");
  EXPECT_NE(text->find("fake GPU, driver"), std::string::npos);
  size_t hgrn2 = text->find("hgrn2"), tnl = text->find("tnl");
  EXPECT_LT(hgrn2, tnl);
  EXPECT_NE(tnl, std::string::npos);
  EXPECT_EQ(text->find("lightnet"), std::string::npos);
  EXPECT_NE(text->find("1, 3, 1, 48, 48"), std::string::npos);
  EXPECT_NE(text->find("no kernel for head dims"), std::string::npos) << *text;
}

TEST_F(StreamBench, RefusesWhatOnlyTheProcessorHas) {
  auto text = run("kernels --target cuda --threads 1");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().code(), StatusCode::User);
  EXPECT_NE(text.status().message().find("--threads says how the processor"),
            std::string::npos);
}

TEST_F(StreamBench, SaysWhatAFolderLacks) {
  auto text = run("kernels --packages " TEST_PACKAGES " --design unheard_of");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().code(), StatusCode::User);
  EXPECT_NE(text.status().message().find("has no such package"),
            std::string::npos);
  auto missing = run("kernels --packages /no/such/folder");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), StatusCode::World);
}

TEST_F(StreamBench, FailuresNameThePackage) {
  fake_driver.wait_result = 700;
  auto text =
      run("kernels --packages " TEST_PACKAGES " --design tnl --shape 1,3,1,64");
  fake_driver.wait_result = 0;
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().code(), StatusCode::World);
}
