//===- ApproximateMathTest.cpp - The polynomials against libm in double ---===//
//
// Each function is compiled as a kernel compiles it, for vectors of 16 and,
// where that is another form, of 8, and run over its whole range: rounding
// error in units of the result's last place, and special values. Results and
// operands below 1.2e-38 are outside: exp is 0 there.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/codegen/Codegen.h"

#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/TargetSelect.h"

#include <cmath>
#include <gtest/gtest.h>

namespace decay::cpu {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  const char *function;
  double (*truth)(double);
  float low, high; ///< the range that is scanned
  double ulps;     ///< allowed error in units of the result's last place
  int lanes = 16;
};

constexpr Case cases[] = {
    {"exp", std::exp, -86.6f, 88.7f, 4},
    {"exp", std::exp, -1.0f, 1.0f, 2},
    {"exp", std::exp, -86.6f, 88.7f, 7, 8},
    {"exp", std::exp, -10.0f, 10.0f, 3, 8},
    {"exp", std::exp, -1.0f, 1.0f, 2.5, 8},
    {"exp", std::exp, -1e-2f, 0.0f, 1, 8},
    {"log", std::log, 1.2e-38f, 1e38f, 2},
    {"log", std::log, 0.5f, 2.0f, 2},
    {"log1p", std::log1p, -0.9999f, 100.0f, 3},
    {"log1p", std::log1p, 0.0f, 1.0f, 3},
    {"log1p", std::log1p, -1e-3f, 1e-3f, 3},
    {"expm1", std::expm1, -20.0f, 88.0f, 3},
    {"expm1", std::expm1, -1e-3f, 1e-3f, 3},
    {"tanh", std::tanh, -10.0f, 10.0f, 5},
    {"tanh", std::tanh, -1e-3f, 1e-3f, 4},
};

constexpr const char *sigmoid = R"(
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %one = arith.constant dense<1.0> : vector<16xf32>
  %size = math.absf %x : vector<16xf32>
  %exponent = arith.negf %size : vector<16xf32>
  %e = math.exp %exponent : vector<16xf32>
  %is = arith.cmpf oge, %x, %zero : vector<16xf32>
  %top = arith.select %is, %one, %e : vector<16xi1>, vector<16xf32>
  %sum = arith.addf %one, %e : vector<16xf32>
  %y = arith.divf %top, %sum : vector<16xf32>
)";

/// Vectors of 16 in the text become those of `lanes`.
std::string withLanes(std::string text, int lanes) {
  const std::string sixteen = "vector<16x";
  for (size_t at = 0; (at = text.find(sixteen, at)) != std::string::npos; ++at)
    text.replace(at, sixteen.size(), "vector<" + std::to_string(lanes) + "x");
  return text;
}

class Compiled {
public:
  explicit Compiled(const std::string &function, int lanes = 16)
      : Compiled(function, "  %y = math." + function + " %x : vector<16xf32>\n",
                 lanes) {}
  /// `body` makes %y of %x.
  Compiled(const std::string &function, const std::string &body, int lanes)
      : lanes(lanes) {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    mlir::DialectRegistry registry;
    registerCodegenDialects(registry);
    context.appendDialectRegistry(registry);
    std::string text =
        "func.func @run(%p: !llvm.ptr) attributes {llvm.emit_c_interface} {\n"
        "  %x = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> "
        "vector<16xf32>\n" +
        body +
        "  llvm.store %y, %p {alignment = 4 : i64} : vector<16xf32>, "
        "!llvm.ptr\n"
        "  return\n}\n";
    module = mlir::parseSourceString<mlir::ModuleOp>(withLanes(text, lanes),
                                                     &context);
    mlir::PassManager passes(&context);
    addLlvmDialectPasses(passes);
    if (mlir::failed(passes.run(*module)))
      ADD_FAILURE() << "cannot compile " << function;
    auto made = mlir::ExecutionEngine::create(*module);
    if (!made)
      ADD_FAILURE() << llvm::toString(made.takeError());
    else
      engine = std::move(*made);
  }

  void operator()(float (&values)[16]) {
    for (float *pointer = values; pointer < values + 16; pointer += lanes)
      ASSERT_FALSE(engine->invoke("run", pointer));
  }

  float operator()(float value) {
    float values[16];
    std::fill(std::begin(values), std::end(values), value);
    (*this)(values);
    return values[0];
  }

private:
  int lanes;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<mlir::ExecutionEngine> engine;
};

