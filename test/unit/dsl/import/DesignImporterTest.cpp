//===- DesignImporterTest.cpp - Hand-built designs and their IR -----------===//
#include "dsl/import/DesignImporter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

namespace decay::dsl {
namespace {

constexpr Axes number{}, layered{true, false, true, true};
constexpr Axes perChannel{false, false, true, true};
constexpr Axes perToken{false, true, true, true};

/// Appends nodes to a design; returns their ids.
struct Builder {
  CheckedDesign design;

  NodeId add(Node node) {
    node.place = {static_cast<unsigned>(design.nodes.size() + 1), 3};
    design.nodes.push_back(std::move(node));
    return static_cast<NodeId>(design.nodes.size() - 1);
  }
  NodeId constant(double value) {
    return add({NodeKind::Constant, "", {}, value, -1, number, {}});
  }
  NodeId op(const char *name, std::vector<NodeId> operands, Axes axes) {
    return add(
        {NodeKind::Operator, name, std::move(operands), 0, -1, axes, {}});
  }
  NodeId projection(const char *name) {
    design.projections.push_back(
        {name, Projection::Kind::Full, 0, false, perToken, {}});
    return add({NodeKind::Projection,
                "",
                {},
                0,
                static_cast<int32_t>(design.projections.size() - 1),
                perToken,
                {}});
  }
  NodeId parameter(const char *name, Axes axes, NodeId initialiser) {
    design.parameters.push_back({name, axes, initialiser, true, {}});
    return add({NodeKind::Parameter,
                "",
                {},
                0,
                static_cast<int32_t>(design.parameters.size() - 1),
                axes,
                {}});
  }
  void keyQueryValue() {
    design.name = "hand_built";
    design.fileName = "hand_built.decay";
    design.q = op("silu", {projection("q")}, perToken);
    design.k = op("silu", {projection("k")}, perToken);
    design.v = projection("v");
  }
};

struct Imported {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string text;

