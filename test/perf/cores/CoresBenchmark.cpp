//===- CoresBenchmark.cpp - Cores beside the sgemm rate -------------------===//
//
// Prints, for every variant that this machine runs, schedule and width, the
// nanoseconds a token and head of each core on warm tiles, full chunks, best of
// many; first OpenBLAS's sgemm rate with its own choice of kernels and with
// those for AVX-512.
//
//===----------------------------------------------------------------------===//
#include "CoreLibrary.h"

#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace decay::cpu;

namespace {

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The shortest of repeated calls, within `budget` seconds.
template <typename Body> double best(Body body, double budget = 0.15) {
  double shortest = 1e9, end = now() + budget;
  for (body(); now() < end;) {
    double start = now();
    body();
    shortest = std::min(shortest, now() - start);
  }
  return shortest;
}

/// 64-byte aligned floats around a value.
class Tile {
public:
  Tile(int64_t floats, float around, float spread)
      : first(static_cast<float *>(
            std::aligned_alloc(64, (floats * 4 + 63) / 64 * 64))) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-spread, spread);
    for (int64_t i = 0; i < floats; ++i)
      first[i] = around + uniform(random);
  }
  Tile(const Tile &) = delete;
  ~Tile() { std::free(first); }
  operator float *() const { return first; }

private:
  float *first;
};

/// GFLOP/s of sgemm with one thread; 0 without OpenBLAS. Squares of 384 are
/// large enough for the full rate and done before other work interrupts them.
double sgemmRate() {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW);
  if (!library)
    return 0;
  using Gemm = void (*)(int, int, int, int, int, int, float, const float *, int,
                        const float *, int, float, float *, int);
  auto gemm = reinterpret_cast<Gemm>(dlsym(library, "cblas_sgemm"));
  auto threads = reinterpret_cast<void (*)(int)>(
      dlsym(library, "openblas_set_num_threads"));
  threads(1);
  constexpr int size = 384;
  Tile a(size * size, 0, 1), b(size * size, 0, 1), c(size * size, 0, 1);
  double seconds = best(
      [&] {
        gemm(101, 111, 111, size, size, size, 1, a, size, b, size, 0, c, size);
      },
      1);
  return 2e-9 * size * size * size / seconds;
}

/// In a child, as OpenBLAS chooses its kernels once a process.
double sgemmRateWith(const char *coreType) {
  int ends[2];
  if (pipe(ends))
    return 0;
  if (pid_t child = fork()) {
    double rate = 0;
    close(ends[1]);
    if (read(ends[0], &rate, sizeof rate) != sizeof rate)
      rate = 0;
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return rate;
  }
  if (coreType)
    setenv("OPENBLAS_CORETYPE", coreType, 1);
  double rate = sgemmRate();
  _exit(write(ends[1], &rate, sizeof rate) != sizeof rate);
}

struct Times {
  double forward, state, backward;
};

Times measure(const CoreLibrary &cores, Schedule schedule,
              Granularity granularity, int64_t n, int64_t K, int64_t V) {
  auto forward = cores.find<CoreLibrary::Forward>(Direction::forward, schedule,
                                                  granularity);
  auto state =
      cores.find<CoreLibrary::State>(Direction::state, schedule, granularity);
  auto backward = cores.find<CoreLibrary::Backward>(Direction::backward,
                                                    schedule, granularity);
  int64_t C = chunkTokens;
  Tile q(C * K, 0, 1), k(C * K, 0, 1), v(C * V, 0, 1), dO(C * V, 0, 1);
  Tile lambda(C * K, 0.9f, 0.1f), S(K * V, 0, 1), dS(K * V, 0, 1);
  Tile o(C * V, 0, 0), dq(C * K, 0, 0), dk(C * K, 0, 0), dv(C * V, 0, 0);
  Tile dLambda(C * K, 0, 0), work(coreWorkFloats(K, V), 0, 0);
  double scale = 1e9 / n;
  return {scale * best([&] { forward(q, k, v, lambda, S, o, n, K, V, work); }),
          scale * best([&] { state(k, v, lambda, S, n, K, V, work); }),
          scale * best([&] {
            backward(q, k, v, lambda, S, dS, dO, dq, dk, dv, dLambda, n, K, V,
                     work);
          })};
}

void print(const CoreLibrary &cores, const Variant &variant) {
  llvm::outs() << variant.name << ": compiled in "
               << llvm::format("%.2f", cores.compileSeconds) << " s\n"
               << "schedule   granularity   n   K   V  forward   state  "
                  "backward  GFLOP/s forward, all (ns a token and head)\n";
  for (Schedule schedule : {Schedule::recurrent, Schedule::tree})
    for (Granularity granularity : {Granularity::vector, Granularity::scalar})
      for (auto [n, K, V] : {std::tuple(64, 64, 64),
                             {64, 32, 32},
                             {64, 128, 64},
                             {64, 64, 128},
                             {64, 128, 128},
                             {8, 64, 64},
                             {7, 64, 64},
                             {1, 64, 64}}) {
        if (granularity == Granularity::scalar && (K != 64 || V != 64))
          continue;
        Times t = measure(cores, schedule, granularity, n, K, V);
        // 24 and 84 kFLOP a token and head at K = V = 64.
        double work = K * V / 4096.0;
        llvm::outs() << llvm::format(
            "%-10s %-10s %4d %3d %3d %8.1f %7.1f %9.1f %9.1f %9.1f\n",
            schedule == Schedule::tree ? "tree" : "recurrent",
            granularity == Granularity::scalar ? "scalar" : "vector", int(n),
            int(K), int(V), t.forward, t.state, t.backward,
            24e3 * work / t.forward,
            84e3 * work / (t.forward + t.state + t.backward));
      }
}

} // namespace

/// With a file name: also writes the assembly of the first variant there.
int main(int count, char **arguments) {
  llvm::outs() << llvm::format(
      "sgemm %.1f GFLOP/s, with SKYLAKEX kernels %.1f\n",
      sgemmRateWith(nullptr), sgemmRateWith("SKYLAKEX"));
  for (const Variant &variant : variants) {
    if (!runsHere(variant))
      continue;
    CoreLibrary cores(variant);
    print(cores, variant);
    if (count > 1) {
      std::error_code error;
      llvm::raw_fd_ostream(
          std::string(arguments[1]) + "." + variant.name + ".s", error)
          << cores.assembly;
      if (error)
        return 3;
    }
  }
  return 0;
}