double unitOfLastPlace(double truth) {
  double magnitude = std::max(std::abs(truth), 0x1p-126);
  return std::ldexp(1.0, std::max(std::ilogb(magnitude), -126) - 23);
}

class ApproximateMath : public testing::TestWithParam<Case> {};

TEST_P(ApproximateMath, StaysWithinItsError) {
  const Case &tested = GetParam();
  Compiled compiled(tested.function, tested.lanes);
  constexpr int blocks = 20000;
  double worst = 0, at = 0;
  for (int block = 0; block < blocks; ++block) {
    float inputs[16], outputs[16];
    for (int lane = 0; lane < 16; ++lane) {
      double place = (block * 16 + lane) / (blocks * 16.0 - 1);
      // Ranges over many orders of magnitude are scanned evenly in them.
      inputs[lane] = outputs[lane] = static_cast<float>(
          tested.low > 0 && tested.high / tested.low > 1e6
              ? tested.low * std::pow(double(tested.high) / tested.low, place)
              : tested.low + (double(tested.high) - tested.low) * place);
    }
    compiled(outputs);
    for (int lane = 0; lane < 16; ++lane) {
      double truth = tested.truth(inputs[lane]);
      double error = std::abs(outputs[lane] - truth) / unitOfLastPlace(truth);
      if (!(error <= worst))
        worst = error, at = inputs[lane];
    }
  }
  RecordProperty("ulps", std::to_string(worst));
  EXPECT_LE(worst, tested.ulps) << tested.function << " at " << at;
}

INSTANTIATE_TEST_SUITE_P(All, ApproximateMath, testing::ValuesIn(cases));

// A product of thousands of λ's near 1 adds up what each is off by.
class Sigmoids : public testing::TestWithParam<int> {};

TEST_P(Sigmoids, NearOneErrToNoSide) {
  Compiled compiled("sigmoid", sigmoid, GetParam());
  constexpr int blocks = 20000;
  double sum = 0;
  for (int block = 0; block < blocks; ++block) {
    float inputs[16], outputs[16];
    for (int lane = 0; lane < 16; ++lane)
      inputs[lane] = outputs[lane] =
          static_cast<float>(7.5 + (block * 16 + lane) / (blocks * 16.0));
    compiled(outputs);
    for (int lane = 0; lane < 16; ++lane)
      sum += outputs[lane] - 1 / (1 + std::exp(-double(inputs[lane])));
  }
  EXPECT_LE(std::abs(sum / (blocks * 16)), 1e-10);
  EXPECT_EQ(compiled(infinity), 1);
  EXPECT_EQ(compiled(-infinity), 0);
  EXPECT_EQ(compiled(0), 0.5f);
  EXPECT_TRUE(std::isnan(compiled(nan)));
}

INSTANTIATE_TEST_SUITE_P(Lanes, Sigmoids, testing::Values(8, 16));

struct Special {
  const char *function;
  float input, output;
};

constexpr Special specials[] = {
    {"exp", 0, 1},
    {"exp", infinity, infinity},
    {"exp", -infinity, 0},
    {"exp", -200, 0},
    {"exp", 100, infinity},
    {"exp", nan, nan},
    {"log", 1, 0},
    {"log", 0, -infinity},
    {"log", infinity, infinity},
    {"log", -1, nan},
    {"log", nan, nan},
    {"log1p", 0, 0},
    {"log1p", -1, -infinity},
    {"log1p", infinity, infinity},
    {"log1p", nan, nan},
    {"expm1", 0, 0},
    {"expm1", -infinity, -1},
    {"expm1", infinity, infinity},
    {"expm1", nan, nan},
    {"tanh", 0, 0},
    {"tanh", 50, 1},
    {"tanh", -50, -1},
    {"tanh", infinity, 1},
    {"tanh", nan, nan},
};

TEST(ApproximateMath, SpecialValues) {
  for (int lanes : {8, 16})
    for (const Special &special : specials) {
      float output = Compiled(special.function, lanes)(special.input);
      if (std::isnan(special.output))
        EXPECT_TRUE(std::isnan(output))
            << special.function << "(" << special.input << ") = " << output;
      else
        EXPECT_EQ(output, special.output)
            << special.function << "(" << special.input << ")";
    }
}

} // namespace
} // namespace decay::cpu
