//===- PackageTest.cpp - A package is built, loaded and called ------------===//
#include "compiler/package/PackageWriter.h"
#include "compiler/target/Target.h"
#include "dsl/check/CheckedDesign.h"
#include "runtime/abi/DecayPackage.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <regex>
#include <thread>

namespace decay {
namespace {

constexpr DecayHost noVectors = {0, 0}, middle = {1, 0}, best = {1, 1};

dsl::CheckedDesign testDesign() {
  dsl::CheckedDesign design;
  design.name = "scaled";
  design.summary = "f times delta plus gamma";
  design.projections = {{"f",
                         dsl::Projection::Kind::Full,
                         0,
                         false,
                         {false, true, true, true},
                         {}}};
  design.parameters = {
      {"delta", {false, false, true, false}, dsl::noNode, true, {}},
      {"gamma", {false, false, false, true}, dsl::noNode, false, {}}};
  return design;
}

std::vector<EntryDescription> testEntries() {
  std::vector<OperandDescription> inputs = {
      {"f", "B T H K", false, false},
      {"delta", "H", false, false},
      {"gamma", "K", false, false},
      {"initial_state", "N H W V", false, true}};
  EntryDescription forward{"forward", inputs, {}};
  forward.operands.push_back({"o", "B T H V", true, false});
  forward.operands.push_back({"final_state", "N H W V", true, true});
  EntryDescription backward{"backward", inputs, {7, 8}};
  backward.operands.push_back({"d_o", "B T H V", false, false});
  backward.operands.push_back({"d_final_state", "N H W V", false, true});
  backward.operands.push_back({"d_f", "B T H K", true, false});
  backward.operands.push_back({"d_delta", "H", true, true});
  backward.operands.push_back({"d_gamma", "K", true, true});
  backward.operands.push_back({"d_initial_state", "N H W V", true, true});
  EntryDescription step = forward;
  step.role = "step";
  return {forward,
          backward,
          step,
          {"init_parameters",
           {{"delta", "H", true, false}, {"gamma", "K", true, false}},
           {}}};
}

std::string readFile(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(buffer) << path;
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

/// The test's item functions for every variant named here, through all phases
/// of the target.
mlir::OwningOpRef<mlir::ModuleOp>
loweredModule(mlir::MLIRContext &context, const Target &target,
              std::vector<std::string> variants) {
  std::string text = readFile(TEST_SOURCES "/sizes.mlir");
  for (const std::string &variant : variants)
    text += std::regex_replace(readFile(TEST_SOURCES "/items.mlir"),
                               std::regex("VARIANT"), variant);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return module;
  mlir::PassManager passes(&context);
  target.phases().back().addPasses(passes);
  EXPECT_TRUE(mlir::succeeded(passes.run(*module)));
  return module;
}

class PackageTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    const Target *target = targets().front();
    mlir::DialectRegistry registry;
    target->registerDialects(registry);
    mlir::MLIRContext context(registry);
    auto module = loweredModule(context, *target, {"avx512", "avx2"});
    ASSERT_TRUE(module);
    description() = describePackage(testDesign(), target->name().str(), "fp32",
                                    std::string(64, 'a'));
    description().entries = testEntries();
    llvm::SmallString<128> made;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("decay-package", made));
    directory() = made.str().str();
    auto code = target->emitLibrary(*module, description(), directory());
    ASSERT_TRUE(static_cast<bool>(code)) << llvm::toString(code.takeError());
    bytes() = code->library;
    ASSERT_FALSE(writePackage(description(), *code, paths()));
    void *handle = dlopen(paths().library.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(handle, nullptr) << dlerror();
    query() = reinterpret_cast<DecayPackageQuery>(
        dlsym(handle, DECAY_PACKAGE_QUERY_SYMBOL));
    ASSERT_NE(query(), nullptr);
  }
  static void TearDownTestSuite() {
    llvm::sys::fs::remove_directories(directory());
  }

