//===- PrebuildCores.cpp - Writes the source that holds the cores ---------===//
//
// prebuild_cores OUTPUT.cpp: compiles all cores, and writes their object files
// as a C++ source that defines coreObjects(). Run when Decay is built.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/codegen/Codegen.h"
#include "compiler/target/cpu/prebuilt/CompileCores.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace decay::cpu;

static void writeArray(llvm::raw_ostream &out, size_t number,
                       llvm::StringRef bytes) {
  out << "static constexpr char object" << number << "[] =";
  constexpr size_t perLine = 32;
  for (size_t start = 0; start < bytes.size(); start += perLine) {
    out << "\n\"";
    for (unsigned char byte : bytes.substr(start, perLine))
      out << llvm::format("\\x%02x", byte);
    out << '"';
  }
  out << ";\n";
}

static void writeSource(llvm::raw_ostream &out) {
  out << "#include \"compiler/target/cpu/prebuilt/CoreObjects.h\"\n"
         "namespace decay::cpu {\n";
  std::string rows;
  size_t number = 0;
  for (const Variant &variant : variants)
    for (const Variant &host : variants) {
      if (host.lanes > variant.lanes)
        continue;
      llvm::LLVMContext context;
      auto module = compileCores(variant, host.processor, context);
      writeArray(out, number,
                 llvm::cantFail(emitMachineForm(*module, MachineForm::Object)));
      std::string name = "object" + std::to_string(number++);
      rows += std::string("  {\"") + variant.name + "\", \"" + host.processor +
              "\", {" + name + ", sizeof(" + name + ") - 1}},\n";
    }
  out << "llvm::ArrayRef<CoreObject> coreObjects() {\n"
         "  static const CoreObject all[] = {\n"
      << rows << "  };\n  return all;\n}\n} // namespace decay::cpu\n";
}

int main(int argumentCount, char **arguments) {
  if (argumentCount != 2) {
    llvm::errs() << "usage: prebuild_cores OUTPUT.cpp\n";
    return 1;
  }
  std::error_code error;
  llvm::raw_fd_ostream out(arguments[1], error);
  if (!error) {
    writeSource(out);
    out.flush();
    error = out.error();
    out.clear_error();
  }
  if (!error)
    return 0;
  llvm::errs() << "prebuild_cores: cannot write '" << arguments[1]
               << "': " << error.message() << "\n";
  return 3;
}
