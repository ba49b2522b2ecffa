//===- LaunchTest.cpp - One test per mistake of a call --------------------===//

#include "runtime/kernels/KernelLibrary.h"
#include "test/support/package/GuardedDevice.h"

#include <gtest/gtest.h>

using namespace decay::runtime;
using decay::test::GuardedDevice;

namespace {
/// A valid call of `forward`, which each test spoils in one way.
class Launch : public testing::Test {
protected:
  Launch() : library(open("none")) {
    dims.B = 2, dims.T = 5, dims.H = 3, dims.K = 4, dims.V = 2, dims.layers = 1;
    operands = {
        KernelOperand::input("q", wide.data(), 120),
        KernelOperand::input("k", wide.data(), 120),
        KernelOperand::input("v", wide.data(), 60),
        KernelOperand::input("f", wide.data(), 120),
        KernelOperand::input("delta", zeros.data(), 12),
        KernelOperand::output("o", out.data(), 60),
    };
  }

  static KernelLibrary open(const std::string &defect) {
    Result<KernelLibrary> library = KernelLibrary::load(
        DECAY_TEST_PACKAGE_FOLDER "/test_package_" + defect + ".so");
    EXPECT_TRUE(library.ok()) << library.status().message();
    return *library;
  }

  /// The operand of this name; added if there is none.
  KernelOperand &named(std::string_view name) {
    for (KernelOperand &operand : operands)
      if (operand.name == name)
        return operand;
    return operands.emplace_back(KernelOperand{name});
  }

  Status run(KernelRole role = KernelRole::Forward) {
    return library.launch(role, operands, dims, workspace, device);
  }

  /// The call fails as the user's, with this in its message, and writes
  /// nothing.
  void refuses(const std::string &message,
               KernelRole role = KernelRole::Forward) {
    Status status = run(role);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), StatusCode::User);
    EXPECT_EQ(status.message().rfind(
                  std::string(toString(role)) + " of 'by_hand': ", 0),
              0u);
    EXPECT_NE(status.message().find(message), std::string::npos)
        << status.message();
    for (float value : out)
      EXPECT_EQ(value, 0);
  }

  std::vector<float> wide = std::vector<float>(400, 0.5f),
                     zeros = std::vector<float>(12),
                     out = std::vector<float>(60),
                     state = std::vector<float>(48);
  DecayDims dims = {};
  std::vector<KernelOperand> operands;
  KernelLibrary library;
  GuardedDevice device;
  KernelWorkspace workspace{device};
};
} // namespace

TEST_F(Launch, RunsAValidCall) {
  Status status = run();
  ASSERT_TRUE(status.ok()) << status.message();
  // After one token o is the sum of q k v over 4 channels; λ = 0.9 f².
  EXPECT_FLOAT_EQ(out[0], 0.5f);
  EXPECT_FLOAT_EQ(out[6], 0.225f * 0.5f + 0.5f);
}

TEST_F(Launch, FindsOperandsByName) {
  std::reverse(operands.begin(), operands.end());
  ASSERT_TRUE(run().ok());
  EXPECT_FLOAT_EQ(out[0], 0.5f);
}

TEST_F(Launch, RunsWithRowStrides) {
  named("q") = KernelOperand::input("q", wide.data(), 9 * 20 + 12, 20);
  EXPECT_TRUE(run().ok());
}

TEST_F(Launch, MissingOperand) {
  operands.erase(operands.begin() + 3);
  refuses("the operand 'f' [B T H K] = [2, 5, 3, 4] is missing");
}

TEST_F(Launch, NullOperand) {
  named("o").data = nullptr;
  refuses("the operand 'o' [B T H V] = [2, 5, 3, 2] is NULL");
}

TEST_F(Launch, NullOptionalOperandIsAbsent) {
  named("final_state").data = nullptr;
  EXPECT_TRUE(run().ok());
}

TEST_F(Launch, UnknownOperand) {
  named("gate") = KernelOperand::input("gate", wide.data(), 100);
  refuses("there is no operand 'gate', expected: q, k, v, f, delta, "
          "initial_state, o");
}

TEST_F(Launch, OperandGivenTwice) {
  operands.push_back(operands[0]);
  refuses("the operand 'q' is given twice");
}

TEST_F(Launch, RowStrideSmallerThanARow) {
  named("k").rowStride = 11;
  refuses("the row stride of 'k' is 11, but a row has 12 elements: [B T H K] = "
          "[2, 5, 3, 4]");
}

TEST_F(Launch, NegativeRowStride) {
  named("k").rowStride = -12;
  refuses("the row stride of 'k' is -12");
}

TEST_F(Launch, HugeRowStride) {
  named("k").rowStride = INT64_MAX;
  refuses("the row stride of 'k' is 9223372036854775807, expected less than");
}

TEST_F(Launch, RowStrideWithoutATimeAxis) {
  named("delta").rowStride = 4;
  refuses("'delta' has a row stride of 4, but no time axis");
}

TEST_F(Launch, TooFewElements) {
  named("v").elements = 59;
  refuses("'v' has 59 elements, but [B T H V] = [2, 5, 3, 2] reaches over 60");
}

TEST_F(Launch, TooFewElementsForTheStride) {
  named("q") = KernelOperand::input("q", wide.data(), 191, 20);
  refuses("with row stride 20 reaches over 192");
}

TEST_F(Launch, StateOfTheWrongSize) {
  named("final_state") = KernelOperand::output("final_state", state.data(), 47);
  refuses("'final_state' has 47 elements, but [N H W V] = [2, 3, 4, 2] reaches "
          "over 48");
}

