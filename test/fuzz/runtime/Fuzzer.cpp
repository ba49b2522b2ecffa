//===- Fuzzer.cpp - libFuzzer over one check ------------------------------===//

#include "test/fuzz/runtime/CheckBytes.h"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string complaint = decay::runtime::CHECK(
      std::string_view(reinterpret_cast<const char *>(data), size));
  if (!complaint.empty()) {
    std::fprintf(stderr, "%s\n", complaint.c_str());
    std::abort();
  }
  return 0;
}
