//===- Designs.cpp - Library designs under all their settings -------------===//
#include "test/numeric/support/Designs.h"

#include "compiler/autodiff/Passes.h"
#include "dsl/import/DesignImporter.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"

#include <fstream>
#include <utility>

namespace decay::test {

std::string LibraryCase::name() const {
  std::string text = design;
  for (const auto &[setting, value] : settings)
    text += " " + setting + "=" + value;
  return text;
}

std::optional<dsl::CheckedDesign> check(const LibraryCase &libraryCase,
                                        std::string &problem) {
  dsl::Diagnostics diagnostics;
  auto source = dsl::findLibraryDesign(libraryCase.design);
  std::string name = libraryCase.design;
  if (name.ends_with(".decay")) {
    std::ifstream file(name);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    source = dsl::DesignSource{std::exchange(name, ""), std::move(text)};
  }
  if (!source) {
    problem = "no such design";
    return std::nullopt;
  }
  auto design =
      dsl::checkDesign(*source, name, libraryCase.settings, diagnostics);
  problem = diagnostics.render();
  return design;
}

/// The values that a design allows for one of its common settings.
static llvm::SmallVector<std::string>
allowedValues(const dsl::CheckedDesign &design, llvm::StringRef name) {
  llvm::SmallVector<std::string> values;
  for (const dsl::Setting &setting : design.settings)
    if (setting.name == name)
      for (llvm::StringRef value : llvm::split(setting.allowed, ','))
        values.push_back(value.trim().str());
  return values;
}

std::vector<LibraryCase> libraryCases() {
  std::vector<LibraryCase> cases;
  for (const std::string &name : dsl::libraryDesignNames()) {
    std::string problem;
    auto design = check({name, {}}, problem);
    assert(design && "the library's designs are right");
    std::vector<dsl::SettingChoices> choices{{}};
    for (const char *axis : {"granularity", "sharing", "position", "compat"}) {
      std::vector<dsl::SettingChoices> wider;
      for (const dsl::SettingChoices &choice : choices)
        for (const std::string &value : allowedValues(*design, axis)) {
          wider.push_back(choice);
          wider.back().emplace_back(axis, value);
        }
      choices = std::move(wider);
    }
    for (dsl::SettingChoices &choice : choices)
      cases.push_back({name, std::move(choice)});
  }
  return cases;
}

mlir::OwningOpRef<mlir::ModuleOp>
prepareModule(mlir::MLIRContext &context, const dsl::CheckedDesign &design) {
  auto module = dsl::importDesign(context, design);
  mlir::PassManager passes(&context);
  passes.addPass(createRewriteHazards());
  passes.addPass(createDeriveGradient());
  passes.addPass(createSimplify());
  if (failed(passes.run(*module)))
    return {};
  return module;
}

void returnLambda(mlir::ModuleOp module) {
  mlir::func::FuncOp forward =
      module.lookupSymbol<mlir::func::FuncOp>("forward");
  forward.walk([&](ir::RecurrenceOp recurrence) {
    mlir::OpBuilder builder(forward.front().getTerminator());
    auto type = mlir::cast<ir::FieldType>(recurrence.getLambda().getType());
    mlir::Value lambda =
        ir::BroadcastOp::create(builder, recurrence.getLoc(),
                                type.with(ir::Axis::Token).with(ir::Axis::Head),
                                recurrence.getLambda());
    mlir::Operation *end = forward.front().getTerminator();
    unsigned place = end->getNumOperands();
    end->insertOperands(place, lambda);
    auto name = builder.getDictionaryAttr(
        builder.getNamedAttr("decay.name", builder.getStringAttr("lambda")));
    [[maybe_unused]] auto inserted =
        forward.insertResult(place, lambda.getType(), name);
    assert(succeeded(inserted));
  });
}

} // namespace decay::test
