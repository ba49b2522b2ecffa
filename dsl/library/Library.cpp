//===- Library.cpp - The published designs, built in
//-----------------------===//
#include "dsl/library/Library.h"
#include "dsl/check/Check.h"
#include "dsl/check/Expand.h"

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

void describeSettings(const Choice &choice, llvm::raw_ostream &out) {
  for (const Setting &setting : choice.settings) {
    bool isFixed = setting.allowed == setting.defaultValue;
    out << "      " << setting.name << " = " << setting.defaultValue;
    if (isFixed)
      out << " (only)";
    else
      out << "   of " << setting.allowed;
    out << '\n';
  }
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
  out << "Designs (--set name=value changes a setting):\n";
  for (const std::string &name : libraryDesignNames()) {
    const FileAst &file = *findLibraryFile(name);
    Diagnostics ignored;
    std::optional<FlatDesign> design =
        flatten(file, *findDesign(file, name), ignored);
    assert(design && "a library file is wrong");
    out << "\n  " << name;
    if (!design->base.empty())
      out << " (variant of " << design->base << ')';
    out << "\n      " << design->summary << '\n';
    describeSettings(defaultChoice(*design), out);
  }
  return text;
}

} // namespace decay::dsl
