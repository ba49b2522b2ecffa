# cmake -DOUTPUT=file.cpp -DINPUTS=a.bc,b.bc -P Embed.cmake: bitcode files as a C++ source.
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
file(WRITE ${OUTPUT} "#include \"compiler/target/cpu/glue/GlueBitcode.h\"
namespace decay::cpu {
${arrays}llvm::ArrayRef<GlueBitcode> glueBitcode() {
  static const GlueBitcode all[] = {
${rows}  };
  return all;
}
} // namespace decay::cpu
")
