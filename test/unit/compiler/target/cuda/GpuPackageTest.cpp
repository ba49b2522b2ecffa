//===- GpuPackageTest.cpp - A GPU's package, where there is no GPU --------===//
//
// The package is made of the two kernels of a lit test. Its tables and all that
// it refuses need no driver; that its launches are what they should be is seen
// by a driver that only writes them down.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/Target.h"
#include "compiler/target/cuda/Launches.h"
#include "runtime/abi/DecayPackage.h"
#include "test/support/gpu/FakeDriver.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <gtest/gtest.h>

namespace decay::cuda {

const Target &target();

namespace {

PackageDescription testPackage() {
  EntryDescription forward{
      "forward",
      {{"q", "B T H K", false, false}, {"o", "B T H K", true, false}},
      {}};
  EntryDescription step = forward;
  step.role = "step";
  EntryDescription unwritten = forward;
  unwritten.role = "backward";
  return {"doubled", "cuda",
          "bf16",    std::string(64, 'a'),
          "{}",      {forward, unwritten, step}};
}

/// The bytes of the package's library. `remarks` is what the target says.
std::string makeLibrary(const std::string &directory, std::string &remarks) {
  mlir::DialectRegistry registry;
  target().registerDialects(registry);
  mlir::MLIRContext context(registry);
  mlir::ScopedDiagnosticHandler listener(&context,
                                         [&](mlir::Diagnostic &diagnostic) {
                                           remarks += diagnostic.str();
                                           return mlir::success();
                                         });
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(TEST_KERNELS, &context);
  EXPECT_TRUE(module);
  mlir::PassManager passes(&context);
  target().phases().back().addPasses(passes);
  EXPECT_TRUE(mlir::succeeded(passes.run(*module)));
  auto code = target().emitLibrary(*module, testPackage(), directory);
  EXPECT_TRUE(static_cast<bool>(code)) << llvm::toString(code.takeError());
  if (!code)
    return "";
  // What ptxas is given is kept to read.
  EXPECT_EQ(code->texts.size(), 1u);
  EXPECT_EQ(code->texts[0].extension, ".ptx");
  EXPECT_NE(code->texts[0].bytes.find(".visible .entry forward_64("),
            std::string::npos);
  EXPECT_NE(code->texts[0].bytes.find(".visible .entry step("),
            std::string::npos);
  return code->library;
}

class GpuPackage : public testing::Test {
protected:
  static void SetUpTestSuite() {
    llvm::SmallString<128> made;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("decay-package", made));
    directory = made.str().str();
    // Without ptxas, so that the test is the same everywhere.
    setenv("DECAY_PTXAS", "", 1);
    std::string bytes = makeLibrary(directory, remarks);
    std::string again;
    EXPECT_EQ(bytes, makeLibrary(directory, again));
    unsetenv("DECAY_PTXAS");
    std::string path = directory + "/doubled.so";
    std::ofstream(path, std::ios::binary) << bytes;
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(handle, nullptr) << dlerror();
    auto query = reinterpret_cast<DecayPackageQuery>(
        dlsym(handle, DECAY_PACKAGE_QUERY_SYMBOL));
    ASSERT_NE(query, nullptr);
    DecayHost host = {};
    EXPECT_EQ(query(DECAY_ABI_VERSION + 1, &host), nullptr);
    package = query(DECAY_ABI_VERSION, &host);
    ASSERT_NE(package, nullptr);
  }
  static void TearDownTestSuite() {
    llvm::sys::fs::remove_directories(directory);
  }

  void SetUp() override {
    dims.B = 2, dims.T = 3, dims.H = 4, dims.K = dims.V = 64, dims.layers = 1;
    memset(fake_device_memory, 0, sizeof fake_device_memory);
    operands[0].data = fake_device_memory + 1024;
    operands[1].data = fake_device_memory + 8192;
    workspace = fake_device_memory + 16384;
  }
  const DecayEntry &entry(int place) { return package->entries[place]; }
  int32_t launch(int place = 0) {
    fault = {};
    return entry(place).launch(operands, &dims, workspace, workspaceBytes,
                               stream, &fault);
  }
  /// The launch is refused with this status and words, for this operand.
  void refused(int32_t status, const std::string &words, int64_t operand = -1,
               int place = 0) {
    EXPECT_EQ(launch(place), status) << fault.message;
    EXPECT_NE(std::string(fault.message).find(words), std::string::npos)
        << fault.message;
    EXPECT_EQ(fault.operand, operand);
  }