TEST_F(Launch, MisalignedOperand) {
  KernelOperand &q = named("q");
  q.data = static_cast<char *>(q.data) + 1;
  refuses("'q' is not aligned to 4 bytes");
}

TEST_F(Launch, SizesThatAreNotPositive) {
  for (int64_t DecayDims::*size :
       {&DecayDims::B, &DecayDims::T, &DecayDims::H, &DecayDims::K,
        &DecayDims::V, &DecayDims::layers}) {
    for (int64_t wrong : {int64_t(0), int64_t(-1), INT64_MAX}) {
      DecayDims before = dims;
      dims.*size = wrong;
      refuses("is " + std::to_string(wrong) + ", expected 1 to");
      dims = before;
    }
  }
}

TEST_F(Launch, SizesThatOverflowTogether) {
  dims.B = dims.T = dims.H = dims.K = int64_t(1) << 30;
  refuses("is larger than any memory");
}

TEST_F(Launch, LayerOutOfRange) {
  dims.layer = 1;
  refuses("layer is 1, expected 0 to 0");
  dims.layer = -1;
  refuses("layer is -1");
}

TEST_F(Launch, NegativePosition) {
  dims.position = -1;
  refuses("position is -1, expected 0 or more");
}

TEST_F(Launch, StepOfMoreThanOneToken) {
  refuses("T is 5, but a step takes one token", KernelRole::Step);
}

namespace {
/// The same, packed: B = 1, sequences of 2 and 3 tokens.
class PackedLaunch : public Launch {
protected:
  PackedLaunch() {
    dims.B = 1;
    dims.sequences = 2;
    dims.cu_seqlens = ends;
  }
  int64_t ends[3] = {0, 2, 5};
};
} // namespace

TEST_F(PackedLaunch, RunsAValidCall) { EXPECT_TRUE(run().ok()); }

TEST_F(PackedLaunch, MoreThanOneBatch) {
  dims.B = 2;
  refuses("packed sequences need B = 1, but B is 2");
}

TEST_F(PackedLaunch, NotFromZero) {
  ends[0] = 1;
  refuses("cu_seqlens[0] is 1, expected 0");
}

TEST_F(PackedLaunch, NotRising) {
  ends[1] = 0;
  refuses("cu_seqlens must rise, but [0] is 0 and [1] is 0");
  ends[1] = 7;
  refuses("cu_seqlens must rise, but [1] is 7 and [2] is 5");
}

TEST_F(PackedLaunch, NotToTheEnd) {
  ends[2] = 4;
  refuses("cu_seqlens[2] is 4, expected T = 5");
}

TEST_F(PackedLaunch, MoreSequencesThanTokens) {
  dims.sequences = 6;
  refuses("6 packed sequences of 5 tokens together");
}

TEST_F(PackedLaunch, CountWithoutOffsets) {
  dims.cu_seqlens = nullptr;
  refuses("2 packed sequences without cu_seqlens");
}

TEST_F(PackedLaunch, OffsetsWithoutCount) {
  dims.sequences = 0;
  refuses("cu_seqlens is given, but the number of sequences is 0");
}

TEST_F(PackedLaunch, NegativeCount) {
  dims.sequences = -1;
  refuses("-1 packed sequences");
}

TEST_F(Launch, NamesLambdaOutOfRange) {
  // λ is 0.9 f², here at batch 1, token 3, head 2, channel 1.
  std::vector<float> f(120, 0.5f);
  f[((1 * 5 + 3) * 3 + 2) * 4 + 1] = 1.5f;
  named("f") = KernelOperand::input("f", f.data(), 120);
  refuses("λ is 2.02499986 at sequence 1, token 3, head 2, channel 1: it must "
          "lie in "
          "[0, 1]");
}

TEST_F(Launch, NoMemoryForTheWorkspace) {
  device.limit = 8;
  Status status = run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_NE(status.message().find("no memory for a workspace of 32 bytes"),
            std::string::npos);
}

TEST_F(Launch, WorkspaceOnlyGrows) {
  ASSERT_TRUE(run().ok());
  int64_t small = workspace.bytes();
  ASSERT_TRUE(workspace.reserve(4096).ok());
  EXPECT_GT(workspace.bytes(), small);
  void *memory = workspace.data();
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(workspace.data(), memory);
  EXPECT_EQ(workspace.bytes(), 4096);
  EXPECT_TRUE(device.guardsIntact());
}

TEST_F(Launch, WorkspaceIsKnownBeforehand) {
  Result<int64_t> bytes = library.workspaceBytes(KernelRole::Forward, dims, 2);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, 2 * 4 * 2 * 4);
  dims.T = 0;
  EXPECT_FALSE(library.workspaceBytes(KernelRole::Forward, dims, 2).ok());
}

TEST_F(Launch, PackagesThatContradictThemselves) {
  const std::pair<const char *, const char *> packages[] = {
      {"workspace", "asks for a larger workspace than it said"},
      {"negative_workspace", "asks for a workspace of -1 bytes"},
      {"status", "returned the unknown status 77"}};
  for (auto [defect, message] : packages) {
    library = open(defect);
    Status status = run();
    ASSERT_FALSE(status.ok()) << defect;
    EXPECT_EQ(status.code(), StatusCode::World);
    EXPECT_NE(status.message().find(message), std::string::npos)
        << status.message();
  }
}
