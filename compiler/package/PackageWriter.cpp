//===- PackageWriter.cpp - The files of a package ------------------------===//
#include "compiler/package/PackageWriter.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

#include <nlohmann/json.hpp>

namespace decay {
namespace {

std::string inDirectory(llvm::StringRef directory, const llvm::Twine &file) {
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

llvm::Error worldError(std::error_code code, const llvm::Twine &what) {
  return llvm::createStringError(code, what + ": " + code.message());
}

} // namespace

PackagePaths::PackagePaths(llvm::StringRef directory, llvm::StringRef name)
    : stem(inDirectory(directory, name)), library(stem + ".so"),
      header(stem + ".h"), manifest(stem + ".json") {}

std::string packageHash(llvm::ArrayRef<llvm::StringRef> parts) {
  llvm::SHA256 hash;
  for (llvm::StringRef part : parts) {
    // The length first: no two lists of parts run together into the same bytes.
    hash.update(std::to_string(part.size()) + ":");
    hash.update(part);
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

std::string existingHash(const PackagePaths &paths) {
  auto text = llvm::MemoryBuffer::getFile(paths.manifest);
  if (!text || !llvm::sys::fs::exists(paths.library) ||
      !llvm::sys::fs::exists(paths.header))
    return {};
  auto manifest =
      nlohmann::json::parse((*text)->getBufferStart(), (*text)->getBufferEnd(),
                            nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("hash") ||
      !manifest["hash"].is_string())
    return {};
  return manifest["hash"].get<std::string>();
}

llvm::Error makeDirectory(llvm::StringRef path) {
  std::error_code error = llvm::sys::fs::create_directories(path);
  if (!error && !llvm::sys::fs::is_directory(path))
    error = std::make_error_code(std::errc::not_a_directory);
  return error ? worldError(error, "cannot make the directory '" + path + "'")
               : llvm::Error::success();
}

llvm::Error writeFileAtomically(llvm::StringRef path, llvm::StringRef bytes) {
  llvm::SmallString<128> model(path);
  model += ".%%%%%%%%.tmp";
  auto file = llvm::sys::fs::TempFile::create(
      model, llvm::sys::fs::all_read | llvm::sys::fs::owner_write);
  if (!file)
    return worldError(llvm::errorToErrorCode(file.takeError()),
                      "cannot write '" + path + "'");
  llvm::raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  stream << bytes;
  stream.flush();
  std::error_code error = stream.error();
  stream.clear_error();
  if (error) {
    llvm::consumeError(file->discard());
    return worldError(error, "cannot write '" + path + "'");
  }
  if (llvm::Error kept = file->keep(path))
    return worldError(llvm::errorToErrorCode(std::move(kept)),
                      "cannot write '" + path + "'");
  return llvm::Error::success();
}

std::string packageHeader(const PackageDescription &package) {
  std::string text;
  llvm::raw_string_ostream out(text);
  std::string guard =
      "DECAY_PACKAGE_" + llvm::StringRef(package.design).upper() + "_H";
  out << "/* Made by decayc from the design " << package.design << ". Package "
      << package.hash << "\n * for target " << package.target
      << ". How to load and launch it: DecayPackage.h. */\n"
      << "#ifndef " << guard << "\n#define " << guard
      << "\n\n#include \"runtime/abi/DecayPackage.h\"\n";
  for (auto [index, entry] : llvm::enumerate(package.entries)) {
    std::string prefix = llvm::StringRef(package.design).upper() + "_" +
                         llvm::StringRef(entry.role).upper();
    out << "\n/* Entry " << index << ", " << entry.role
        << ": the operands' places. */\nenum {\n";
    for (const OperandDescription &operand : entry.operands)
      out << "  " << prefix << "_" << llvm::StringRef(operand.name).upper()
          << ", /* "
          << (operand.shape.empty() ? "one number" : "[" + operand.shape + "]")
          << ", " << (operand.written ? "written" : "read")
          << (operand.optional ? ", optional" : "") << " */\n";
    out << "  " << prefix << "_OPERANDS\n};\n";
  }
  out << "\n#endif /* " << guard << " */\n";
  return text;
}

llvm::Error writePackage(const PackageDescription &package,
                         const PackageCode &code, const PackagePaths &paths) {
  if (llvm::Error error =
          makeDirectory(llvm::sys::path::parent_path(paths.library)))
    return error;
  // The old manifest must not vouch for a mixture of old and new files.
  if (std::error_code error = llvm::sys::fs::remove(paths.manifest))
    return worldError(error,
                      "cannot replace '" + llvm::Twine(paths.manifest) + "'");
  if (llvm::Error error = writeFileAtomically(paths.library, code.library))
    return error;
  for (const PackageCode::Text &text : code.texts)
    if (llvm::Error error =
            writeFileAtomically(paths.stem + text.extension, text.bytes))
      return error;
  if (llvm::Error error =
          writeFileAtomically(paths.header, packageHeader(package)))
    return error;
  return writeFileAtomically(paths.manifest, package.manifest);
}

} // namespace decay