  static PackageDescription &description() {
    static PackageDescription instance;
    return instance;
  }
  static std::string &bytes() {
    static std::string instance;
    return instance;
  }
  static std::string &directory() {
    static std::string instance;
    return instance;
  }
  static PackagePaths paths() { return {directory(), description().design}; }
  static DecayPackageQuery &query() {
    static DecayPackageQuery instance;
    return instance;
  }
  static DecayHost thisHost() {
    __builtin_cpu_init();
    return {static_cast<uint32_t>(__builtin_cpu_supports("x86-64-v3") != 0),
            static_cast<uint32_t>(__builtin_cpu_supports("x86-64-v4") != 0)};
  }
  /// The package for a variant that this machine can run, best first.
  static const DecayPackage *package() {
    DecayHost host = thisHost();
    return query()(DECAY_ABI_VERSION, &host);
  }
  static const DecayEntry &entry(const std::string &role) {
    for (int i = 0; i < package()->entry_count; ++i)
      if (package()->entries[i].role == role)
        return package()->entries[i];
    ADD_FAILURE() << role;
    return package()->entries[0];
  }
};

/// Memory aligned as a workspace must be, with a guard behind it.
struct Workspace {
  explicit Workspace(int64_t size) : size(size) {
    memory = static_cast<char *>(aligned_alloc(64, (size + 127) / 64 * 64));
    memset(memory, 0xff, (size + 127) / 64 * 64);
  }
  ~Workspace() { free(memory); }
  bool guardHolds() const {
    return std::all_of(
        memory + size, memory + (size + 127) / 64 * 64,
        [](char byte) { return byte == static_cast<char>(0xff); });
  }
  char *memory;
  int64_t size;
};

/// Workers take turns, from the last index to the first: results must not
/// depend on it.
void runBackwards(void *context, int64_t count,
                  void (*task)(void *, int64_t, int64_t), void *closure) {
  int64_t workers = *static_cast<int64_t *>(context);
  for (int64_t index = count - 1; index >= 0; --index)
    task(closure, index, index % workers);
}

TEST_F(PackageTest, ForeignVersionsAndHostsGetNothing) {
  EXPECT_EQ(query()(DECAY_ABI_VERSION + 1, &best), nullptr);
  EXPECT_EQ(query()(0, &best), nullptr);
  EXPECT_EQ(query()(DECAY_ABI_VERSION, nullptr), nullptr);
  EXPECT_EQ(query()(DECAY_ABI_VERSION, &noVectors), nullptr);
}

TEST_F(PackageTest, TheFirstVariantThatFitsIsChosen) {
  ASSERT_NE(query()(DECAY_ABI_VERSION, &best), nullptr);
  EXPECT_STREQ(query()(DECAY_ABI_VERSION, &best)->variant, "avx512");
  EXPECT_STREQ(query()(DECAY_ABI_VERSION, &middle)->variant, "avx2");
}

TEST_F(PackageTest, TablesSayWhatTheDescriptionSays) {
  const DecayPackage *package = query()(DECAY_ABI_VERSION, &best);
  EXPECT_EQ(package->version, DECAY_ABI_VERSION);
  EXPECT_STREQ(package->design, "scaled");
  EXPECT_EQ(package->hash, std::string(64, 'a'));
  EXPECT_EQ(package->manifest, description().manifest);
  EXPECT_EQ(readFile(paths().manifest), description().manifest);
  ASSERT_EQ(package->entry_count,
            static_cast<int32_t>(description().entries.size()));
  for (int32_t e = 0; e < package->entry_count; ++e) {
    const DecayEntry &made = package->entries[e];
    const EntryDescription &wanted = description().entries[e];
    EXPECT_EQ(made.role, wanted.role);
    ASSERT_EQ(made.operand_count, static_cast<int32_t>(wanted.operands.size()));
    for (int32_t i = 0; i < made.operand_count; ++i) {
      EXPECT_EQ(made.operands[i].name, wanted.operands[i].name);
      EXPECT_EQ(made.operands[i].shape, wanted.operands[i].shape);
      EXPECT_EQ(made.operands[i].access,
                wanted.operands[i].written ? DECAY_WRITE : DECAY_READ);
      EXPECT_EQ(made.operands[i].optional, wanted.operands[i].optional);
    }
  }
}

TEST_F(PackageTest, ForwardVisitsAllSequencesAndHeads) {
  if (!package())
    GTEST_SKIP() << "this machine has no AVX2";
  constexpr int64_t B = 2, T = 5, H = 3, K = 16, stride = H * K + 8;
  DecayDims dims = {B, T, H, K, K, 0, nullptr, 0, 1, 0, 0};
  std::vector<float> f(B * T * stride), delta(H), gamma(K),
      o(B * T * H * K, NAN);
  for (size_t i = 0; i < f.size(); ++i)
    f[i] = std::sin(static_cast<float>(i));
  for (int64_t h = 0; h < H; ++h)
    delta[h] = static_cast<float>(h + 1);
  for (int64_t c = 0; c < K; ++c)
    gamma[c] = static_cast<float>(100 * c);
  DecayOperand operands[] = {{f.data(), stride}, {delta.data(), 0},
                             {gamma.data(), 0},  {nullptr, 0},
                             {o.data(), 0},      {nullptr, 0}};
  const DecayEntry &forward = entry("forward");
  int64_t workers = 2;
  DecayTaskRunner runner = {&workers, workers, runBackwards};
  Workspace workspace(forward.workspace_bytes(&dims, workers));
  DecayFault fault;
  ASSERT_EQ(forward.launch(operands, &dims, workspace.memory, workspace.size,
                           &runner, &fault),
            DECAY_OK);
  EXPECT_TRUE(workspace.guardHolds());
  for (int64_t row = 0; row < B * T; ++row)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t c = 0; c < K; ++c)
        EXPECT_FLOAT_EQ(o[(row * H + h) * K + c],
                        f[row * stride + h * K + c] * delta[h] + gamma[c]);
}

