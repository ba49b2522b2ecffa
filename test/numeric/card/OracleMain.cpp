//===- OracleMain.cpp - The oracle as a program that is asked -------------===//
//
// decay-oracle DESIGN [name=value]...: a library design or a `.decay` file
// under settings. Questions come by standard input, answers go to standard
// output, until the input ends. A line of words, then bytes in this machine's
// order:
//
//   FUNCTION B T H K V layer layers position seed inputs ends END...
//   NAME elements roundings, then the elements in float32, for each input
//
// `ends` counts the END's, cu_seqlens, 0 where nothing is packed; `roundings`
// is what an input may be off by, in units of 2^-24 of itself. The answer:
//
//   ok results | fault sequence token head channel value
//   NAME elements, then values and bounds in float64, for each result
//
//===----------------------------------------------------------------------===//
#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Inputs.h"

#include "llvm/Support/MemoryBuffer.h"

#include <cstdio>
#include <iostream>
#include <sstream>

using namespace decay;
using namespace decay::test;

namespace {

/// A question that is none: exit code 1.
[[noreturn]] void refuse(const std::string &problem) {
  std::fprintf(stderr, "decay-oracle: %s\n", problem.c_str());
  std::exit(1);
}

std::optional<dsl::CheckedDesign> open(int count, char **arguments) {
  LibraryCase found{arguments[1], {}};
  for (int index = 2; index < count; ++index) {
    auto [name, value] = llvm::StringRef(arguments[index]).split('=');
    found.settings.emplace_back(name.str(), value.str());
  }
  std::string problem;
  std::optional<dsl::CheckedDesign> design;
  if (llvm::StringRef(found.design).ends_with(".decay")) {
    auto text = llvm::MemoryBuffer::getFile(found.design);
    if (!text)
      refuse("there is no file " + found.design);
    dsl::Diagnostics diagnostics;
    design = dsl::checkDesign({found.design, (*text)->getBuffer().str()}, "",
                              found.settings, diagnostics);
    problem = diagnostics.render();
  } else {
    design = check(found, problem);
  }
  if (!design)
    refuse(found.design + ": " + problem);
  return design;
}

void readBytes(void *to, size_t size) {
  if (!std::cin.read(static_cast<char *>(to),
                     static_cast<std::streamsize>(size)))
    refuse("the input ends within a question");
}

std::string readLine() {
  std::string line;
  if (!std::getline(std::cin, line))
    refuse("the input ends within a question");
  return line;
}

struct Question {
  std::string function;
  Sizes sizes;
  int64_t inputs = 0;
};

Question parse(const std::string &line) {
  Question asked;
  Sizes &sizes = asked.sizes;
  int64_t ends = 0;
  std::istringstream words(line);
  words >> asked.function >> sizes.B >> sizes.T >> sizes.H >> sizes.K >>
      sizes.V >> sizes.layer >> sizes.layers >> sizes.position >> sizes.seed >>
      asked.inputs >> ends;
  for (int64_t end; ends > 0 && words >> end; --ends)
    sizes.cuSeqlens.push_back(end);
  if (!words || ends > 0)
    refuse("'" + line + "' is no question");
  return asked;
}

/// The axes of an argument of the function by its name.
std::optional<unsigned> axesOf(mlir::func::FuncOp function,
                               llvm::StringRef name) {
  for (unsigned index = 0; index < function.getNumArguments(); ++index)
    if (function.getArgAttrOfType<mlir::StringAttr>(index, "decay.name")
            .getValue() == name)
      return mlir::cast<ir::FieldType>(function.getArgument(index).getType())
          .getAxes();
  return std::nullopt;
}

NamedFields readInputs(mlir::func::FuncOp function, const Question &asked) {
  NamedFields inputs;
  for (int64_t index = 0; index < asked.inputs; ++index) {
    std::string name;
    size_t elements = 0;
    double roundings = 0;
    std::istringstream words(readLine());
    words >> name >> elements >> roundings;
    std::vector<float> numbers(elements);
    readBytes(numbers.data(), elements * sizeof(float));
    auto axes = axesOf(function, name);
    if (!axes)
      refuse(asked.function + " has no input '" + name + "'");
    Field &field = inputs[name] = makeField(*axes, asked.sizes, roundings > 0);
    if (field.values.size() != elements)
      refuse("'" + name + "' has " + std::to_string(elements) +
             " elements, expected " + std::to_string(field.values.size()));
    for (size_t at = 0; at < elements; ++at) {
      field.values[at] = numbers[at];
      if (roundings > 0)
        field.bounds[at] = roundings * std::fabs(numbers[at]);
    }
  }
  return inputs;
}

void writeNumbers(const std::vector<double> &numbers) {
  std::cout.write(
      reinterpret_cast<const char *>(numbers.data()),
      static_cast<std::streamsize>(numbers.size() * sizeof(double)));
}

void answer(const Interpretation &found) {
  std::cout.precision(17);
  if (found.fault) {
    const RangeFault &fault = *found.fault;
    std::cout << "fault " << fault.sequence << ' ' << fault.token << ' '
              << fault.head << ' ' << fault.channel << ' ' << fault.value
              << '\n';
  } else {
    std::cout << "ok " << found.results.size() << '\n';
    for (const auto &[name, field] : found.results) {
      std::cout << name << ' ' << field.values.size() << '\n';
      writeNumbers(field.values);
      writeNumbers(field.bounds);
    }
  }
  std::cout.flush();
}

} // namespace

int main(int count, char **arguments) {
  if (count < 2)
    refuse("usage: decay-oracle DESIGN|FILE.decay [name=value]...");
  auto design = open(count, arguments);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = prepareModule(context, *design);
  if (!module)
    refuse("the design has no derivative");
  returnLambda(*module);
  for (std::string line; std::getline(std::cin, line);) {
    Question asked = parse(line);
    mlir::func::FuncOp function = functionOf(*module, asked.function);
    if (!function)
      refuse("the design has no function '" + asked.function + "'");
    answer(interpret(function, asked.sizes, readInputs(function, asked),
                     /*trackBounds=*/true));
  }
  return 0;
}
