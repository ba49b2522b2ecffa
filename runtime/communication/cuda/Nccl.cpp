//===- Nccl.cpp - NVIDIA's collectives, opened at run time ----------------===//

#include "runtime/communication/cuda/Nccl.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>

namespace decay::runtime {
namespace {
constexpr const char *variable = "DECAY_NCCL";
constexpr const char *libraryName = "libnccl.so.2";
/// Below each of the variable's folders: itself, PyTorch's wheels below
/// site-packages, those of an unpacked archive.
constexpr const char *below[] = {"", "nvidia/nccl/lib", "lib"};

struct Function {
  const char *name;
  size_t place;
};
constexpr Function functions[] = {
    {"ncclGetVersion", offsetof(Nccl, version)},
    {"ncclGetUniqueId", offsetof(Nccl, makeId)},
    {"ncclCommInitRank", offsetof(Nccl, join)},
    {"ncclCommAbort", offsetof(Nccl, abort)},
    {"ncclCommGetAsyncError", offsetof(Nccl, asyncError)},
    {"ncclReduceScatter", offsetof(Nccl, reduceScatter)},
    {"ncclAllGather", offsetof(Nccl, allGather)},
    {"ncclGetErrorString", offsetof(Nccl, errorText)},
};

/// What the library reads of the environment when it starts; what is set there
/// already stays.
constexpr struct {
  const char *name, *value;
} fixedOrder[] = {{"NCCL_ALGO", "Ring"}, {"NCCL_NVLS_ENABLE", "0"}};

Result<Nccl> open() {
  const char *folders = std::getenv(variable);
  std::string broken;
  for (const std::string &place : ncclPlaces(folders ? folders : "")) {
    void *library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      if (std::error_code none; std::filesystem::exists(place, none))
        if (const char *reason = dlerror())
          broken += fmt::format("; {}", reason);
      continue;
    }
    Nccl nccl = {};
    nccl.path = place;
    for (const Function &function : functions) {
      void *address = dlsym(library, function.name);
      if (!address)
        return Status::world(fmt::format(
            "{} lacks {}: install NCCL 2.4 or later", place, function.name));
      std::memcpy(reinterpret_cast<char *>(&nccl) + function.place, &address,
                  sizeof address);
    }
    for (auto [name, value] : fixedOrder)
      setenv(name, value, /*overwrite=*/0);
    return nccl;
  }
  return Status::world(fmt::format(
      "several ranks on this device need NVIDIA's NCCL, and {} is not found{}: "
      "install it, or set {} to that file, to its folder, or to a folder of "
      "Python packages that has it (site-packages, with nvidia/nccl/lib in "
      "it); "
      "--job.communicator=loopback does without, slowly",
      libraryName, broken, variable));
}
} // namespace

std::vector<std::string> ncclPlaces(const char *folders) {
  std::vector<std::string> places;
  std::istringstream list{folders};
  for (std::string folder; std::getline(list, folder, ':');) {
    if (folder.empty())
      continue;
    if (folder.find(".so") != std::string::npos)
      places.push_back(folder);
    for (const char *part : below)
      places.push_back(
          (std::filesystem::path(folder) / part / libraryName).string());
  }
  places.emplace_back(libraryName);
  return places;
}

Status Nccl::check(int result, const std::string &doing) const {
  if (result == 0)
    return {};
  const char *text = errorText(result);
  return Status::world(fmt::format("{}: NCCL says {} (error {})", doing,
                                   text ? text : "unknown error", result));
}

Result<const Nccl *> openNccl() {
  static const Result<Nccl> opened = open();
  if (!opened.ok())
    return opened.status();
  return &*opened;
}

} // namespace decay::runtime
