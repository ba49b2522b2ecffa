//===- Sgemm.cpp - What the machine can do --------------------------------===//

#include "runtime/bench/Sgemm.h"
#include "runtime/bench/Statistics.h"
#include "runtime/device/cpu/Processor.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace decay::runtime {

static constexpr const char *libraryName = "libopenblas.so.0";
static constexpr const char *kernelsVariable = "OPENBLAS_CORETYPE";
static constexpr int rowMajor = 101, plain = 111;

Result<SgemmRate> measureSgemm(int64_t threads, int64_t size) {
  setenv("OPENBLAS_NUM_THREADS", std::to_string(threads).c_str(),
         /*overwrite=*/1);
  void *library = dlopen(libraryName, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::world(
        fmt::format("the sgemm rate needs OpenBLAS, and {}; on Debian and "
                    "Ubuntu: apt-get install libopenblas0-pthread",
                    dlerror()));
  using Sgemm = void (*)(int, int, int, int, int, int, float, const float *,
                         int, const float *, int, float, float *, int);
  auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  auto coreName =
      reinterpret_cast<char *(*)()>(dlsym(library, "openblas_get_corename"));
  if (!sgemm || !coreName)
    return Status::world(
        fmt::format("{} lacks cblas_sgemm or openblas_get_corename; install "
                    "libopenblas0-pthread",
                    libraryName));
  std::vector<float> a(size * size), b(size * size), c(size * size);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
    b[i] = static_cast<float>(i % 23) * 0.1f - 1.1f;
  }
  int n = static_cast<int>(size);
  Timing timing = timeCalls([&] {
    sgemm(rowMajor, plain, plain, n, n, n, 1, a.data(), n, b.data(), n, 0,
          c.data(), n);
  });
  double giga = 2e-9 * std::pow(static_cast<double>(size), 3);
  return SgemmRate{coreName(),
                   threads,
                   size,
                   giga / timing.median,
                   giga / timing.upper,
                   giga / timing.lower};
}

Json toJson(const SgemmRate &rate) {
  return {{"kernels", rate.kernels}, {"threads", rate.threads},
          {"size", rate.size},       {"gflops", rate.gigaflops},
          {"lowest", rate.lowest},   {"highest", rate.highest}};
}

Result<SgemmRate> sgemmRateFromJson(const Json &json) {
  constexpr const char *name = "sgemm report";
  SgemmRate rate;
  DECAY_ASSIGN_OR_RETURN(rate.kernels, jsonString(json, "kernels", name));
  DECAY_ASSIGN_OR_RETURN(rate.threads, jsonInteger(json, "threads", name));
  DECAY_ASSIGN_OR_RETURN(rate.size, jsonInteger(json, "size", name));
  DECAY_ASSIGN_OR_RETURN(rate.gigaflops, jsonNumber(json, "gflops", name));
  DECAY_ASSIGN_OR_RETURN(rate.lowest, jsonNumber(json, "lowest", name));
  DECAY_ASSIGN_OR_RETURN(rate.highest, jsonNumber(json, "highest", name));
  return rate;
}

/// This process' environment without the choice of kernels, or with another.
static std::vector<std::string> environmentFor(const std::string &kernels) {
  std::string prefix = std::string(kernelsVariable) + "=";
  std::vector<std::string> result;
  for (char **variable = environ; *variable; ++variable)
    if (std::strncmp(*variable, prefix.c_str(), prefix.size()) != 0)
      result.push_back(*variable);
  if (!kernels.empty())
    result.push_back(prefix + kernels);
  return result;
}

static std::vector<char *> pointersTo(std::vector<std::string> &texts) {
  std::vector<char *> result;
  for (std::string &text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

static std::string readAll(int descriptor) {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = read(descriptor, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  return text;
}

/// What a program writes to its standard output.
static Result<std::string> outputOf(std::vector<std::string> arguments,
                                    std::vector<std::string> environment) {
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0)
    return Status::world(fmt::format("no pipe: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
  pid_t child = 0;
  int failure =
      posix_spawn(&child, arguments[0].c_str(), &actions, nullptr,
                  pointersTo(arguments).data(), pointersTo(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  close(pipes[1]);
  std::string text = failure ? "" : readAll(pipes[0]);
  close(pipes[0]);
  if (failure)
    return Status::world(
        fmt::format("cannot start {}: {}", arguments[0], strerror(failure)));
  int ending = 0;
  waitpid(child, &ending, 0);
  if (!WIFEXITED(ending) || WEXITSTATUS(ending) != 0)
    return Status::world(
        fmt::format("{} failed while measuring sgemm", arguments[0]));
  return text;
}

Result<std::vector<SgemmRate>>
measureSgemmInChildren(const std::string &program, int64_t threads) {
  const char *chosen = std::getenv(kernelsVariable);
  std::vector<std::string> choices = {chosen ? chosen : "", ""};
  if (detectHost().has_avx512)
    choices.push_back("SkylakeX");
  std::vector<SgemmRate> rates;
  for (const std::string &kernels : choices) {
    DECAY_ASSIGN_OR_RETURN(std::string text,
                           outputOf({program, "bench", "sgemm", "--threads",
                                     std::to_string(threads), "--json"},
                                    environmentFor(kernels)));
    DECAY_ASSIGN_OR_RETURN(Json json, parseJson(text, "sgemm report"));
    DECAY_ASSIGN_OR_RETURN(SgemmRate rate, sgemmRateFromJson(json));
    bool isNew =
        std::none_of(rates.begin(), rates.end(), [&](const SgemmRate &other) {
          return other.kernels == rate.kernels;
        });
    if (isNew)
      rates.push_back(rate);
  }
  return rates;
}

std::string thisProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

} // namespace decay::runtime
