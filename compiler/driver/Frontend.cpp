//===- Frontend.cpp - From a request to a checked design -----------------===//
#include "compiler/driver/Frontend.h"

#include "compiler/driver/Fingerprint.h"
#include "compiler/package/PackageWriter.h"
#include "dsl/check/Check.h"
#include "dsl/syntax/Lexer.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

namespace decay {

char UserError::ID;

std::pair<int, std::string> describeFailure(llvm::Error error) {
  int code = error.isA<UserError>() ? 1 : 3;
  std::string text = llvm::toString(std::move(error));
  if (!llvm::StringRef(text).ends_with("\n"))
    text += "\n";
  return {code, code == 1 ? text : "error: " + text};
}

static llvm::Error userError(const llvm::Twine &message,
                             const llvm::Twine &fix) {
  return llvm::make_error<UserError>(
      ("error: " + message + "\n  " + fix + "\n").str());
}

static llvm::Expected<NamedSource> readFile(llvm::StringRef path,
                                            llvm::StringRef design) {
  auto cannot = [&](std::error_code error) {
    return llvm::createStringError(error, "cannot read '" + path +
                                              "': " + error.message());
  };
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return cannot(error);
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return llvm::createStringError("cannot read '" + path +
                                   "': it is no regular file");
  // Of a file that is too long, enough for the checker to say so.
  uint64_t size =
      std::min<uint64_t>(status.getSize(), dsl::maximumInputBytes + 1);
  auto text =
      llvm::MemoryBuffer::getFileSlice(path, size, 0, /*IsVolatile=*/true);
  if (!text)
    return cannot(text.getError());
  return NamedSource{{path.str(), (*text)->getBuffer().str()}, design.str()};
}

llvm::Expected<NamedSource> readSource(const std::string &design) {
  llvm::StringRef wanted = design;
  constexpr llvm::StringLiteral extension = ".decay";
  if (wanted.ends_with(extension))
    return readFile(wanted, "");
  size_t colon = wanted.rfind(':');
  if (colon != llvm::StringRef::npos &&
      wanted.take_front(colon).ends_with(extension))
    return readFile(wanted.take_front(colon), wanted.drop_front(colon + 1));
  if (std::optional<dsl::DesignSource> source = dsl::findLibraryDesign(design))
    return NamedSource{*source, design};
  std::string nearest = dsl::nearestWord(wanted, dsl::libraryDesignNames());
  return userError(
      "no design of the library is called '" + wanted + "'",
      nearest.empty()
          ? "decayc --list shows them; a file's name ends in .decay"
          : "did you mean '" + nearest + "'? decayc --list shows all");
}

llvm::Expected<const Target *> chooseTarget(const std::string &name) {
  if (name.empty())
    return targets().front();
  if (const Target *target = findTarget(name))
    return target;
  std::string known;
  for (const Target *target : targets())
    known += (known.empty() ? "" : ", ") + target->name().str();
  return userError("no target is called '" + name + "'",
                   "this build has: " + known);
}

static std::string hashOf(const Frontend &frontend) {
  std::string settings;
  for (const dsl::Setting &setting : frontend.design.settings)
    settings += setting.name + "=" + setting.value + "\n";
  for (auto [K, V] : frontend.headDims)
    settings +=
        "head dims " + std::to_string(K) + "x" + std::to_string(V) + "\n";
  if (frontend.precision != frontend.target->precisions().front())
    settings += "precision " + frontend.precision + "\n";
  if (frontend.forThisMachineOnly)
    settings += "for this machine only " + frontend.variant + "\n";
  return packageHash({compilerFingerprint(), frontend.target->name(),
                      frontend.target->tools(), frontend.design.name, settings,
                      frontend.named.source.text});
}

/// A target without such a list has code for all.
static llvm::Error checkHeadDims(const Frontend &frontend) {
  llvm::ArrayRef<int64_t> served = frontend.target->headDims();
  for (auto [K, V] : frontend.headDims)
    for (int64_t size : {K, V})
      if (size < 1 || (!served.empty() && !llvm::is_contained(served, size))) {
        std::string known;
        for (int64_t each : served)
          known += (known.empty() ? "" : ", ") + std::to_string(each);
        return userError("there is no code for a head dim of " +
                             std::to_string(size),
                         known.empty() ? "a head dim is 1 or more"
                                       : "this target has code for " + known);
      }
  return llvm::Error::success();
}

static llvm::Error checkPrecision(const Frontend &frontend) {
  llvm::ArrayRef<llvm::StringRef> known = frontend.target->precisions();
  if (llvm::is_contained(known, frontend.precision))
    return llvm::Error::success();
  return userError("there is no code for the precision '" + frontend.precision +
                       "'",
                   "this target has code for " + llvm::join(known, ", "));
}

llvm::Expected<Frontend> runFrontend(const CompileRequest &request) {
  Frontend frontend;
  llvm::Expected<const Target *> target = chooseTarget(request.target);
  if (!target)
    return target.takeError();
  frontend.target = *target;
  frontend.forThisMachineOnly = request.forThisMachineOnly;
  frontend.variant = request.variant;
  frontend.headDims = request.headDims;
  frontend.precision = request.precision.empty()
                           ? frontend.target->precisions().front().str()
                           : request.precision;
  if (llvm::Error problem = checkHeadDims(frontend))
    return std::move(problem);
  if (llvm::Error problem = checkPrecision(frontend))
    return std::move(problem);
  llvm::Expected<NamedSource> named = readSource(request.design);
  if (!named)
    return named.takeError();
  frontend.named = std::move(*named);
  dsl::Diagnostics diagnostics;
  diagnostics.setSource(frontend.named.source);
  std::optional<dsl::CheckedDesign> design =
      dsl::checkDesign(frontend.named.source, frontend.named.design,
                       request.settings, diagnostics);
  if (!design)
    return llvm::make_error<UserError>(diagnostics.render());
  frontend.design = std::move(*design);
  frontend.target->adapt(frontend.design);
  frontend.warnings = diagnostics.render();
  frontend.hash = hashOf(frontend);
  return frontend;
}

} // namespace decay
