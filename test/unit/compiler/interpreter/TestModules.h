//===- TestModules.h - IR text for interpreter tests -----------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_COMPILER_INTERPRETER_TESTMODULES_H
#define DECAY_TEST_UNIT_COMPILER_INTERPRETER_TESTMODULES_H

#include "compiler/autodiff/Passes.h"
#include "compiler/interpreter/Interpreter.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

namespace decay::test {

/// A module from text. `!n` is a single number, `!h` a field over head, `!t`
/// over token and head, `!l` over layer and head, `!s` over sequence and head,
/// `!key`, `!value`, `!state` and `!pairs` what the recurrence takes.
struct TestModule {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit TestModule(const std::string &body) {
    context.loadDialect<ir::DecayDialect, mlir::func::FuncDialect>();
    std::string source =
        "!n = !decay.field<>\n!h = !decay.field<head>\n"
        "!t = !decay.field<token, head>\n!l = !decay.field<layer, head>\n"
        "!s = !decay.field<sequence, head>\n"
        "!key = !decay.field<token, head, channel>\n"
        "!pairs = !decay.field<token, head, pair, channel>\n"
        "!value = !decay.field<token, head, value>\n"
        "!state = !decay.field<sequence, head, channel, value>\n"
        "!wide = !decay.field<sequence, head, pair, channel, value>\n" +
        body;
    module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
    EXPECT_TRUE(module) << source;
  }

  mlir::func::FuncOp function(const char *name) {
    return module->lookupSymbol<mlir::func::FuncOp>(name);
  }

  void run(const char *pipeline) {
    static const bool registered = [] {
      registerAutodiffPasses();
      return true;
    }();
    ASSERT_TRUE(registered);
    mlir::PassManager manager(&context);
    ASSERT_TRUE(succeeded(mlir::parsePassPipeline(pipeline, manager)));
    ASSERT_TRUE(succeeded(manager.run(*module)));
  }
};

/// "%x: !t {decay.name = "x", decay.role = "projection"}"
inline std::string argument(const std::string &name, const std::string &type,
                            const std::string &role = "projection") {
  return "%" + name + ": " + type + " {decay.name = \"" + name +
         "\", decay.role = \"" + role + "\"}";
}

/// `!t {decay.name = "x"}`
inline std::string result(const std::string &name, const std::string &type) {
  return type + " {decay.name = \"" + name + "\"}";
}

} // namespace decay::test

#endif // DECAY_TEST_UNIT_COMPILER_INTERPRETER_TESTMODULES_H