TEST_F(PackageTest, AWorkspaceThatIsTooSmallIsRefused) {
  if (!package())
    GTEST_SKIP() << "this machine has no AVX2";
  DecayDims dims = {1, 4, 1, 16, 16, 0, nullptr, 0, 1, 0, 0};
  DecayOperand operands[6] = {};
  const DecayEntry &forward = entry("forward");
  Workspace workspace(forward.workspace_bytes(&dims, 1));
  EXPECT_EQ(forward.launch(operands, &dims, workspace.memory,
                           workspace.size - 1, nullptr, nullptr),
            DECAY_WORKSPACE_TOO_SMALL);
}

TEST_F(PackageTest, TheFirstFaultInIndexOrderIsReported) {
  if (!package())
    GTEST_SKIP() << "this machine has no AVX2";
  constexpr int64_t T = 6, H = 2, K = 16;
  const int64_t starts[] = {0, 2, 2, T};
  DecayDims dims = {1, T, H, K, K, 3, starts, 0, 1, 0, 0};
  std::vector<float> f(T * H * K), delta(H), gamma(K), o(T * H * K);
  auto at = [&](int64_t row, int64_t h, int64_t c) -> float & {
    return f[(row * H + h) * K + c];
  };
  at(5, 0, 1) = 7; // later token of head 0
  at(4, 1, 3) = 5; // earlier token of head 1: the first of sequence 2
  DecayOperand operands[] = {{f.data(), 0},     {delta.data(), 0},
                             {gamma.data(), 0}, {nullptr, 0},
                             {o.data(), 0},     {nullptr, 0}};
  const DecayEntry &forward = entry("forward");
  Workspace workspace(forward.workspace_bytes(&dims, 1));
  DecayFault fault = {-1, -1, -1, -1, 0, 0, ""};
  EXPECT_EQ(forward.launch(operands, &dims, workspace.memory, workspace.size,
                           nullptr, &fault),
            DECAY_LAMBDA_OUT_OF_RANGE);
  EXPECT_EQ(fault.sequence, 2);
  EXPECT_EQ(fault.token, 2);
  EXPECT_EQ(fault.head, 1);
  EXPECT_EQ(fault.channel, 3);
  EXPECT_EQ(fault.value, 5);
}

TEST_F(PackageTest, ParameterGradientsAreSumsOverItemsInOneOrder) {
  if (!package())
    GTEST_SKIP() << "this machine has no AVX2";
  constexpr int64_t T = 9, H = 3, K = 80;
  const int64_t starts[] = {0, 4, T};
  DecayDims dims = {1, T, H, K, K, 2, starts, 0, 1, 0, 0};
  std::vector<float> f(T * H * K), delta(H, 2), gamma(K), dO(f.size()),
      dF(f.size());
  for (size_t i = 0; i < f.size(); ++i) {
    f[i] = std::sin(static_cast<float>(i));
    dO[i] = std::cos(static_cast<float>(3 * i));
  }
  const DecayEntry &backward = entry("backward");
  std::vector<float> first;
  for (int64_t workers : {1, 3}) {
    std::vector<float> dDelta(H, NAN), dGamma(K, NAN);
    DecayOperand operands[] = {{f.data(), 0},      {delta.data(), 0},
                               {gamma.data(), 0},  {nullptr, 0},
                               {dO.data(), 0},     {nullptr, 0},
                               {dF.data(), 0},     {dDelta.data(), 0},
                               {dGamma.data(), 0}, {nullptr, 0}};
    DecayTaskRunner runner = {&workers, workers, runBackwards};
    Workspace workspace(backward.workspace_bytes(&dims, workers));
    ASSERT_EQ(backward.launch(operands, &dims, workspace.memory, workspace.size,
                              workers == 1 ? nullptr : &runner, nullptr),
              DECAY_OK);
    EXPECT_TRUE(workspace.guardHolds());
    for (int64_t h = 0; h < H; ++h) {
      double sum = 0;
      for (int64_t t = 0; t < T; ++t)
        for (int64_t c = 0; c < K; ++c)
          sum += double(f[(t * H + h) * K + c]) * dO[(t * H + h) * K + c];
      EXPECT_NEAR(dDelta[h], sum, 1e-4);
    }
    for (int64_t c = 0; c < K; ++c) {
      double sum = 0;
      for (int64_t row = 0; row < T * H; ++row)
        sum += dO[row * K + c];
      EXPECT_NEAR(dGamma[c], sum, 1e-5);
    }
    std::vector<float> all = dDelta;
    all.insert(all.end(), dGamma.begin(), dGamma.end());
    if (first.empty())
      first = all;
    EXPECT_EQ(first, all) << "the number of workers changed the bits";
  }
}

