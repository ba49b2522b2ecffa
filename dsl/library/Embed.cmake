# Writes OUTPUT, a C++ table of the .decay files in FOLDER.
file(GLOB files "${FOLDER}/*.decay")
list(SORT files)
set(rows "")
foreach(path IN LISTS files)
  get_filename_component(name "${path}" NAME)
  file(READ "${path}" text)
  string(APPEND rows "    {\"library/${name}\", R\"design(${text})design\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"dsl/library/Library.h\"

llvm::ArrayRef<decay::dsl::EmbeddedFile> decay::dsl::embeddedFiles() {
  static const EmbeddedFile files[] = {
${rows}  };
  return files;
}
")
