//===- Compile.cpp - From a design to a package, in one call -------------===//
#include "compiler/driver/Compile.h"

#include "compiler/driver/Backend.h"
#include "compiler/driver/Emit.h"
#include "compiler/driver/Fingerprint.h"
#include "compiler/package/PackageWriter.h"
#include "compiler/pipeline/Pipeline.h"
#include "dsl/check/Check.h"
#include "dsl/syntax/Parser.h"

#include <nlohmann/json.hpp>

namespace decay {

static CompileOutcome failed(llvm::Error error) {
  CompileOutcome outcome;
  std::tie(outcome.exitCode, outcome.diagnostics) =
      describeFailure(std::move(error));
  return outcome;
}

CompileOutcome compileWithSnapshots(const CompileRequest &request,
                                    const std::string &snapshots) {
  llvm::Expected<Frontend> frontend = runFrontend(request);
  if (!frontend)
    return failed(frontend.takeError());
  PackagePaths paths(request.outputDirectory, frontend->design.name);
  CompileOutcome outcome{0,
                         frontend->warnings,
                         paths.library,
                         paths.header,
                         paths.manifest,
                         frontend->hash,
                         false};
  outcome.reused = request.reuse && snapshots.empty() &&
                   existingHash(paths) == frontend->hash;
  if (outcome.reused)
    return outcome;
  llvm::Expected<std::string> remarks =
      makePackage(*frontend, request.outputDirectory, snapshots);
  if (!remarks)
    return failed(remarks.takeError());
  outcome.diagnostics += *remarks;
  return outcome;
}

CompileOutcome compileDesign(const CompileRequest &request) {
  return compileWithSnapshots(request, "");
}

std::vector<EmitLevel> emitLevels(const std::string &targetName) {
  llvm::Expected<const Target *> target = chooseTarget(targetName);
  if (!target) {
    llvm::consumeError(target.takeError());
    return {};
  }
  std::vector<EmitLevel> levels = {
      {"ast", "the file as it was understood", false}};
  for (const Phase &phase : buildPipeline(**target))
    levels.push_back({phase.name.str(), phase.meaning.str(), false});
  for (const TargetArtefact &artefact : (*target)->artefacts())
    levels.push_back(
        {artefact.name.str(), artefact.meaning.str(), artefact.binary});
  levels.push_back(
      {"package", "the shared library, its header and its manifest", true});
  return levels;
}

std::vector<std::string> targetNames() {
  std::vector<std::string> names;
  for (const Target *target : targets())
    names.push_back(target->name().str());
  return names;
}

std::string versionText() { return compilerVersion(); }

/// Needs no checked design: what was parsed is shown even when it means
/// nothing.
static llvm::Expected<std::string> printAst(const CompileRequest &request) {
  llvm::Expected<NamedSource> named = readSource(request.design);
  if (!named)
    return named.takeError();
  dsl::Diagnostics diagnostics;
  diagnostics.setSource(named->source);
  dsl::FileAst file = dsl::parseDesign(named->source.text, diagnostics);
  if (diagnostics.hasErrors())
    return llvm::make_error<UserError>(diagnostics.render());
  return dsl::printAst(file);
}

EmitOutcome emitDesign(const CompileRequest &request, const std::string &level,
                       const std::string &snapshots) {
  auto outcomeOf = [](llvm::Expected<std::string> output,
                      std::string warnings) {
    EmitOutcome outcome{0, std::move(warnings), ""};
    if (output)
      outcome.output = std::move(*output);
    else
      std::tie(outcome.exitCode, outcome.diagnostics) =
          describeFailure(output.takeError());
    return outcome;
  };
  if (level == "ast")
    return outcomeOf(printAst(request), "");
  llvm::Expected<Frontend> frontend = runFrontend(request);
  if (!frontend)
    return outcomeOf(frontend.takeError(), "");
  return outcomeOf(emitLevel(*frontend, level, snapshots), frontend->warnings);
}

std::vector<std::string> libraryDesigns() { return dsl::libraryDesignNames(); }

std::string describeLibrary() { return dsl::describeLibrary(); }

std::string describeLibraryAsJson() {
  nlohmann::ordered_json designs = nlohmann::ordered_json::array();
  for (const std::string &name : dsl::libraryDesignNames()) {
    CompileRequest request;
    request.design = name;
    llvm::Expected<Frontend> frontend = runFrontend(request);
    assert(frontend && "library designs are right");
    // The manifest says all there is to say; the hash, the target and the
    // precision belong to a package.
    auto entry = nlohmann::ordered_json::parse(
        describePackage(frontend->design, "", "", frontend->hash).manifest);
    entry.erase("hash");
    entry.erase("target");
    entry.erase("precision");
    entry.erase("manifest");
    designs.push_back(std::move(entry));
  }
  return designs.dump(2) + "\n";
}

} // namespace decay
