//===- Blas.cpp - OpenBLAS, opened at run time ----------------------------===//

#include "runtime/device/cpu/Blas.h"

#include "runtime/device/cpu/Processor.h"

#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr const char *libraryName = "libopenblas.so.0";

Result<Blas> open() {
  // The library reads both when it is loaded; with one thread it starts none.
  if (detectHost().has_avx512)
    setenv("OPENBLAS_CORETYPE", "SkylakeX", /*overwrite=*/0);
  setenv("OPENBLAS_NUM_THREADS", "1", /*overwrite=*/1);
  void *library = dlopen(libraryName, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::world(fmt::format(
        "the CPU device needs OpenBLAS for its matrix products, and {}; on "
        "Debian and Ubuntu: apt-get install libopenblas0-pthread",
        dlerror()));

  Blas blas;
  blas.sgemm =
      reinterpret_cast<decltype(blas.sgemm)>(dlsym(library, "cblas_sgemm"));
  auto setThreads = reinterpret_cast<void (*)(int)>(
      dlsym(library, "openblas_set_num_threads"));
  auto coreName =
      reinterpret_cast<char *(*)()>(dlsym(library, "openblas_get_corename"));
  if (!blas.sgemm || !setThreads || !coreName)
    return Status::world(
        fmt::format("{} lacks cblas_sgemm, openblas_set_num_threads or "
                    "openblas_get_corename; install libopenblas0-pthread",
                    libraryName));
  setThreads(1);
  blas.kernels = coreName();
  return blas;
}
} // namespace

Result<const Blas *> openBlas() {
  static const Result<Blas> opened = open();
  if (!opened.ok())
    return opened.status();
  return &*opened;
}

} // namespace decay::runtime
