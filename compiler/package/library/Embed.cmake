# cmake -DOUTPUT=file.cpp -DNAMESPACE=decay::x -DINPUTS=a.bc,b.bc -P Embed.cmake: bitcode files as a C++ source.
string(REPLACE "," ";" INPUTS "${INPUTS}")
set(arrays "")
set(rows "")
foreach(input ${INPUTS})
  get_filename_component(name ${input} NAME_WE)
  file(READ ${input} bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  string(APPEND arrays "static constexpr char ${name}[] = \"${bytes}\";\n")
  string(APPEND rows "  {\"${name}.c\", {${name}, sizeof(${name}) - 1}},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"compiler/package/library/GlueBitcode.h\"
namespace ${NAMESPACE} {
llvm::ArrayRef<decay::GlueBitcode> glueBitcode();
${arrays}llvm::ArrayRef<decay::GlueBitcode> glueBitcode() {
  static const decay::GlueBitcode all[] = {
${rows}  };
  return all;
}
} // namespace ${NAMESPACE}
")
