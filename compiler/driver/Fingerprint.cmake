# cmake -DROOT=source -DVERSION=x.y.z -DLLVM=x.y.z -DOUTPUT=file.cpp -P Fingerprint.cmake
# Included: only lists what the fingerprint is made of, in `files`.
set(patterns "")
foreach(folder dsl compiler runtime/abi)
  foreach(ending cpp h c td def decay cmake)
    list(APPEND patterns ${ROOT}/${folder}/*.${ending})
  endforeach()
endforeach()
file(GLOB_RECURSE files RELATIVE ${ROOT} ${patterns})
list(SORT files)
# Not by OUTPUT: CMake's own checks leave a compiler's log in a variable of that name.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  return()
endif()
set(all "")
foreach(file ${files})
  file(SHA256 ${ROOT}/${file} hash)
  string(APPEND all "${file} ${hash}\n")
endforeach()
string(SHA256 hash "${all}")
file(WRITE ${OUTPUT} "#include \"compiler/driver/Fingerprint.h\"
namespace decay {
const char *compilerVersion() { return \"${VERSION}\"; }
const char *compilerFingerprint() { return \"${VERSION} LLVM ${LLVM} ${hash}\"; }
} // namespace decay
")
