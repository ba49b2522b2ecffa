//===- RandomDesign.cpp - A design as a tree that can be cut --------------===//
#include "test/numeric/random/RandomDesign.h"

namespace decay::test {

std::string Formula::str() const {
  if (operands.empty())
    return head;
  bool isInfix = head.size() == 1 && !isalpha(head[0]);
  if (isInfix && operands.size() == 2)
    return "(" + operands[0].str() + " " + head + " " + operands[1].str() + ")";
  if (isInfix)
    return "(" + head + operands[0].str() + ")";
  std::string text = head + "(";
  for (size_t index = 0; index < operands.size(); ++index)
    text += (index ? ", " : "") + operands[index].str();
  return text + ")";
}

std::string RandomDesign::text() const {
  std::string text = "design random\n";
  for (const DesignLine &line : lines)
    text += "  " + line.head + (line.formula ? line.formula->str() : "") +
            line.tail + "\n";
  return text;
}

std::string RandomDesign::str() const {
  std::string comment = "# seed " + std::to_string(seed) + ", settings:";
  for (const auto &[name, value] : settings)
    comment += " " + name + "=" + value;
  return comment + "\n" + text();
}

std::optional<dsl::CheckedDesign> check(const RandomDesign &design,
                                        std::string *problem) {
  dsl::Diagnostics diagnostics;
  auto checked = dsl::checkDesign({"random.decay", design.text()}, "",
                                  design.settings, diagnostics);
  if (problem)
    *problem = diagnostics.render();
  return checked;
}

} // namespace decay::test
