//===- DecayTypes.cpp - Fields and their axes ----------------------------===//
#include "compiler/dialect/decay/DecayDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#define GET_TYPEDEF_CLASSES
#include "compiler/dialect/decay/DecayTypes.cpp.inc"

namespace decay::ir {

static constexpr const char *axisNames[axisCount] = {
    "sequence", "layer", "token", "head", "pair", "channel", "value"};

llvm::StringRef axisName(Axis axis) {
  return axisNames[static_cast<unsigned>(axis)];
}

bool FieldType::has(Axis axis) const { return getAxes() & axisBit(axis); }

FieldType FieldType::with(Axis axis) const {
  return get(getContext(), getAxes() | axisBit(axis));
}

FieldType FieldType::without(Axis axis) const {
  return get(getContext(), getAxes() & ~axisBit(axis));
}

void FieldType::print(mlir::AsmPrinter &printer) const {
  printer << "<";
  llvm::StringRef separator = "";
  for (unsigned axis = 0; axis < axisCount; ++axis)
    if (has(static_cast<Axis>(axis))) {
      printer << separator << axisNames[axis];
      separator = ", ";
    }
  printer << ">";
}

mlir::Type FieldType::parse(mlir::AsmParser &parser) {
  unsigned axes = 0;
  auto parseAxis = [&]() -> mlir::ParseResult {
    llvm::StringRef name;
    llvm::SMLoc place = parser.getCurrentLocation();
    if (parser.parseKeyword(&name))
      return mlir::failure();
    const auto *found =
        std::find(std::begin(axisNames), std::end(axisNames), name);
    if (found == std::end(axisNames))
      return parser.emitError(place, "unknown axis '") << name << "'";
    axes |= 1u << (found - std::begin(axisNames));
    return mlir::success();
  };
  if (parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::LessGreater,
                                     parseAxis))
    return {};
  return get(parser.getContext(), axes);
}

void DecayDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compiler/dialect/decay/DecayTypes.cpp.inc"
      >();
}

} // namespace decay::ir
