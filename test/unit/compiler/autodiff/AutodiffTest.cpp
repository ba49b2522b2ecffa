//===- AutodiffTest.cpp - Shapes of derived and rewritten IR --------------===//
#include "compiler/autodiff/Passes.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

namespace decay {
namespace {

/// Runs passes over IR text; holds the text that comes out.
struct Processed {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string text;

  Processed(const std::string &source, const char *pipeline) {
    context.loadDialect<ir::DecayDialect, mlir::func::FuncDialect>();
    registerAutodiffPasses();
    module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
    EXPECT_TRUE(module);
    mlir::PassManager manager(&context);
    EXPECT_TRUE(succeeded(mlir::parsePassPipeline(pipeline, manager)));
    EXPECT_TRUE(succeeded(manager.run(*module)));
    llvm::raw_string_ostream stream(text);
    module->print(stream);
  }
  bool says(const std::string &fragment) const {
    return text.find(fragment) != std::string::npos;
  }
};

const char *simpleDecay = R"(
!key = !decay.field<token, head, channel>
!value = !decay.field<token, head, value>
!parameter = !decay.field<head, channel>
!state = !decay.field<sequence, head, channel, value>
func.func @forward(
    %q: !key {decay.name = "q", decay.role = "projection"},
    %k: !key {decay.name = "k", decay.role = "projection"},
    %v: !value {decay.name = "v", decay.role = "projection"},
    %f: !key {decay.name = "f", decay.role = "projection"},
    %delta: !parameter {decay.name = "delta", decay.role = "parameter"},
    %initial: !state {decay.name = "initial_state", decay.role = "initial"})
    -> (!value {decay.name = "o"}, !state {decay.name = "final_state"}) {
  %x = decay.map "add"(%f, %delta) : (!key, !parameter) -> !key
  %lambda = decay.map "sigmoid"(%x) : (!key) -> !key
  %o, %final = decay.recurrence q %q k %k v %v lambda %lambda initial %initial
      : (!key, !key, !value, !key, !state) -> (!value, !state)
  return %o, %final : !value, !state
})";

TEST(DeriveGradient, namesFollowTheConvention) {
  Processed processed(simpleDecay, "derive-gradient,simplify");
  auto backward =
      processed.module->lookupSymbol<mlir::func::FuncOp>("backward");
  ASSERT_TRUE(backward);
  std::vector<std::string> arguments, results;
  for (unsigned index = 0; index < backward.getNumArguments(); ++index)
    arguments.push_back(
        backward.getArgAttrOfType<mlir::StringAttr>(index, "decay.name").str());
  for (unsigned index = 0; index < backward.getNumResults(); ++index)
    results.push_back(
        backward.getResultAttrOfType<mlir::StringAttr>(index, "decay.name")
            .str());
  EXPECT_EQ(arguments, (std::vector<std::string>{"q", "k", "v", "f", "delta",
                                                 "initial_state", "d_o",
                                                 "d_final_state"}));
  EXPECT_EQ(results, (std::vector<std::string>{"d_q", "d_k", "d_v", "d_f",
                                               "d_delta", "d_initial_state"}));
}

TEST(DeriveGradient, broadcastBecomesSum) {
  Processed processed(simpleDecay, "derive-gradient,simplify");
  EXPECT_TRUE(processed.says("decay.recurrence_gradient")) << processed.text;
  EXPECT_TRUE(processed.says("decay.sum")) << processed.text;
  EXPECT_FALSE(processed.says("\"add\"(%0, %0")) << processed.text;
}

/// A function of one token field, and of one parameter, for formulas.
std::string formula(const std::string &body) {
  return "!t = !decay.field<token, head>\n!n = !decay.field<>\n"
         "!s = !decay.field<sequence, head>\n"
         "func.func @forward(%x: !t, %b: !n, %z0: !s) -> !t {\n"
         "%one = decay.constant 1.0 : !n\n" +
         body + "\nreturn %r : !t }";
}

TEST(RewriteHazards, complementOfSigmoid) {
  Processed processed(
      formula("%s = decay.map \"sigmoid\"(%x) : (!t) -> !t\n"
              "%r = decay.map \"sub\"(%one, %s) : (!n, !t) -> !t"),
      "rewrite-hazards");
  EXPECT_TRUE(processed.says("\"neg\"(%arg0)")) << processed.text;
  EXPECT_FALSE(processed.says("\"sub\"")) << processed.text;
}

TEST(RewriteHazards, exponentialOfNegatedSoftplus) {
  Processed processed(
      formula("%s = decay.map \"softplus\"(%x) : (!t) -> !t\n"
              "%m = decay.map \"neg\"(%s) : (!t) -> !t\n"
              "%l = decay.map \"exp\"(%m) : (!t) -> !t\n"
              "%r = decay.map \"sub\"(%one, %l) : (!n, !t) -> !t"),
      "rewrite-hazards");
  EXPECT_TRUE(processed.says("\"sigmoid\"(%arg0)")) << processed.text;
  EXPECT_FALSE(processed.says("\"neg\"")) << processed.text;
}

TEST(RewriteHazards, stepOfLogcumsumexp) {
  Processed processed(
      formula("%z, %p, %f = decay.scan \"logcumsumexp\" %x from %z0 "
              ": (!t, !s) -> (!t, !t, !s)\n"
              "%g = decay.map \"sub\"(%p, %z) : (!t, !t) -> !t\n"
              "%l = decay.map \"exp\"(%g) : (!t) -> !t\n"
              "%r = decay.map \"sub\"(%one, %l) : (!n, !t) -> !t"),
      "rewrite-hazards");
  EXPECT_TRUE(processed.says("\"sub\"(%arg0, %exclusive)")) << processed.text;
  EXPECT_TRUE(processed.says("\"sigmoid\"(%0)")) << processed.text;
  EXPECT_FALSE(processed.says("\"exp\"")) << processed.text;
}

TEST(RewriteHazards, complementOfCumulativeRatio) {
  Processed processed(
      formula("%z, %p, %f = decay.scan \"cumsum\" %x from %z0 "
              ": (!t, !s) -> (!t, !t, !s)\n"
              "%a = decay.map \"add\"(%z, %b) : (!t, !n) -> !t\n"
              "%c = decay.map \"add\"(%p, %b) : (!t, !n) -> !t\n"
              "%l = decay.map \"div\"(%c, %a) : (!t, !t) -> !t\n"
              "%r = decay.map \"sub\"(%one, %l) : (!n, !t) -> !t"),
      "rewrite-hazards");
  EXPECT_TRUE(processed.says("\"div\"(%arg0, ")) << processed.text;
  EXPECT_FALSE(processed.says("\"sub\"")) << processed.text;
}

TEST(RewriteHazards, complementOfBoundedSigmoid) {
  Processed processed(
      formula("%s = decay.map \"sigmoid\"(%x) : (!t) -> !t\n"
              "%c = decay.map \"sub\"(%one, %b) : (!n, !n) -> !n\n"
              "%m = decay.map \"mul\"(%c, %s) : (!n, !t) -> !t\n"
              "%l = decay.map \"add\"(%b, %m) : (!n, !t) -> !t\n"
              "%r = decay.map \"sub\"(%one, %l) : (!n, !t) -> !t"),
      "rewrite-hazards");
  EXPECT_FALSE(processed.says("\"add\"")) << processed.text;
  EXPECT_TRUE(processed.says("\"neg\"(%arg0)")) << processed.text;
}

TEST(Simplify, foldsConstantsAndNeutralElements) {
  Processed processed(
      formula("%y = decay.map \"mul\"(%one, %x) : (!n, !t) -> !t\n"
              "%e = decay.map \"log\"(%one) : (!n) -> !n\n"
              "%r = decay.map \"add\"(%y, %e) : (!t, !n) -> !t"),
      "simplify");
  EXPECT_TRUE(processed.says("return %arg0")) << processed.text;
  EXPECT_FALSE(processed.says("decay.map")) << processed.text;
}

} // namespace
} // namespace decay
