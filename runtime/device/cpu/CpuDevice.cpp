//===- CpuDevice.cpp - The runtime's device on host cores -----------------===//

#include "runtime/core/Arena.h"
#include "runtime/device/Devices.h"
#include "runtime/device/cpu/Blas.h"
#include "runtime/device/cpu/WorkerPool.h"

#include "runtime/abi/DecayPackage.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace decay::runtime {

Result<std::unique_ptr<Device>> createCpuDevice(const DeviceOptions &options);

namespace {
constexpr int64_t mostWorkers = 1024;
constexpr size_t hugePage = size_t{2} << 20;
constexpr int rowMajor = 101, plain = 111, transposed = 112;

int64_t usableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  return std::max<int64_t>(1, CPU_COUNT(&set));
}

std::string processorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown processor";
}

/// How a product is cut. A function of the shape alone.
struct Blocks {
  int64_t rows, columns; ///< of one block
  int64_t down, across;  ///< number of blocks

  explicit Blocks(const MatrixProduct &product) {
    // Every block packs its operands anew: 512 rows of all columns cost about
    // 5 % over the whole product in one call, 256 by 512 about 12 %.
    constexpr int64_t step = 64, wantedRows = 512, wantedColumns = 2048;
    constexpr double worthSharing = 1 << 20; // multiply-adds
    rows = product.M;
    columns = product.N;
    double work = static_cast<double>(product.M) *
                  static_cast<double>(product.N) *
                  static_cast<double>(product.K);
    if (work > worthSharing) {
      rows = piece(product.M, wantedRows, step);
      columns = piece(product.N, wantedColumns, step);
      // A small square would stay whole: halve its longer side.
      if (rows >= product.M && columns >= product.N) {
        if (product.M >= product.N)
          rows = piece(product.M, (product.M + 1) / 2, step / 4);
        else
          columns = piece(product.N, (product.N + 1) / 2, step / 4);
      }
    }
    down = (product.M + rows - 1) / rows;
    across = (product.N + columns - 1) / columns;
  }

private:
  /// Nearly even pieces of about `wanted`, rounded up to whole steps.
  static int64_t piece(int64_t length, int64_t wanted, int64_t step) {
    int64_t pieces = std::max<int64_t>(1, (length + wanted - 1) / wanted);
    int64_t size = (length + pieces - 1) / pieces;
    return std::min(length, (size + step - 1) / step * step);
  }
};

/// What the system can give without swapping; without limit if it does not say.
size_t availableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  for (size_t kibibytes = 0; file >> word;)
    if (word == "MemAvailable:" && file >> kibibytes)
      return kibibytes * 1024;
  return SIZE_MAX;
}

/// What this process has of it.
size_t residentMemory() {
  std::ifstream file("/proc/self/statm");
  size_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class CpuDevice final : public Device {
public:
  CpuDevice(const Blas &blas, int64_t workers) : blas(blas), pool(workers) {
    runner = {this, workers,
              [](void *context, int64_t count, auto task, void *closure) {
                static_cast<CpuDevice *>(context)->pool.run(count, task,
                                                            closure);
              }};
  }

  std::string describe() const override {
    auto memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
                  static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return fmt::format("cpu: {}, {} thread{}, {}, OpenBLAS {}", processorName(),
                       workers(), workers() == 1 ? "" : "s",
                       formatBytes(memory), blas.kernels);
  }

  int64_t workers() const override { return pool.workers(); }
  std::string_view target() const override { return "cpu"; }

  size_t freeBytes() const override { return availableMemory(); }
  size_t usedBytes() const override { return residentMemory(); }

  void *allocate(size_t bytes) override {
    if (bytes > SIZE_MAX - hugePage)
      return nullptr;
    // A head's rows lie pages apart: with small pages most take a walk through
    // the tables, which costs a training step's kernels 5 %.
    size_t alignment = bytes >= 2 * hugePage ? hugePage : 64;
    size_t whole =
        std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
    // The system promises more than it has, and kills who takes the promise up.
    if (whole > size_t{64} << 20 && whole > availableMemory())
      return nullptr;
    void *memory = std::aligned_alloc(alignment, whole);
    if (!memory)
      return nullptr;
    if (alignment == hugePage)
      madvise(memory, whole, MADV_HUGEPAGE); // a wish: any answer will do
    std::memset(memory, 0, whole);
    return memory;
  }

  void release(void *memory) override { std::free(memory); }

  void parallelFor(int64_t count,
                   const std::function<void(int64_t, int64_t)> &task) override {
    pool.run(
        count,
        [](void *closure, int64_t index, int64_t worker) {
          (*static_cast<const std::function<void(int64_t, int64_t)> *>(
              closure))(index, worker);
        },
        const_cast<std::function<void(int64_t, int64_t)> *>(&task));
  }

  void multiply(const MatrixProduct &product) override {
    if (product.M == 0 || product.N == 0)
      return;
    struct Job {
      CpuDevice *device;
      const MatrixProduct *product;
      Blocks blocks;
    } job{this, &product, Blocks(product)};
    pool.run(
        job.blocks.down * job.blocks.across,
        [](void *closure, int64_t index, int64_t) {
          auto &[device, product, blocks] = *static_cast<Job *>(closure);
          device->multiplyBlock(*product, blocks, index);
        },
        &job);
  }

  void *stream() override { return &runner; }

private:
  void multiplyBlock(const MatrixProduct &p, const Blocks &blocks,
                     int64_t index) const {
    int64_t row = index / blocks.across * blocks.rows;
    int64_t column = index % blocks.across * blocks.columns;
    int64_t rows = std::min(blocks.rows, p.M - row);
    int64_t columns = std::min(blocks.columns, p.N - column);
    if (p.source && p.source.data() != p.c.data())
      for (int64_t r = row; r < row + rows; ++r)
        std::copy_n(p.source.floats() + r * p.ldc + column, columns,
                    p.c.floats() + r * p.ldc + column);
    const float *a = p.a.floats() + (p.transposeA ? row : row * p.lda);
    const float *b = p.b.floats() + (p.transposeB ? column * p.ldb : column);
    blas.sgemm(rowMajor, p.transposeA ? transposed : plain,
               p.transposeB ? transposed : plain, static_cast<int>(rows),
               static_cast<int>(columns), static_cast<int>(p.K), p.alpha, a,
               static_cast<int>(p.lda), b, static_cast<int>(p.ldb), p.beta,
               p.c.floats() + row * p.ldc + column, static_cast<int>(p.ldc));
  }

  const Blas &blas;
  WorkerPool pool;
  DecayTaskRunner runner;
};
} // namespace

Result<std::unique_ptr<Device>> createCpuDevice(const DeviceOptions &options) {
  if (options.workers < 0 || options.workers > mostWorkers)
    return Status::user(fmt::format("expected 0 to {} threads, found {}",
                                    mostWorkers, options.workers));
  if (options.activationType.value_or(NumberType::F32) != NumberType::F32)
    return Status::user("this device computes in fp32 alone");
  DECAY_ASSIGN_OR_RETURN(const Blas *blas, openBlas());
  try {
    return std::unique_ptr<Device>(std::make_unique<CpuDevice>(
        *blas, options.workers ? options.workers : usableCores()));
  } catch (const std::system_error &failure) {
    return Status::world(fmt::format("cannot start {} threads: {}",
                                     options.workers, failure.what()));
  }
}

} // namespace decay::runtime
