//===- ImportMutationTest.cpp - What the checker takes, the importer takes
//-===//
//
// Mutated library files that are still right designs: odd ones, which nobody
// would write. Each becomes valid IR.
//
//===----------------------------------------------------------------------===//
#include "dsl/import/DesignImporter.h"
#include "dsl/library/Library.h"
#include "test/fuzz/dsl/CheckInput.h"
#include "test/fuzz/dsl/Mutator.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace decay::dsl;

namespace {

void expectValid(mlir::MLIRContext &context, const CheckedDesign &design) {
  mlir::OwningOpRef<mlir::ModuleOp> module = importDesign(context, design);
  ASSERT_TRUE(module);
  EXPECT_TRUE(mlir::succeeded(mlir::verify(*module)));
}

TEST(ImportMutation, WhatIsTakenBecomesValid) {
  mlir::MLIRContext context;
  llvm::ArrayRef<EmbeddedFile> files = embeddedFiles();
  int imported = 0;
  for (unsigned seed = 0; seed < 6000; ++seed) {
    SCOPED_TRACE(seed);
    std::string text = Mutator(seed).mutate(files[seed % files.size()].text);
    Diagnostics diagnostics;
    std::optional<CheckedDesign> design =
        checkDesign({"input.decay", text}, "", settingsFor(seed), diagnostics);
    if (!design)
      continue;
    ++imported;
    expectValid(context, *design);
  }
  EXPECT_GT(imported, 300);
}

TEST(ImportMutation, LinesInAnyCompanyBecomeValid) {
  mlir::MLIRContext context;
  int imported = 0;
  for (unsigned seed = 0; seed < 10000; ++seed) {
    SCOPED_TRACE(seed);
    Diagnostics diagnostics;
    std::optional<CheckedDesign> design = checkDesign(
        {"input.decay", randomLines(seed)}, "", settingsFor(seed), diagnostics);
    if (!design)
      continue;
    ++imported;
    expectValid(context, *design);
  }
  EXPECT_GT(imported, 300);
}

/// Shapes at the edge of what the language allows.
TEST(ImportMutation, OddShapesBecomeValid) {
  const char *lines[] = {
      "  λ = 0.5",
      "  λ = 0.5\n  q = 1\n  k = 2\n  v = 3",
      "  λ = 0.5\n  v = v * head\n  k = head",
      "  learn a[] = 1\n  λ = sigmoid(a)",
      "  learn a[layers] = 1\n  λ = sigmoid(a)",
      "  learn a[layers] = uniform(0, 1)\n  λ = sigmoid(first(a) + a)",
      "  learn a[channel] = 1\n  λ = 0.5\n  k = a",
      "  learn a[channel] = 1\n  λ = 0.5\n  v = v * sigmoid(g)\n"
      "  project g per_head\n  q = a * q",
      "  project g per_head\n  λ = 0.5\n  v = g",
      "  project g per_head\n  carry z = cumsum(sigmoid(g)) from 1\n"
      "  λ = prev(z) / z\n  v = v * z",
      "  carry z = latest(k) from head\n  λ = sigmoid(prev(z))",
      "  carry z = logcumsumexp(q) from layer\n  λ = sigmoid(z)\n"
      "  carry y = cumsum(prev(z)) from 0\n  k = y",
      "  λ = sigmoid(q) * sigmoid(k)",
      "  q = k\n  λ = sigmoid(layer / layers)",
      "  log λ = -1 / heads",
      "  λ = 0\n  project v lowrank(3) bias",
  };
  mlir::MLIRContext context;
  for (const char *line : lines)
    for (const char *granularity : {"vector", "scalar"})
      for (const char *position : {"none", "rope", "lrpe_cosine"}) {
        SCOPED_TRACE(line);
        Diagnostics diagnostics;
        std::optional<CheckedDesign> design = checkDesign(
            {"odd.decay", std::string("design odd\n") + line + "\n"}, "",
            {{"granularity", granularity}, {"position", position}},
            diagnostics);
        bool isRefused =
            granularity == std::string("scalar") && !design.has_value();
        if (isRefused) {
          EXPECT_EQ(diagnostics.all().front().id(), "decay-has-channels")
              << diagnostics.render();
          continue;
        }
        ASSERT_TRUE(design) << diagnostics.render();
        expectValid(context, *design);
      }
}

} // namespace
