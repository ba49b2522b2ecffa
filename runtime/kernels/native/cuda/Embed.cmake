# Writes a text file as the C++ constant nativeKernelCode. INPUT, OUTPUT.
file(READ ${INPUT} text)
file(WRITE ${OUTPUT} "namespace decay::runtime {
extern const char nativeKernelCode[];
const char nativeKernelCode[] = R\"CODE(${text})CODE\";
} // namespace decay::runtime
")
