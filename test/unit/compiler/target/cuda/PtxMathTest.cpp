//===- PtxMathTest.cpp - The errors of the GPU's math formulas ------------===//
//
// The formulas are compiled for this machine; in place of the GPU's approximate
// instructions stand functions that are as wrong as the instructions may be.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/Target.h"
#include "compiler/target/cuda/codegen/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/Core.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace decay::cuda {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
/// What errors are counted in.
constexpr double unit = 0x1p-24;

//===----------------------------------------------------------------------===//
// Stand-ins
//===----------------------------------------------------------------------===//

float flushed(double value) {
  auto single = static_cast<float>(value);
  return std::fabs(single) < 0x1p-126f ? std::copysign(0.0f, single) : single;
}

/// -1, 0 or 1 without a pattern.
int direction(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x) * 2654435761u;
  return static_cast<int>(bits >> 16) % 3 - 1;
}

template <double (*function)(double), int worst> float relative(float x) {
  double exact = function(flushed(x));
  // As the instructions, which have no error where there is nothing to round.
  if (exact == 1)
    return 1;
  return flushed(exact * (1 + direction(x) * (worst - 1) * unit));
}
double reciprocal(double x) { return 1 / x; }
double inverseRoot(double x) { return 1 / std::sqrt(x); }

float logarithm(float x) {
  double exact = std::log2(static_cast<double>(flushed(x)));
  double error = direction(x) * 4 * unit;
  return flushed(x >= 0.5f && x <= 2 ? exact + error : exact * (1 + error));
}

struct StandIn {
  const char *intrinsic, *name;
  float (*function)(float);
};
constexpr StandIn standIns[] = {
    {"llvm.nvvm.ex2.approx.ftz.f32", "ex2", relative<std::exp2, 4>},
    {"llvm.nvvm.lg2.approx.ftz.f", "lg2", logarithm},
    {"llvm.nvvm.rcp.approx.ftz.f", "rcp", relative<reciprocal, 2>},
    {"llvm.nvvm.sqrt.approx.ftz.f", "sqrt_approx", relative<std::sqrt, 3>},
    {"llvm.nvvm.rsqrt.approx.ftz.f", "rsqrt", relative<inverseRoot, 3>},
};

void useStandIns(mlir::ModuleOp module) {
  mlir::OpBuilder builder(module.getBodyRegion());
  mlir::Type real = builder.getF32Type();
  for (const StandIn &row : standIns)
    mlir::func::FuncOp::create(builder, module.getLoc(), row.name,
                               builder.getFunctionType({real}, {real}))
        .setPrivate();
  module.walk([&](mlir::LLVM::CallIntrinsicOp call) {
    for (const StandIn &row : standIns)
      if (call.getIntrin() == row.intrinsic) {
        builder.setInsertionPoint(call);
        call.getResult(0).replaceAllUsesWith(
            mlir::func::CallOp::create(builder, call.getLoc(), row.name, real,
                                       call.getArgs())
                .getResult(0));
        call.erase();
        return;
      }
    ADD_FAILURE() << "no stand-in for " << call.getIntrin().str();
  });
}

//===----------------------------------------------------------------------===//
// Functions of the pass, compiled for this machine
//===----------------------------------------------------------------------===//

constexpr const char *unaries = "exp exp2 expm1 log log1p log2 tanh sqrt rsqrt";

std::string source() {
  std::string text;
  auto function = [&](const std::string &name, const std::string &body,
                      const char *type = "f32") {
    text += llvm::formatv("func.func @{0}(%x: {2}, %y: {2}) -> {2} {{\n"
                          "  %r = {1} : {2}\n  return %r : {2}\n}\n",
                          name, body, type);
  };
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(unaries).split(names, ' ');
  for (llvm::StringRef name : names) {
    function("usual_" + name.str(), "math." + name.str() + " %x");
    function("short_" + name.str(), "math." + name.str() + " %x fastmath<afn>");
  }
  for (const char *name : {"sin", "cos"}) {
    function(std::string("usual_") + name, std::string("math.") + name + " %x");
    function(std::string("wide_") + name, std::string("math.") + name + " %x",
             "f64");
  }
  function("wide_exp", "math.exp %x", "f64");
  function("wide_exp2", "math.exp2 %x", "f64");
  function("divide", "arith.divf %x, %y");
  function("power", "math.powf %x, %y");
  return text;
}

