//===- SharedLibrary.cpp - lld, called as a library ----------------------===//
#include "compiler/package/library/PackageLibrary.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace decay {
namespace {

/// An object file for a linker that wants paths, in no folder.
class MemoryFile {
public:
  MemoryFile() : descriptor(memfd_create("decay-object", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile &) = delete;
  ~MemoryFile() {
    if (descriptor >= 0)
      close(descriptor);
  }
  std::string path() const {
    return "/proc/self/fd/" + std::to_string(descriptor);
  }
  std::error_code write(llvm::StringRef bytes) {
    if (descriptor < 0)
      return std::error_code(errno, std::generic_category());
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/false);
    stream << bytes;
    stream.flush();
    std::error_code error = stream.error();
    stream.clear_error();
    return error;
  }

private:
  int descriptor;
};

llvm::Error failure(std::error_code code, const llvm::Twine &doing) {
  return llvm::createStringError(code, doing + ": " + code.message());
}

} // namespace

llvm::Expected<std::string>
linkSharedLibrary(llvm::ArrayRef<llvm::StringRef> objects,
                  llvm::StringRef directory) {
  std::vector<MemoryFile> inputs(objects.size());
  for (auto [input, object] : llvm::zip(inputs, objects))
    if (std::error_code error = input.write(object))
      return failure(error, "cannot keep the object files in memory");
  llvm::SmallString<128> model(directory), outputPath;
  llvm::sys::path::append(model, "%%%%%%%%.so.tmp");
  if (std::error_code error =
          llvm::sys::fs::createUniqueFile(model, outputPath))
    return failure(error, "cannot write in '" + directory + "'");
  llvm::FileRemover remover(outputPath);
  std::vector<const char *> arguments = {"ld.lld",
                                         "-shared",
                                         "--hash-style=gnu",
                                         "--build-id=none",
                                         "-z",
                                         "now",
                                         "-z",
                                         "relro",
                                         "--strip-all",
                                         "--gc-sections",
                                         "--threads=1",
                                         "-o",
                                         outputPath.c_str()};
  std::vector<std::string> paths;
  for (const MemoryFile &input : inputs)
    paths.push_back(input.path());
  for (const std::string &path : paths)
    arguments.push_back(path.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result =
      lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("cannot link the shared library: " +
                                   messages);
  auto library = llvm::MemoryBuffer::getFile(outputPath, /*IsText=*/false,
                                             /*RequiresNullTerminator=*/false);
  if (!library)
    return failure(library.getError(), "cannot read the shared library");
  return (*library)->getBuffer().str();
}

} // namespace decay
