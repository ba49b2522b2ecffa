//===- Assembler.cpp - ptxas, a program of NVIDIA's ----------------------===//
#include "compiler/target/cuda/codegen/Assembler.h"

#include "compiler/target/cuda/codegen/Machine.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

namespace decay::cuda {
namespace {

namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

constexpr const char *programName = "ptxas";
constexpr const char *usualFolder = "/usr/local/cuda/bin";
/// Far longer than any kernel takes.
constexpr unsigned patienceInSeconds = 600;

/// The program in a folder, or empty.
std::string programIn(llvm::StringRef folder) {
  llvm::SmallString<128> file(folder);
  path::append(file, programName);
  return fs::can_execute(file) ? file.str().str() : "";
}

std::string join(llvm::StringRef folder, llvm::StringRef name) {
  llvm::SmallString<128> file(folder);
  path::append(file, name);
  return file.str().str();
}

llvm::Error failure(std::error_code code, const llvm::Twine &doing) {
  return llvm::createStringError(code, doing + ": " + code.message());
}

llvm::Error writeFile(llvm::StringRef file, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(file, error);
  if (!error) {
    stream << bytes;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error ? failure(error, "cannot write '" + file + "'")
               : llvm::Error::success();
}

llvm::Expected<std::string> readFile(llvm::StringRef file) {
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return failure(buffer.getError(), "cannot read '" + file + "'");
  return (*buffer)->getBuffer().str();
}

} // namespace

llvm::Expected<std::string> findAssembler() {
  if (const char *chosen = std::getenv("DECAY_PTXAS")) {
    if (!*chosen)
      return "";
    if (fs::is_directory(chosen)) {
      for (llvm::StringRef below : {"", "bin"})
        if (std::string found = programIn(join(chosen, below)); !found.empty())
          return found;
    } else if (fs::can_execute(chosen)) {
      return chosen;
    }
    return llvm::createStringError(
        "DECAY_PTXAS is '%s', expected the program %s or a folder that has it",
        chosen, programName);
  }
  if (const char *home = std::getenv("CUDA_HOME"))
    if (std::string found = programIn(join(home, "bin")); !found.empty())
      return found;
  if (auto found = llvm::sys::findProgramByName(programName))
    return *found;
  return programIn(usualFolder);
}

llvm::Expected<Assembled> assemble(llvm::StringRef assembler,
                                   llvm::StringRef kernel,
                                   llvm::StringRef ptx) {
  llvm::SmallString<128> folder;
  if (std::error_code error = fs::createUniqueDirectory("decay-ptxas", folder))
    return failure(error, "cannot make a folder for temporary files");
  llvm::scope_exit remove(
      [&] { (void)fs::remove_directories(folder, /*IgnoreErrors=*/true); });
  std::string input = join(folder, "kernel.ptx");
  std::string output = join(folder, "kernel.cubin");
  std::string log = join(folder, "log");
  if (llvm::Error error = writeFile(input, ptx))
    return error;
  std::string architecture = ("-arch=" + processorName).str();
  llvm::StringRef arguments[] = {assembler, "-O3", "-v",  architecture,
                                 input,     "-o",  output};
  std::string problem;
  int code = llvm::sys::ExecuteAndWait(
      assembler, arguments, /*Env=*/std::nullopt,
      {llvm::StringRef(""), llvm::StringRef(log), llvm::StringRef(log)},
      patienceInSeconds, /*MemoryLimit=*/0, &problem);
  llvm::Expected<std::string> said = readFile(log);
  if (code != 0)
    return llvm::createStringError(
        "ptxas refuses the kernel '" + kernel + "' (exit code " +
        llvm::Twine(code) + "): " + problem +
        (said ? *said : llvm::toString(said.takeError())));
  if (!said)
    return said.takeError();
  llvm::Expected<std::string> cubin = readFile(output);
  if (!cubin)
    return cubin.takeError();
  return Assembled{std::move(*cubin), std::move(*said)};
}

} // namespace decay::cuda
