//===- Library.cpp - The published designs, built in
//-----------------------===//
#include "dsl/library/Library.h"
#include "dsl/check/Check.h"
#include "dsl/check/Expand.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

namespace decay::dsl {
namespace {

/// The folder's files, parsed once. Their being right is what the tests prove.
const std::vector<FileAst> &parsedFiles() {
  static const std::vector<FileAst> files = [] {
    std::vector<FileAst> result;
    for (const EmbeddedFile &file : embeddedFiles()) {
      Diagnostics ignored;
      result.push_back(parseDesign(file.text, ignored));
    }
    return result;
  }();
  return files;
}

/// compat is worth a word only where the authors' code differs.
bool differsInCode(const FlatDesign &design) {
  for (const Statement &line : design.statements)
    for (const Word &guard : line.guards)
      if (findGuardWord(guard.name)->setting == "compat")
        return true;
  return false;
}

/// "granularity vector|scalar, p 0.99 in (0, 1)": the default first.
std::string describeSettings(const FlatDesign &design) {
  std::string text;
  for (const Setting &setting : defaultChoice(design).settings) {
    bool isFixed = setting.name == "sharing" && setting.allowed == "off";
    if (isFixed || (setting.name == "compat" && !differsInCode(design)))
      continue;
    text += (text.empty() ? "" : ", ") + setting.name + " ";
    if (findAxisSetting(setting.name)) {
      std::string values = setting.allowed;
      for (size_t at; (at = values.find(", ")) != std::string::npos;)
        values.replace(at, 2, "|");
      text += values;
    } else {
      text += setting.defaultValue + " in " + setting.allowed;
    }
  }
  return text;
}

} // namespace

const FileAst *findLibraryFile(llvm::StringRef designName) {
  for (const FileAst &file : parsedFiles())
    if (findDesign(file, designName))
      return &file;
  return nullptr;
}

std::optional<DesignSource> findLibraryDesign(const std::string &name) {
  const FileAst *file = findLibraryFile(name);
  if (!file)
    return std::nullopt;
  const EmbeddedFile &source = embeddedFiles()[file - parsedFiles().data()];
  return DesignSource{source.fileName, source.text};
}

std::vector<std::string> libraryDesignNames() {
  std::vector<std::string> names;
  for (const FileAst &file : parsedFiles())
    for (const DesignAst &design : file.designs)
      names.push_back(design.name.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string describeLibrary() {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "Designs and variants; under each, its settings, the default first "
         "(--set name=value):\n";
  for (const std::string &name : libraryDesignNames()) {
    const FileAst &file = *findLibraryFile(name);
    Diagnostics ignored;
    std::optional<FlatDesign> design =
        flatten(file, *findDesign(file, name), ignored);
    assert(design && "a library file is wrong");
    out << "\n  " << name;
    if (!design->base.empty())
      out << " (variant of " << design->base << ')';
    out << ": " << design->summary << "\n      " << describeSettings(*design)
        << '\n';
  }
  return text;
}

} // namespace decay::dsl