class Compiled {
public:
  /// `isExact`: as for a package of precision fp32.
  explicit Compiled(bool isExact) {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    mlir::DialectRegistry registry;
    registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect,
                    mlir::LLVM::LLVMDialect, mlir::math::MathDialect>();
    mlir::registerBuiltinDialectTranslation(registry);
    mlir::registerLLVMDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    auto module = mlir::parseSourceString<mlir::ModuleOp>(source(), &context);
    if (isExact)
      (*module)->setAttr(precisionAttribute,
                         mlir::StringAttr::get(&context, "fp32"));
    mlir::PassManager expand(&context);
    expand.addPass(createPtxMath());
    EXPECT_TRUE(mlir::succeeded(expand.run(*module)));
    useStandIns(*module);
    mlir::PassManager lower(&context);
    lower.addPass(mlir::createConvertMathToLLVMPass());
    lower.addPass(mlir::createArithToLLVMConversionPass());
    lower.addPass(mlir::createConvertFuncToLLVMPass());
    lower.addPass(mlir::createReconcileUnrealizedCastsPass());
    EXPECT_TRUE(mlir::succeeded(lower.run(*module)));
    auto made = mlir::ExecutionEngine::create(*module);
    EXPECT_TRUE(static_cast<bool>(made)) << llvm::toString(made.takeError());
    engine = std::move(*made);
    engine->registerSymbols([](llvm::orc::MangleAndInterner mangle) {
      llvm::orc::SymbolMap symbols;
      for (const StandIn &row : standIns)
        symbols[mangle(row.name)] = {
            llvm::orc::ExecutorAddr::fromPtr(row.function),
            llvm::JITSymbolFlags::Exported};
      return symbols;
    });
  }
  template <typename Real>
  auto find(const std::string &name) -> Real (*)(Real, Real) {
    auto address = engine->lookup(name);
    EXPECT_TRUE(static_cast<bool>(address))
        << llvm::toString(address.takeError());
    return reinterpret_cast<Real (*)(Real, Real)>(*address);
  }

private:
  mlir::MLIRContext context;
  std::unique_ptr<mlir::ExecutionEngine> engine;
};

/// The functions, compiled once; gone before main ends, as LLVM's own statics
/// are needed to take them down.
class PtxMathTest : public testing::Test {
protected:
  static void SetUpTestSuite() { instance = std::make_unique<Compiled>(false); }
  static void TearDownTestSuite() { instance.reset(); }
  static Compiled &compiled() { return *instance; }

private:
  static std::unique_ptr<Compiled> instance;
};
std::unique_ptr<Compiled> PtxMathTest::instance;

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

using Reference = double (*)(double);

struct Claim {
  const char *function;
  Reference exact;
  float least, most;
  double units;       ///< relative error
  double perArgument; ///< more units for each unit of |x|
  bool absolute = false;
};
constexpr Claim claims[] = {
    {"usual_exp", std::exp, -87.3f, 88.7f, 7, 0},
    {"short_exp", std::exp, -87.3f, 88.7f, 5, 1.3},
    {"usual_exp2", std::exp2, -125.9f, 127.9f, 5, 0},
    {"usual_expm1", std::expm1, -200, 88.7f, 16, 0},
    {"short_expm1", std::expm1, -200, 1, 16, 0},
    {"usual_log", std::log, 0x1p-149f, 0x1.fp127f, 4, 0},
    {"usual_log2", std::log2, 0x1p-149f, 0x1.fp127f, 6, 0},
    {"short_log2", std::log2, 0x1p-126f, 0.49f, 5, 0},
    {"short_log2", std::log2, 0.5f, 2, 5, 0, true},
    {"short_log", std::log, 2.01f, 0x1.fp127f, 7, 0},
    {"usual_log1p", std::log1p, -0.99999f, 0x1.fp127f, 4, 0},
    {"usual_tanh", std::tanh, -100, 100, 8, 0},
    {"usual_sqrt", std::sqrt, 0x1p-126f, 0x1.fp127f, 3, 0},
    {"usual_rsqrt", inverseRoot, 0x1p-126f, 0x1.fp127f, 3, 0},
    {"usual_sin", std::sin, -1e6f, 1e6f, 2, 0, true},
    {"usual_cos", std::cos, -1e6f, 1e6f, 2, 0, true},
};

/// Every 1021st number of the range, in both signs.
template <typename Visit> void sweep(float least, float most, Visit visit) {
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 1021)
    for (float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)})
      if (x >= least && x <= most)
        visit(x);
}

TEST_F(PtxMathTest, errorsAreWithinTheirBounds) {
  for (const Claim &claim : claims) {
    auto function = compiled().find<float>(claim.function);
    double worst = 0, at = 0;
    sweep(claim.least, claim.most, [&](float x) {
      double exact = claim.exact(x), found = function(x, 0);
      double error = std::fabs(found - exact) / unit;
      if (!claim.absolute)
        error /= std::max(std::fabs(exact), 0x1p-126);
      error /= claim.units + claim.perArgument * std::fabs(x);
      if (!(error <= worst)) {
        worst = error;
        at = x;
      }
    });
    EXPECT_LE(worst, 1) << claim.function << " at " << at;
    RecordProperty(claim.function, std::to_string(worst * claim.units));
  }
}

