//===- GlueBitcode.cpp - Compiled C that packages carry ------------------===//
#include "compiler/package/library/GlueBitcode.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"

namespace decay {

llvm::Error linkGlue(llvm::Module &module, llvm::ArrayRef<GlueBitcode> parts) {
  for (const GlueBitcode &part : parts) {
    llvm::MemoryBufferRef buffer(part.bytes, part.name);
    auto glue = llvm::parseBitcodeFile(buffer, module.getContext());
    if (!glue)
      return glue.takeError();
    (*glue)->setTargetTriple(module.getTargetTriple());
    (*glue)->setDataLayout(module.getDataLayout());
    if (llvm::Linker::linkModules(module, std::move(*glue)))
      return llvm::createStringError(
          "the glue does not fit the lowered module");
  }
  return llvm::Error::success();
}

llvm::Error checkSelfContained(const llvm::Module &module,
                               llvm::ArrayRef<llvm::StringRef> allowed) {
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty() &&
        !llvm::is_contained(allowed, function.getName()))
      return llvm::createStringError(
          "the lowered module calls '%s', which no package has",
          function.getName().str().c_str());
  return llvm::Error::success();
}

} // namespace decay
