//===- Cublas.cpp - NVIDIA's matrix products, opened at run time ----------===//

#include "runtime/device/cuda/Cublas.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>

namespace decay::runtime {
namespace {
constexpr const char *variable = "DECAY_CUBLAS";
constexpr const char *versions[] = {"13", "12"};
/// Below each of the variable's folders: itself, the folders of PyTorch's
/// wheels below site-packages, those of an unpacked toolkit.
constexpr const char *below[] = {"", "nvidia/cu13/lib", "nvidia/cublas/lib",
                                 "lib", "lib64"};
constexpr const char *toolkit = "/usr/local/cuda/lib64";

struct Function {
  const char *name;
  size_t place;
};
constexpr Function functions[] = {
    {"cublasLtCreate", offsetof(Cublas, create)},
    {"cublasLtDestroy", offsetof(Cublas, destroy)},
    {"cublasLtMatmulDescCreate", offsetof(Cublas, createProduct)},
    {"cublasLtMatmulDescDestroy", offsetof(Cublas, destroyProduct)},
    {"cublasLtMatmulDescSetAttribute", offsetof(Cublas, setProduct)},
    {"cublasLtMatrixLayoutCreate", offsetof(Cublas, createLayout)},
    {"cublasLtMatrixLayoutDestroy", offsetof(Cublas, destroyLayout)},
    {"cublasLtMatmulPreferenceCreate", offsetof(Cublas, createPreference)},
    {"cublasLtMatmulPreferenceDestroy", offsetof(Cublas, destroyPreference)},
    {"cublasLtMatmulPreferenceSetAttribute", offsetof(Cublas, setPreference)},
    {"cublasLtMatmulAlgoGetHeuristic", offsetof(Cublas, heuristic)},
    {"cublasLtMatmul", offsetof(Cublas, multiply)},
    {"cublasLtGetStatusString", offsetof(Cublas, errorText)},
};

Result<Cublas> open() {
  const char *folders = std::getenv(variable);
  std::vector<std::string> places = cublasPlaces(folders ? folders : "");
  std::string broken;
  for (const std::string &place : places) {
    void *library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      // Why a file that is there cannot be opened is worth more than the list.
      if (std::error_code none; std::filesystem::exists(place, none))
        if (const char *reason = dlerror())
          broken += fmt::format("; {}", reason);
      continue;
    }
    Cublas cublas = {};
    cublas.path = place;
    for (const Function &function : functions) {
      void *address = dlsym(library, function.name);
      if (!address)
        return Status::world(fmt::format("{} lacks {}: install cuBLAS 12 or 13",
                                         place, function.name));
      std::memcpy(reinterpret_cast<char *>(&cublas) + function.place, &address,
                  sizeof address);
    }
    return cublas;
  }
  return Status::world(fmt::format(
      "this device needs NVIDIA's cuBLAS 12 or 13 for its matrix products, and "
      "finds neither libcublasLt.so.13 nor libcublasLt.so.12{}: install it, or "
      "set "
      "{} to its folder, or to a folder of Python packages that has it "
      "(site-packages, with nvidia/cublas/lib or nvidia/cu13/lib in it)",
      broken, variable));
}
} // namespace

std::vector<std::string> cublasPlaces(const char *folders) {
  std::vector<std::string> places;
  std::istringstream list{folders};
  for (std::string folder; std::getline(list, folder, ':');)
    if (!folder.empty())
      for (const char *part : below)
        for (const char *version : versions)
          places.push_back(
              (std::filesystem::path(folder) / part / "libcublasLt.so.")
                  .string() +
              version);
  for (const char *version : versions)
    places.push_back(fmt::format("libcublasLt.so.{}", version));
  for (const char *version : versions)
    places.push_back(fmt::format("{}/libcublasLt.so.{}", toolkit, version));
  return places;
}

Status Cublas::check(int result, const std::string &doing) const {
  if (result == 0)
    return {};
  const char *text = errorText(result);
  return Status::world(fmt::format("{}: {} (error {})", doing,
                                   text ? text : "unknown error", result));
}

Result<const Cublas *> openCublas() {
  static const Result<Cublas> opened = open();
  if (!opened.ok())
    return opened.status();
  return &*opened;
}

} // namespace decay::runtime
