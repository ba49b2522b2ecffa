//===- CheckFuzzer.cpp - libFuzzer over parser and checker
//-----------------===//
#include "test/fuzz/dsl/CheckInput.h"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  std::string complaint =
      decay::dsl::complaintAbout(text, decay::dsl::settingsFor(size));
  if (!complaint.empty()) {
    std::fprintf(stderr, "%s\n", complaint.c_str());
    std::abort();
  }
  return 0;
}