TEST_F(PtxMathTest, endsAreExact) {
  struct Point {
    const char *function;
    float argument, expected;
  };
  constexpr Point points[] = {
      {"usual_exp", -infinity, 0},
      {"usual_exp", -1e30f, 0},
      {"usual_exp", -88, 0},
      {"usual_exp", 88.73f, infinity},
      {"usual_exp", 3e38f, infinity},
      {"usual_exp", infinity, infinity},
      {"usual_exp", nan, nan},
      {"usual_exp", 0, 1},
      {"short_exp", -infinity, 0},
      {"short_exp", infinity, infinity},
      {"usual_exp2", -infinity, 0},
      {"usual_exp2", 128, infinity},
      {"usual_expm1", -infinity, -1},
      {"usual_expm1", infinity, infinity},
      {"usual_expm1", 0, 0},
      {"usual_expm1", 1e-40f, 1e-40f},
      {"usual_expm1", nan, nan},
      {"usual_log", 0, -infinity},
      {"usual_log", -0.0f, -infinity},
      {"usual_log", 1, 0},
      {"usual_log", infinity, infinity},
      {"usual_log", -1, nan},
      {"usual_log", nan, nan},
      {"usual_log1p", -1, -infinity},
      {"usual_log1p", -2, nan},
      {"usual_log1p", infinity, infinity},
      {"usual_log1p", 0, 0},
      {"usual_log1p", 1e-40f, 1e-40f},
      {"usual_log1p", nan, nan},
      {"usual_tanh", infinity, 1},
      {"usual_tanh", -infinity, -1},
      {"usual_tanh", 0, 0},
      {"usual_tanh", nan, nan},
      {"usual_sqrt", 0, 0},
      {"usual_sqrt", infinity, infinity},
      {"usual_sqrt", -1, nan},
      {"usual_rsqrt", 0, infinity},
      {"usual_rsqrt", infinity, 0},
      {"usual_sin", 0, 0},
      {"usual_cos", 0, 1},
  };
  for (const Point &point : points) {
    float found = compiled().find<float>(point.function)(point.argument, 0);
    EXPECT_TRUE(std::isnan(point.expected) ? std::isnan(found)
                                           : found == point.expected)
        << point.function << "(" << point.argument << ") is " << found;
  }
}

TEST_F(PtxMathTest, exactOnesAreSo) {
  Compiled exact(true);
  auto exp = exact.find<float>("usual_exp");
  auto divide = exact.find<float>("divide");
  double worst = 0;
  sweep(-infinity, infinity, [&](float x) {
    double wanted = std::exp(static_cast<double>(x));
    if (wanted > std::numeric_limits<float>::max())
      EXPECT_EQ(exp(x, 0), infinity) << x;
    else
      worst = std::max(worst, std::fabs(exp(x, 0) - wanted) /
                                  std::max(1.5 * unit * wanted, 0x1p-149));
    EXPECT_EQ(divide(x, 3), x / 3) << x;
  });
  EXPECT_LE(worst, 1);
  EXPECT_EQ(exp(0, 0), 1);
  EXPECT_EQ(exp(-infinity, 0), 0);
  EXPECT_EQ(exp(infinity, 0), infinity);
  EXPECT_TRUE(std::isnan(exp(nan, 0)));
}

TEST_F(PtxMathTest, quotientsAndPowers) {
  auto divide = compiled().find<float>("divide");
  auto power = compiled().find<float>("power");
  for (float y : {1.0f, -3.0f, 0x1p-120f, 0x1p125f, 7e-20f, 1e9f})
    for (float x : {1.0f, 5.0f, -0.3f}) {
      double exact = static_cast<double>(x) / y;
      EXPECT_LE(std::fabs(divide(x, y) - exact) / std::fabs(exact), 4 * unit);
    }
  EXPECT_EQ(divide(1, infinity), 0);
  EXPECT_EQ(divide(1, 0), infinity);
  EXPECT_TRUE(std::isnan(divide(0, 0)));
  EXPECT_TRUE(std::isnan(divide(infinity, infinity)));
  for (float x : {0.5f, 3.0f, 1e-10f, 1e4f})
    for (float y : {0.5f, -1.0f, 2.5f, 3.0f}) {
      double exact = std::pow(static_cast<double>(x), static_cast<double>(y));
      double units = 8 + 5 * std::fabs(y * std::log(x));
      EXPECT_LE(std::fabs(power(x, y) - exact) / exact, units * unit);
    }
  EXPECT_EQ(power(0, 2), 0);
}

TEST_F(PtxMathTest, anglesAndExponentialsOfDoubles) {
  auto sine = compiled().find<double>("wide_sin");
  auto cosine = compiled().find<double>("wide_cos");
  for (double x = 1e-3; x < 2e9; x *= 1.00017)
    for (double angle : {x, -x}) {
      ASSERT_LE(std::fabs(sine(angle, 0) - std::sin(angle)), 2 * unit) << angle;
      ASSERT_LE(std::fabs(cosine(angle, 0) - std::cos(angle)), 2 * unit)
          << angle;
    }
  auto exponential = compiled().find<double>("wide_exp");
  auto power = compiled().find<double>("wide_exp2");
  for (double x = -690; x < 690; x += 0.37) {
    EXPECT_LE(std::fabs(exponential(x, 0) / std::exp(x) - 1), 0x1p-50) << x;
    EXPECT_LE(std::fabs(power(x, 0) / std::exp2(x) - 1), 0x1p-43) << x;
  }
}

} // namespace
} // namespace decay::cuda