  explicit Imported(const CheckedDesign &design)
      : module(importDesign(context, design)) {
    EXPECT_TRUE(succeeded(mlir::verify(*module)));
    llvm::raw_string_ostream stream(text);
    module->print(stream, mlir::OpPrintingFlags().enableDebugInfo());
  }
  bool says(const char *fragment) const {
    return text.find(fragment) != std::string::npos;
  }
};

CheckedDesign simpleDecay() {
  Builder b;
  b.keyQueryValue();
  NodeId delta = b.parameter("delta", perChannel, b.constant(4.5));
  NodeId sum = b.op("add", {b.projection("f"), delta}, perToken);
  b.design.lambda = b.op("sigmoid", {sum}, perToken);
  return b.design;
}

TEST(DesignImporter, argumentsAndResultsFollowTheConvention) {
  Imported imported(simpleDecay());
  auto forward = imported.module->lookupSymbol<mlir::func::FuncOp>("forward");
  std::vector<std::pair<std::string, std::string>> slots;
  for (unsigned index = 0; index < forward.getNumArguments(); ++index)
    slots.emplace_back(
        forward.getArgAttrOfType<mlir::StringAttr>(index, "decay.name").str(),
        forward.getArgAttrOfType<mlir::StringAttr>(index, "decay.role").str());
  std::vector<std::pair<std::string, std::string>> expected{
      {"q", "projection"},    {"k", "projection"},
      {"v", "projection"},    {"f", "projection"},
      {"delta", "parameter"}, {"initial_state", "initial"}};
  EXPECT_EQ(slots, expected);
  EXPECT_EQ(forward.getResultAttrOfType<mlir::StringAttr>(0, "decay.name"),
            "o");
  EXPECT_EQ(forward.getResultAttrOfType<mlir::StringAttr>(1, "decay.name"),
            "final_state");
  auto initialisers =
      imported.module->lookupSymbol<mlir::func::FuncOp>("init_parameters");
  EXPECT_EQ(initialisers.getResultAttrOfType<mlir::StringAttr>(0, "decay.name"),
            "delta");
  EXPECT_TRUE(imported.says("decay.broadcast"))
      << "a constant fills a parameter:\n"
      << imported.text;
}

TEST(DesignImporter, valueRunsAlongV) {
  Imported imported(simpleDecay());
  EXPECT_TRUE(imported.says("%arg2: !decay.field<token, head, value>"))
      << imported.text;
}

TEST(DesignImporter, keepsPlaces) {
  Imported imported(simpleDecay());
  EXPECT_TRUE(imported.says("\"hand_built.decay\":2:3")) << imported.text;
}

TEST(DesignImporter, logLambdaIsExponentiatedAndChecked) {
  CheckedDesign design = simpleDecay();
  design.logLambda = std::exchange(design.lambda, noNode);
  design.checkLambdaAtRunTime = true;
  Imported imported(design);
  EXPECT_TRUE(imported.says("decay.map \"exp\"")) << imported.text;
  EXPECT_TRUE(imported.says("decay.check_range")) << imported.text;
}

TEST(DesignImporter, positionTurnsQueryAndKey) {
  CheckedDesign design = simpleDecay();
  design.position = Position::LrpeCosine;
  Imported imported(design);
  EXPECT_TRUE(imported.says("decay.rotate \"lrpe_cosine\"")) << imported.text;
  EXPECT_TRUE(
      imported.says("!decay.field<sequence, head, pair, channel, value>"))
      << imported.text;
}

TEST(DesignImporter, carryStartsAtItsConstant) {
  Builder b;
  b.keyQueryValue();
  NodeId f = b.projection("f"), start = b.constant(0.5);
  b.design.carries.push_back({"z", perChannel, {}});
  NodeId z =
      b.add({NodeKind::Scan, "logcumsumexp", {f, start}, 0, 0, perToken, {}});
  NodeId previous = b.add({NodeKind::Previous, "", {z}, 0, -1, perToken, {}});
  b.design.logLambda = b.op("sub", {previous, z}, perToken);
  Imported imported(b.design);
  EXPECT_TRUE(imported.says("decay.scan \"logcumsumexp\"")) << imported.text;
  EXPECT_TRUE(imported.says("decay.name = \"initial_z\"")) << imported.text;
  EXPECT_TRUE(imported.says("decay.name = \"final_z\"")) << imported.text;
}

TEST(DesignImporter, crossLayerBoundAndItsInitialiser) {
  Builder b;
  b.keyQueryValue();
  NodeId uniform = b.add(
      {NodeKind::Uniform, "", {b.constant(0), b.constant(1)}, 0, -1, {}, {}});
  NodeId theta = b.parameter("theta", layered, uniform);
  NodeId softmax =
      b.add({NodeKind::AcrossLayers, "softmax", {theta}, 0, -1, layered, {}});
  NodeId bound =
      b.add({NodeKind::AtLayer, "", {softmax}, 0, -1, perChannel, {}});
  b.design.lambda = b.op(
      "max", {bound, b.op("sigmoid", {b.projection("f")}, perToken)}, perToken);
  Imported imported(b.design);
  EXPECT_TRUE(imported.says("decay.across_layers \"softmax\""))
      << imported.text;
  EXPECT_TRUE(imported.says("decay.at_layer")) << imported.text;
  // A draw for each element, whatever the axes of its bounds.
  EXPECT_TRUE(imported.says("decay.random \"uniform\" stream 0"))
      << imported.text;
  EXPECT_TRUE(imported.says("!decay.field<>, !decay.field<>) -> "
                            "!decay.field<layer, head, channel>"))
      << imported.text;
}

TEST(DesignImporter, constantKeysAreSpreadOverTokens) {
  Builder b;
  b.keyQueryValue();
  b.design.q = b.parameter("rho", perChannel, b.constant(1));
  b.design.k = b.parameter("kappa", perChannel, b.constant(1));
  b.design.lambda = b.op("sigmoid", {b.projection("f")}, perToken);
  Imported imported(b.design);
  EXPECT_TRUE(imported.says("decay.broadcast %arg4")) << imported.text;
}

} // namespace
} // namespace decay::dsl
