//===- main.cpp - decay-opt: runs single passes on MLIR text --------------===//
#include "compiler/pipeline/Registration.h"

#include "mlir/IR/Dialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argumentCount, char **arguments) {
  mlir::DialectRegistry registry;
  decay::registerDialects(registry);
  decay::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argumentCount, arguments, "Decay's passes, one at a time\n", registry));
}
