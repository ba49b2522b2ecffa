//===- Inputs.cpp - Numbers to run a design with --------------------------===//
#include "test/numeric/support/Inputs.h"

#include <cmath>
#include <numbers>

namespace decay::test {

double uniform(Random &random, double low, double high) {
  return low + static_cast<double>(random() >> 11) * 0x1p-53 * (high - low);
}

double normal(Random &random) {
  double radius = std::sqrt(-2 * std::log(1 - uniform(random, 0, 1)));
  return radius * std::cos(2 * std::numbers::pi * uniform(random, 0, 1));
}

int64_t integer(Random &random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random() % (high - low + 1));
}

mlir::func::FuncOp functionOf(mlir::ModuleOp module, llvm::StringRef name) {
  return module.lookupSymbol<mlir::func::FuncOp>(name);
}

static double draw(llvm::StringRef role, Random &random) {
  if (role == "initial")
    return uniform(random, 0, 1);
  return normal(random);
}

NamedFields drawInputs(mlir::ModuleOp module, mlir::func::FuncOp function,
                       const Sizes &sizes, Random &random,
                       double parameterNoise) {
  NamedFields inputs;
  if (mlir::func::FuncOp initialisers = functionOf(module, "init_parameters"))
    inputs = interpret(initialisers, sizes, {}).results;
  for (unsigned index = 0; index < function.getNumArguments(); ++index) {
    auto text = [&](const char *attribute) {
      return function.getArgAttrOfType<mlir::StringAttr>(index, attribute)
          .getValue();
    };
    auto type =
        mlir::cast<ir::FieldType>(function.getArgument(index).getType());
    auto [place, drawn] = inputs.try_emplace(text("decay.name").str(),
                                             makeField(type.getAxes(), sizes));
    for (double &value : place->second.values) {
      double noise = draw(text("decay.role"), random);
      value =
          static_cast<float>(drawn ? noise : value + parameterNoise * noise);
    }
  }
  return inputs;
}

std::string describe(const Sizes &sizes) {
  std::string text = "B" + std::to_string(sizes.B) + " T" +
                     std::to_string(sizes.T) + " H" + std::to_string(sizes.H) +
                     " K" + std::to_string(sizes.K) + " V" +
                     std::to_string(sizes.V);
  for (size_t n = 0; n < sizes.cuSeqlens.size(); ++n)
    text += (n ? "," : " packed ") + std::to_string(sizes.cuSeqlens[n]);
  return text;
}

} // namespace decay::test
