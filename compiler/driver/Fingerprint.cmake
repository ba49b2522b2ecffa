# cmake -DROOT=source -DVERSION=x.y.z -DLLVM=x.y.z -DOUTPUT=file.cpp -P Fingerprint.cmake
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/dsl/* ${ROOT}/compiler/* ${ROOT}/runtime/abi/*)
list(SORT files)
set(all "")
foreach(file ${files})
  file(SHA256 ${ROOT}/${file} hash)
  string(APPEND all "${file} ${hash}\n")
endforeach()
string(SHA256 hash "${all}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"compiler/driver/Fingerprint.h\"
namespace decay {
const char *compilerVersion() { return \"@VERSION@\"; }
const char *compilerFingerprint() { return \"@VERSION@ LLVM @LLVM@ @hash@\"; }
} // namespace decay
" @ONLY)