TEST_F(PackageTest, InitParametersRunsOnce) {
  if (!package())
    GTEST_SKIP() << "this machine has no AVX2";
  DecayDims dims = {0, 0, 4, 16, 16, 0, nullptr, 0, 1, 0, 0};
  std::vector<float> delta(4, NAN), gamma(16, NAN);
  DecayOperand operands[] = {{delta.data(), 0}, {gamma.data(), 0}};
  const DecayEntry &init = entry("init_parameters");
  Workspace workspace(init.workspace_bytes(&dims, 1));
  ASSERT_EQ(init.launch(operands, &dims, workspace.memory, workspace.size,
                        nullptr, nullptr),
            DECAY_OK);
  for (float value : delta)
    EXPECT_FLOAT_EQ(value, std::exp(-1.0f));
  for (float value : gamma)
    EXPECT_FLOAT_EQ(value, 1.0f);
}

TEST_F(PackageTest, TheSameInputGivesTheSameBytes) {
  const Target *target = targets().front();
  mlir::DialectRegistry registry;
  target->registerDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = loweredModule(context, *target, {"avx512", "avx2"});
  auto again = target->emitLibrary(*module, description(), directory());
  ASSERT_TRUE(static_cast<bool>(again));
  EXPECT_EQ(bytes(), again->library);
}

TEST_F(PackageTest, AMissingItemFunctionIsNamed) {
  const Target *target = targets().front();
  mlir::DialectRegistry registry;
  target->registerDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = loweredModule(context, *target, {"avx512"});
  auto library = target->emitLibrary(*module, description(), directory());
  ASSERT_FALSE(static_cast<bool>(library));
  EXPECT_EQ(llvm::toString(library.takeError()),
            "the lowered module has no function 'decay_forward_avx2'");
}

TEST_F(PackageTest, OnlyAWholePackageHasAHash) {
  EXPECT_EQ(existingHash(paths()), description().hash);
  EXPECT_EQ(existingHash(PackagePaths(directory(), "absent")), "");
  PackagePaths broken(directory(), "broken");
  ASSERT_FALSE(
      writePackage(description(), {bytes(), {{".txt", "read me"}}}, broken));
  auto text = llvm::MemoryBuffer::getFile(directory() + "/broken.txt");
  ASSERT_TRUE(static_cast<bool>(text));
  EXPECT_EQ((*text)->getBuffer(), "read me");
  ASSERT_FALSE(writeFileAtomically(broken.manifest, "{\"hash\": 3"));
  EXPECT_EQ(existingHash(broken), "");
  ASSERT_FALSE(writeFileAtomically(broken.manifest, "{\"hash\": 3}"));
  EXPECT_EQ(existingHash(broken), "");
  ASSERT_FALSE(writeFileAtomically(broken.manifest, description().manifest));
  EXPECT_EQ(existingHash(broken), description().hash);
  ASSERT_FALSE(llvm::sys::fs::remove(broken.library));
  EXPECT_EQ(existingHash(broken), "");
}

TEST_F(PackageTest, AFileThatCannotBeWrittenIsNamed) {
  std::string message = llvm::toString(writePackage(
      description(), {bytes(), {}}, PackagePaths("/dev/null/out", "x")));
  EXPECT_EQ(message,
            "cannot make the directory '/dev/null/out': Not a directory");
}

TEST_F(PackageTest, HashesTellPartsApart) {
  EXPECT_EQ(packageHash({"ab", "c"}).size(), 64u);
  EXPECT_EQ(packageHash({"ab", "c"}), packageHash({"ab", "c"}));
  EXPECT_NE(packageHash({"ab", "c"}), packageHash({"a", "bc"}));
}

} // namespace
} // namespace decay
