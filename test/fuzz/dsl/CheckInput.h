//===- CheckInput.h - What must hold for any input -------------*- C++ -*-===//
#ifndef DECAY_TEST_FUZZ_DSL_CHECKINPUT_H
#define DECAY_TEST_FUZZ_DSL_CHECKINPUT_H

#include "dsl/check/Check.h"

#include <algorithm>
#include <string>

namespace decay::dsl {

/// Empty, or what is wrong with how the checker took `text`: a rejection
/// without a place in the text, or a design that breaks its own contract.
inline std::string complaintAbout(const std::string &text,
                                  const SettingChoices &settings) {
  Diagnostics diagnostics;
  auto checked = checkDesign({"input.decay", text}, "", settings, diagnostics);
  auto lines =
      static_cast<unsigned>(std::count(text.begin(), text.end(), '\n') + 1);
  if (diagnostics.all().size() > Diagnostics::limit)
    return "too many messages";
  for (const Diagnostic &each : diagnostics.all()) {
    bool isPlace = each.place.line >= 1 && each.place.line <= lines &&
                   each.place.column >= 1;
    if (!isPlace || each.message.empty())
      return "a message without a place: " + each.message;
  }
  if (diagnostics.render().size() > 64 * 1024)
    return "more text than anyone reads";
  if (!checked)
    return diagnostics.hasErrors() ? "" : "refused without a message";
  if (diagnostics.hasErrors())
    return "accepted in spite of an error";
  for (size_t id = 0; id < checked->nodes.size(); ++id)
    for (NodeId operand : checked->nodes[id].operands)
      if (operand < 0 || operand >= static_cast<NodeId>(id))
        return "nodes are not in topological order";
  bool hasOne = (checked->lambda == noNode) != (checked->logLambda == noNode);
  return hasOne ? "" : "λ and log λ";
}

/// Settings that go with an input: all of them are met in turn.
inline SettingChoices settingsFor(size_t number) {
  static const SettingChoices choices[] = {
      {},
      {{"granularity", "scalar"}},
      {{"sharing", "on"}},
      {{"compat", "authors"}, {"position", "tpe"}},
      {{"sharing", "on"}, {"compat", "authors"}},
  };
  return choices[number % std::size(choices)];
}

} // namespace decay::dsl

#endif // DECAY_TEST_FUZZ_DSL_CHECKINPUT_H
