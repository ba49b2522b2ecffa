//===- Expand.h - Variants applied, settings chosen ------------*- C++ -*-===//
//
// From the lines of a file to the lines that count: a variant's lines over
// those of its base, then, of the lines for one name, the one whose words in
// front hold under the chosen settings.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_EXPAND_H
#define DECAY_DSL_CHECK_EXPAND_H

#include "dsl/check/Check.h"

#include <map>

namespace decay::dsl {

/// A design with all lines that it has from its bases.
struct FlatDesign {
  Word name;
  std::string base;
  std::string summary, citation;
  std::vector<Statement> statements;
  /// Learned parameters that a variant leaves out: 0 stands in their place.
  std::map<std::string, Word> leftOut;
};

/// The settings as chosen.
struct Choice {
  std::vector<Setting> settings;
  std::map<std::string, std::string>
      words; ///< granularity, sharing, position, compat
  std::map<std::string, double> numbers; ///< the design's own

  bool is(llvm::StringRef setting, llvm::StringRef value) const {
    auto found = words.find(setting.str());
    return found != words.end() && found->second == value;
  }
};

/// "θ" and "theta" have one key; a projection of q, k or v has its own.
std::string keyOf(const Statement &statement);

/// Nothing when the bases cannot be found.
std::optional<FlatDesign> flatten(const FileAst &file, const DesignAst &design,
                                  Diagnostics &diagnostics);

/// The settings that a design has, with their defaults chosen.
Choice defaultChoice(const FlatDesign &design);

/// The defaults overridden by the user's choices.
Choice chooseSettings(const FlatDesign &design, const SettingChoices &choices,
                      Diagnostics &diagnostics);

/// The lines that count under the choice, at most one for each key.
std::vector<const Statement *> activeStatements(const FlatDesign &design,
                                                const Choice &choice,
                                                Diagnostics &diagnostics);

/// The design of that name in a parsed file, or null.
const DesignAst *findDesign(const FileAst &file, llvm::StringRef name);

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_EXPAND_H
