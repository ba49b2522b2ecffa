//===- Check.h - From a source text to a checked design --------*- C++ -*-===//
//
// The front door of the language: parse, expand variants, choose settings,
// resolve names, infer shapes, prove ranges. Depends on LLVM's support library
// only. Pure functions: nothing is read from files, printed or kept.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_CHECK_H
#define DECAY_DSL_CHECK_CHECK_H

#include "dsl/check/CheckedDesign.h"
#include "dsl/syntax/Ast.h"
#include "dsl/syntax/Diagnostics.h"
#include "dsl/syntax/Parser.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace decay::dsl {

/// A checked design's parts weigh at most this much: a unit took 3 ms of a core
/// of 3 GHz to compile, and the compiler gives up after 10 s.
inline constexpr unsigned maximumWeight = 1500;

/// {"granularity", "scalar"}, {"p", "0.9"}, ...; of two with one name the later
/// counts.
using SettingChoices = std::vector<std::pair<std::string, std::string>>;

/// The design `designName` of the source (empty: its first one) under the
/// settings given. Nothing when there is an error; warnings may be reported in
/// either case. Every message has a place in `source`; faults of a setting are
/// placed at the design's name.
std::optional<CheckedDesign> checkDesign(const DesignSource &source,
                                         const std::string &designName,
                                         const SettingChoices &settings,
                                         Diagnostics &diagnostics);

/// The source that holds a design or variant of the library, if there is one.
std::optional<DesignSource> findLibraryDesign(const std::string &name);

/// All designs and variants of the library, sorted.
std::vector<std::string> libraryDesignNames();

/// The text of `decayc --list`.
std::string describeLibrary();

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_CHECK_H