  static std::string directory, remarks;
  static const DecayPackage *package;
  DecayDims dims = {};
  DecayOperand operands[2] = {};
  char *workspace = nullptr;
  int64_t workspaceBytes = 1 << 17;
  void *stream = reinterpret_cast<void *>(0x1234);
  DecayFault fault = {};
};
std::string GpuPackage::directory, GpuPackage::remarks;
const DecayPackage *GpuPackage::package = nullptr;

TEST_F(GpuPackage, tablesSayWhatItTakes) {
  EXPECT_STREQ(package->target, "cuda");
  EXPECT_STREQ(package->variant, "sm_90a");
  EXPECT_EQ(package->memory, DECAY_DEVICE_MEMORY);
  ASSERT_EQ(package->entry_count, 2) << "no kernel, no entry";
  EXPECT_STREQ(entry(0).role, "forward");
  EXPECT_STREQ(entry(1).role, "step");
  ASSERT_EQ(entry(0).operand_count, 2);
  EXPECT_STREQ(entry(0).operands[0].name, "q");
  EXPECT_EQ(entry(0).operands[0].type, DECAY_BF16);
  EXPECT_NE(entry(0).read_fault, nullptr);
  EXPECT_NE(remarks.find("ptxas is not here"), std::string::npos);
}

TEST_F(GpuPackage, workspaceIsTheSumOfItsParts) {
  // 2 * 3 tokens have 2 slots, one of each sequence.
  EXPECT_EQ(entry(0).workspace_bytes(&dims, 1), 256 + 2 * 4 * 64 * 64 * 2);
  EXPECT_EQ(entry(1).workspace_bytes(&dims, 1), 256);
  dims.T = 128;
  EXPECT_EQ(entry(0).workspace_bytes(&dims, 1), 256 + 6 * 4 * 64 * 64 * 2);
  dims.H = int64_t(1) << 60;
  EXPECT_LT(entry(0).workspace_bytes(&dims, 1), 0);
}

TEST_F(GpuPackage, refusesSizes) {
  dims.T = 0;
  refused(DECAY_SIZE_OUT_OF_RANGE, "T is 0, expected 1 to 2147483647");
  dims.T = 3, dims.B = -1;
  refused(DECAY_SIZE_OUT_OF_RANGE, "B is -1");
  dims.B = 2, dims.layer = 1;
  refused(DECAY_SIZE_OUT_OF_RANGE, "layer is 1, expected 0 to 0");
  dims.layer = 0;
  refused(DECAY_SIZE_OUT_OF_RANGE, "T is 3, expected 1 to 1", -1, 1);
  dims.B = dims.T = dims.H = 2000000000;
  refused(DECAY_SIZE_OUT_OF_RANGE, "larger than any memory");
}

TEST_F(GpuPackage, refusesHeadDims) {
  dims.K = 48;
  refused(DECAY_HEAD_DIMS_NOT_SUPPORTED,
          "K = 48, V = 64, expected K = 64, V = 64");
}

TEST_F(GpuPackage, refusesSequences) {
  int64_t ends[] = {0, 3};
  dims.sequences = 1;
  refused(DECAY_BAD_SEQUENCES, "1 packed sequences without cu_seqlens");
  dims.cu_seqlens = ends;
  refused(DECAY_BAD_SEQUENCES, "need B = 1, but B is 2");
  dims.B = 1, dims.sequences = 4;
  refused(DECAY_BAD_SEQUENCES, "4 packed sequences of 3 tokens");
  dims.sequences = 0;
  refused(DECAY_BAD_SEQUENCES, "the number of sequences is 0");
}

TEST_F(GpuPackage, refusesOperands) {
  auto whole = operands[0];
  operands[0].data = nullptr;
  refused(DECAY_OPERAND_MISSING, "'q' [B T H K] is NULL", 0);
  operands[0].data = static_cast<char *>(whole.data) + 8;
  refused(DECAY_NOT_ALIGNED, "'q' is not aligned to 16 bytes", 0);
  operands[0] = whole;
  operands[1].row_stride = 248;
  refused(DECAY_ROW_STRIDE_NOT_SUPPORTED,
          "row stride of 'o' [B T H K] is 248, expected a multiple of 8 from "
          "256",
          1);
  operands[1].row_stride = 260;
  refused(DECAY_ROW_STRIDE_NOT_SUPPORTED, "is 260", 1);
}

TEST_F(GpuPackage, refusesWorkspaces) {
  workspaceBytes = 100;
  refused(DECAY_WORKSPACE_TOO_SMALL, "has 100 bytes, expected 65792");
  workspaceBytes = 1 << 20;
  workspace += 64;
  refused(DECAY_NOT_ALIGNED, "workspace is not aligned to 256 bytes");
  fault.message[0] = 0;
  EXPECT_EQ(entry(0).launch(operands, &dims, workspace, workspaceBytes, stream,
                            nullptr),
            DECAY_NOT_ALIGNED);
}

//===----------------------------------------------------------------------===//
// With a driver
//===----------------------------------------------------------------------===//

class GpuLaunch : public GpuPackage {
protected:
  void SetUp() override {
    GpuPackage::SetUp();
    dims.B = dims.H = 1;
    fake_driver.launch_count = 0;
    workspaceBytes = 1 << 15;
  }
  static int64_t word(const FakeLaunch &seen, int64_t offset) {
    int64_t value;
    memcpy(&value, seen.parameter + offset, sizeof value);
    return value;
  }
  static int64_t field(const FakeLaunch &seen, LaunchField name) {
    return word(seen, launchFieldOffset(name, 2));
  }
  void TearDown() override {
    fake_driver.device = fake_driver.memory_device = 0;
    fake_driver.major = 9;
    fake_driver.no_context = fake_driver.load_result = 0;
    fake_driver.wait_result = 0;
  }
};

TEST_F(GpuLaunch, refusesWhatTheDriverKnows) {
  // First, while nothing is known yet.
  fake_driver.no_context = 1;
  refused(DECAY_DEVICE_FAILED, "what the fake driver says (error 201)");
  fake_driver.no_context = 0;
  fake_driver.major = 8;
  refused(DECAY_DEVICE_NOT_SUPPORTED,
          "compute capability 8.0, expected 9.0 (Hopper)");
  fake_driver.major = 9;
  fake_driver.memory_device = 1;
  refused(DECAY_NOT_DEVICE_MEMORY,
          "'q' lies in memory of GPU 1, expected GPU 0", 0);
  fake_driver.memory_device = 0;
  fake_driver.load_result = 218;
  refused(DECAY_DEVICE_FAILED, "cannot load the package's code");
  fake_driver.load_result = 0;
  alignas(256) char here[1024];
  operands[1].data = here;
  refused(DECAY_NOT_DEVICE_MEMORY, "'o' lies in host memory", 1);
  operands[1].data = fake_device_memory + 8192;
  int64_t ends[] = {0, 3};
  dims.sequences = 1, dims.cu_seqlens = ends;
  refused(DECAY_NOT_DEVICE_MEMORY, "'cu_seqlens' lies in host memory");
  dims.sequences = 0, dims.cu_seqlens = nullptr;
  alignas(256) static char work[1 << 15];
  workspace = work;
  refused(DECAY_NOT_DEVICE_MEMORY, "'workspace' lies in host memory");
  EXPECT_EQ(fake_driver.launch_count, 0);
}

TEST_F(GpuLaunch, handsOverWhatWasAsked) {
  operands[0].row_stride = 512;
  dims.position = 7, dims.seed = 99;
  ASSERT_EQ(launch(), DECAY_OK) << fault.message;
  ASSERT_EQ(fake_driver.launch_count, 1);
  const FakeLaunch &seen = fake_driver.launches[0];
  EXPECT_STREQ(seen.kernel, "forward_64");
  EXPECT_EQ(seen.grid[0], 3u);
  EXPECT_EQ(seen.grid[1], 1u);
  EXPECT_EQ(seen.grid[2], 1u);
  EXPECT_EQ(seen.threads, 64u);
  EXPECT_EQ(seen.shared_bytes, 256u);
  EXPECT_EQ(fake_driver.shared_limit, 256);
  EXPECT_EQ(seen.stream, stream);
  EXPECT_EQ(word(seen, 0), reinterpret_cast<int64_t>(operands[0].data));
  EXPECT_EQ(word(seen, 8), 512);
  EXPECT_EQ(word(seen, 24), 64) << "the dense row";
  EXPECT_EQ(field(seen, LaunchField::T), 3);
  EXPECT_EQ(field(seen, LaunchField::N), 1);
  EXPECT_EQ(field(seen, LaunchField::Position), 7);
  EXPECT_EQ(field(seen, LaunchField::Seed), 99);
  EXPECT_EQ(field(seen, LaunchField::CuSeqlens), 0);
  EXPECT_EQ(field(seen, LaunchField::Workspace),
            reinterpret_cast<int64_t>(workspace));
  EXPECT_EQ(field(seen, LaunchField::Segments), 1);
  EXPECT_EQ(field(seen, LaunchField::SegmentTokens), 3);
}

TEST_F(GpuLaunch, cutsLongSequences) {
  dims.T = 65;
  ASSERT_EQ(launch(), DECAY_OK) << fault.message;
  ASSERT_EQ(fake_driver.launch_count, 2);
  EXPECT_STREQ(fake_driver.launches[0].kernel, "forward_64_before");
  EXPECT_EQ(fake_driver.launches[0].grid[2], 1u) << "joints";
  const FakeLaunch &seen = fake_driver.launches[1];
  EXPECT_STREQ(seen.kernel, "forward_64");
  EXPECT_EQ(field(seen, LaunchField::Segments), 2);
  EXPECT_EQ(field(seen, LaunchField::SegmentTokens), 64);
}

TEST_F(GpuLaunch, cutsFewPackedSequences) {
  dims.T = 130, dims.sequences = 2, workspaceBytes = 1 << 20;
  dims.cu_seqlens = reinterpret_cast<int64_t *>(fake_device_memory);
  ASSERT_EQ(launch(), DECAY_OK) << fault.message;
  ASSERT_EQ(fake_driver.launch_count, 2);
  EXPECT_EQ(fake_driver.launches[0].grid[2], 2u) << "joints";
  const FakeLaunch &seen = fake_driver.launches[1];
  EXPECT_EQ(field(seen, LaunchField::Segments), 3) << "one may have all tokens";
  EXPECT_EQ(field(seen, LaunchField::SegmentTokens), 64);
}

TEST_F(GpuLaunch, leavesManyPackedSequencesWhole) {
  dims.T = 65, dims.sequences = 9, workspaceBytes = 1 << 20;
  dims.cu_seqlens = reinterpret_cast<int64_t *>(fake_device_memory);
  ASSERT_EQ(launch(), DECAY_OK) << fault.message;
  ASSERT_EQ(fake_driver.launch_count, 1);
  const FakeLaunch &seen = fake_driver.launches[0];
  EXPECT_EQ(field(seen, LaunchField::Segments), 1);
  EXPECT_EQ(field(seen, LaunchField::SegmentTokens), 65);
}

TEST_F(GpuLaunch, loadsAndAsksOnce) {
  ASSERT_EQ(launch(), DECAY_OK) << fault.message;
  int loads = fake_driver.loads, questions = fake_driver.pointer_questions;
  ASSERT_EQ(launch(), DECAY_OK);
  EXPECT_EQ(fake_driver.loads, loads);
  EXPECT_EQ(fake_driver.pointer_questions, questions);
  EXPECT_EQ(fake_driver.waits, 0);
}

TEST_F(GpuLaunch, faultsWaitUntilTheyAreRead) {
  FaultSlot slot = {};
  slot.code = DECAY_LAMBDA_OUT_OF_RANGE;
  slot.sequence = 1, slot.token = 2, slot.head = 3, slot.channel = 4;
  slot.value = 2;
  memcpy(workspace, &slot, sizeof slot);
  ASSERT_EQ(launch(), DECAY_OK);
  EXPECT_EQ(entry(0).read_fault(workspace, stream, &fault),
            DECAY_LAMBDA_OUT_OF_RANGE);
  EXPECT_EQ(fault.sequence, 1);
  EXPECT_EQ(fault.token, 2);
  EXPECT_EQ(fault.head, 3);
  EXPECT_EQ(fault.channel, 4);
  EXPECT_EQ(fault.value, 2);
  EXPECT_EQ(entry(0).read_fault(workspace, stream, &fault), DECAY_OK);
  slot.code = DECAY_BAD_SEQUENCES, slot.sequence = 2;
  memcpy(workspace, &slot, sizeof slot);
  EXPECT_EQ(entry(0).read_fault(workspace, stream, &fault),
            DECAY_BAD_SEQUENCES);
  EXPECT_STREQ(fault.message,
               "cu_seqlens must rise from 0 to T, but does not at [2]");
  EXPECT_EQ(entry(0).read_fault(workspace, stream, &fault), DECAY_OK);
  fake_driver.wait_result = 700;
  EXPECT_EQ(entry(0).read_fault(workspace, stream, &fault),
            DECAY_DEVICE_FAILED);
  EXPECT_NE(std::string(fault.message).find("error 700"), std::string::npos);
}

} // namespace
} // namespace decay::cuda
