//===- CudaDevice.cpp - An NVIDIA GPU as the runtime's device -------------===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/core/Arena.h"
#include "runtime/core/Parallel.h"
#include "runtime/device/Devices.h"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <thread>
#include <utility>

namespace decay::runtime {
namespace {
constexpr int multiprocessors = 16, cacheSize = 38, computeMajor = 75,
              computeMinor = 76;
constexpr unsigned nonBlocking = 1;
constexpr size_t productBytes = size_t{64} << 20;

uint64_t addressOf(const void *memory) {
  return reinterpret_cast<uint64_t>(memory);
}

/// Destroyed at the end of a scope.
class Event {
public:
  explicit Event(const CudaDriver &driver)
      : driver(driver), result(driver.createEvent(&handle, 0)) {}
  Event(Event &&other) noexcept
      : driver(other.driver), handle(std::exchange(other.handle, nullptr)),
        result(other.result) {}
  ~Event() {
    if (handle)
      driver.destroyEvent(handle);
  }
  Status record(void *queue) const {
    DECAY_RETURN_IF_ERROR(driver.check(result, "cannot make an event"));
    return driver.check(driver.recordEvent(handle, queue),
                        "cannot record an event");
  }
  Status await() const {
    return driver.check(driver.awaitEvent(handle),
                        "a launch before this failed");
  }
  Result<float> since(const Event &earlier) const {
    float milliseconds = 0;
    DECAY_RETURN_IF_ERROR(
        driver.check(driver.elapsed(&milliseconds, earlier.handle, handle),
                     "cannot read an event"));
    return milliseconds;
  }

private:
  const CudaDriver &driver;
  void *handle = nullptr;
  int result;
};
} // namespace

/// Where each kind of work begins in the queue.
class CudaDevice::Timeline {
public:
  Timeline(const CudaDriver &driver, void *queue)
      : driver(driver), queue(queue) {}

  void mark(WorkKind kind) {
    if (!marks.empty() && marks.back().first == kind)
      return;
    marks.emplace_back(kind, Event(driver));
    if (Status recorded = marks.back().second.record(queue); !recorded.ok())
      failure = recorded;
  }
  Result<PartTimes> read() {
    // Ends the last one.
    Event end(driver);
    DECAY_RETURN_IF_ERROR(failure);
    DECAY_RETURN_IF_ERROR(end.record(queue));
    DECAY_RETURN_IF_ERROR(end.await());
    PartTimes times = {};
    for (size_t i = 0; i < marks.size(); ++i) {
      const Event &next = i + 1 < marks.size() ? marks[i + 1].second : end;
      DECAY_ASSIGN_OR_RETURN(float time, next.since(marks[i].second));
      times[static_cast<size_t>(marks[i].first)] += 1e-3 * time;
    }
    return times;
  }

private:
  const CudaDriver &driver;
  void *queue;
  std::vector<std::pair<WorkKind, Event>> marks;
  Status failure;
};

CudaDevice::CudaDevice(const CudaDriver &driver, int ordinal, int64_t workers)
    : driver(driver), ordinal(ordinal), threads(workers) {}

Result<std::unique_ptr<CudaDevice>> CudaDevice::create(int ordinal,
                                                       int64_t workers) {
  DECAY_ASSIGN_OR_RETURN(const CudaDriver *driver, openCudaDriver());
  int count = 0;
  DECAY_RETURN_IF_ERROR(
      driver->check(driver->deviceCount(&count), "cannot count the GPUs"));
  if (ordinal < 0 || ordinal >= count)
    return Status::user(fmt::format("there is no GPU {}, expected 0 to {}",
                                    ordinal, count - 1));
  std::unique_ptr<CudaDevice> device(new CudaDevice(*driver, ordinal, workers));
  DECAY_RETURN_IF_ERROR(device->start());
  return device;
}

Status CudaDevice::start() {
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.retainContext(&context, ordinal),
                   fmt::format("cannot use GPU {}", ordinal)));
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.makeCurrent(context), "cannot make the GPU current"));
  return driver.check(driver.createStream(&queue, nonBlocking),
                      "cannot make a stream");
}

CudaDevice::~CudaDevice() {
  products.reset();
  release(productMemory);
  for (void *code : codes)
    driver.unloadLibrary(code);
  if (queue)
    driver.destroyStream(queue);
  if (context)
    driver.releaseContext(ordinal);
}

std::string CudaDevice::describe() const {
  int count = 0, major = 0, minor = 0, version = 0;
  size_t memory = 0;
  driver.deviceAttribute(&count, multiprocessors, ordinal);
  driver.deviceAttribute(&major, computeMajor, ordinal);
  driver.deviceAttribute(&minor, computeMinor, ordinal);
  driver.deviceMemory(&memory, ordinal);
  driver.version(&version);
  return fmt::format("cuda: {}, {} multiprocessors of compute capability "
                     "{}.{}, {}, driver for CUDA {}.{}",
                     card(), count, major, minor, formatBytes(memory),
                     version / 1000, version % 1000 / 10);
}

std::string CudaDevice::card() const {
  char name[128] = "unknown GPU";
  driver.deviceName(name, sizeof name, ordinal);
  return name;
}

double peakTeraflopsOf(std::string_view card) {
  // The first name that fits.
  constexpr struct {
    std::string_view name;
    double teraflops;
  } cards[] = {{"H100 PCIe", 756}, {"H100 NVL", 835}, {"H100", 989},
               {"H200 NVL", 835},  {"H200", 989},     {"GH200", 989},
               {"H800 PCIe", 756}, {"H800", 989}};
  for (auto [name, teraflops] : cards)
    if (card.find(name) != std::string_view::npos)
      return teraflops;
  return 0;
}

double CudaDevice::peakTeraflops() const {
  return activations == NumberType::BF16 ? peakTeraflopsOf(card()) : 0;
}

std::string CudaDevice::driverVersion() const {
  if (std::string text = managedDriverVersion(); !text.empty())
    return text;
  int version = 0;
  driver.version(&version);
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

int64_t CudaDevice::cacheBytes() const {
  int bytes = 0;
  driver.deviceAttribute(&bytes, cacheSize, ordinal);
  return bytes;
}

size_t CudaDevice::freeBytes() const {
  size_t free = 0, whole = 0;
  return driver.memoryState(&free, &whole) == 0 ? free : SIZE_MAX;
}

size_t CudaDevice::usedBytes() const {
  size_t free = 0, whole = 0;
  return driver.memoryState(&free, &whole) == 0 ? whole - free : 0;
}

void *CudaDevice::allocate(size_t bytes) {
  uint64_t address = 0;
  if (driver.allocate(&address, std::max<size_t>(bytes, 1)) != 0)
    return nullptr;
  if (driver.fill(address, 0, bytes, queue) != 0 ||
      driver.synchronise(queue) != 0) {
    driver.release(address);
    return nullptr;
  }
  return reinterpret_cast<void *>(address);
}

void CudaDevice::release(void *memory) {
  // The driver waits until nothing uses the memory any more.
  if (memory)
    driver.release(addressOf(memory));
}

namespace {
constexpr int relaxedCapture = 2;

/// A graph of launches, once they have been recorded.
class Graph final : public Recording {
public:
  explicit Graph(const CudaDriver &driver) : driver(driver) {}
  ~Graph() override {
    if (executable)
      driver.destroyExecutable(executable);
  }

  /// Nothing runs while it is recorded. What the driver refuses is not an
  /// error: there is then no graph.
  Status record(void *queue, const std::function<Status()> &work) {
    tried = true;
    if (driver.beginCapture(queue, relaxedCapture) != 0)
      return {};
    Status begun = work();
    void *graph = nullptr;
    if (driver.endCapture(queue, &graph) != 0 || !graph)
      return begun;
    if (begun.ok() && driver.instantiate(&executable, graph, 0) != 0)
      executable = nullptr;
    driver.destroyGraph(graph);
    return begun;
  }

  const CudaDriver &driver;
  void *executable = nullptr;
  bool tried = false;
};
} // namespace

Status CudaDevice::repeat(std::unique_ptr<Recording> &recording,
                          const std::function<Status()> &work) {
  // A package may take bf16 all the same: fp32 then goes through memory that is
  // taken anew at each call, which a graph would not find again.
  if (activations != NumberType::BF16 || timeline)
    return work();
  // The first time code is loaded, which is not recorded.
  if (!recording) {
    recording = std::make_unique<Graph>(driver);
    return work();
  }
  auto &graph = static_cast<Graph &>(*recording);
  if (!graph.tried)
    DECAY_RETURN_IF_ERROR(graph.record(queue, work));
  if (!graph.executable)
    return work();
  return driver.check(driver.launchGraph(graph.executable, queue),
                      "cannot launch a step's graph");
}

void CudaDevice::announce(WorkKind kind) {
  if (timeline)
    timeline->mark(kind);
}

Result<std::optional<PartTimes>>
CudaDevice::timeParts(const std::function<Status()> &work) {
  timeline = std::make_unique<Timeline>(driver, queue);
  Status begun = work();
  std::unique_ptr<Timeline> done = std::move(timeline);
  DECAY_RETURN_IF_ERROR(begun);
  DECAY_ASSIGN_OR_RETURN(PartTimes times, done->read());
  return std::optional<PartTimes>(times);
}

void CudaDevice::parallelFor(
    int64_t count,
    const std::function<void(int64_t index, int64_t worker)> &task) {
  inParallel(static_cast<size_t>(count), static_cast<size_t>(threads),
             [&](size_t index, size_t worker) {
               task(static_cast<int64_t>(index), static_cast<int64_t>(worker));
             });
}

Status CudaDevice::prepareProducts() {
  DECAY_ASSIGN_OR_RETURN(const Cublas *cublas, openCublas());
  productMemory = allocate(productBytes);
  if (!productMemory)
    return Status::world(fmt::format("no {} of GPU memory for cuBLAS",
                                     formatBytes(productBytes)));
  DECAY_ASSIGN_OR_RETURN(
      products, Products::create(*cublas, queue, productMemory, productBytes));
  return {};
}

void CudaDevice::multiply(const MatrixProduct &p) {
  assert(products && p.a.type() == p.b.type());
  if (p.M == 0 || p.N == 0)
    return;
  announce(WorkKind::Products);
  if (Status begun = products->multiply(p); !begun.ok())
    remember(std::move(begun));
}

Result<void *> CudaDevice::loadCode(const char *image) {
  void *code = nullptr;
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.loadLibrary(&code, image, nullptr, nullptr, 0,
                                      nullptr, nullptr, 0),
                   "the driver does not take Decay's kernels"));
  codes.push_back(code);
  return code;
}

Result<void *> CudaDevice::findKernel(void *code, const char *name) {
  void *kernel = nullptr;
  DECAY_RETURN_IF_ERROR(driver.check(driver.findKernel(&kernel, code, name),
                                     fmt::format("no kernel '{}'", name)));
  return kernel;
}

void CudaDevice::launch(void *kernel, int64_t blocks, int64_t blockRows,
                        int blockThreads, void *record) {
  void *parameters[] = {record};
  int result = driver.launch(kernel, static_cast<unsigned>(blocks),
                             static_cast<unsigned>(blockRows), 1,
                             static_cast<unsigned>(blockThreads), 1, 1, 0,
                             queue, parameters, nullptr);
  if (result != 0)
    remember(driver.check(result, "cannot launch a kernel"));
}

void CudaDevice::clear(void *memory, size_t bytes) {
  if (int result = driver.fill(addressOf(memory), 0, bytes, queue); result != 0)
    remember(driver.check(result, "cannot clear memory"));
}

void CudaDevice::remember(Status status) {
  if (failure.ok())
    failure = std::move(status);
}

Status CudaDevice::upload(void *to, const void *from, size_t bytes) {
  return driver.check(driver.copyToDevice(addressOf(to), from, bytes, queue),
                      "cannot copy to the GPU");
}

Status CudaDevice::download(void *to, const void *from, size_t bytes) {
  DECAY_RETURN_IF_ERROR(
      driver.check(driver.copyToHost(to, addressOf(from), bytes, queue),
                   "cannot copy from the GPU"));
  return synchronise();
}

Status CudaDevice::copy(void *to, const void *from, size_t bytes) {
  return driver.check(
      driver.copyOnDevice(addressOf(to), addressOf(from), bytes, queue),
      "cannot copy on the GPU");
}

Status CudaDevice::synchronise() {
  if (!failure.ok())
    return failure;
  return driver.check(driver.synchronise(queue), "a launch before this failed");
}

Result<std::vector<float>>
CudaDevice::timeEach(int64_t count,
                     const std::function<Status(int64_t)> &work) {
  std::vector<Event> events;
  for (int64_t index = 0; index <= count; ++index)
    events.emplace_back(driver);
  DECAY_RETURN_IF_ERROR(events.front().record(queue));
  for (int64_t index = 0; index < count; ++index) {
    DECAY_RETURN_IF_ERROR(work(index));
    DECAY_RETURN_IF_ERROR(events[static_cast<size_t>(index) + 1].record(queue));
  }
  DECAY_RETURN_IF_ERROR(events.back().await());
  std::vector<float> times;
  for (size_t index = 1; index < events.size(); ++index) {
    DECAY_ASSIGN_OR_RETURN(float time, events[index].since(events[index - 1]));
    times.push_back(time);
  }
  return times;
}

Result<std::unique_ptr<StreamDevice>> createCudaDevice() {
  DECAY_ASSIGN_OR_RETURN(std::unique_ptr<CudaDevice> device,
                         CudaDevice::create());
  return std::unique_ptr<StreamDevice>(std::move(device));
}

/// A launcher may show each process one GPU alone, its own.
static Result<int> ordinalFor(int64_t wanted) {
  DECAY_ASSIGN_OR_RETURN(const CudaDriver *driver, openCudaDriver());
  int count = 0;
  DECAY_RETURN_IF_ERROR(
      driver->check(driver->deviceCount(&count), "cannot count the GPUs"));
  if (count == 1)
    return 0;
  if (wanted >= count)
    return Status::user(
        fmt::format("process {} of this machine finds {} GPUs: start at most "
                    "{} there, or correct LOCAL_RANK",
                    wanted, count, count));
  return static_cast<int>(wanted);
}

Result<std::unique_ptr<Device>>
createCudaModelDevice(const DeviceOptions &options) {
  constexpr int64_t mostWorkers = 1024;
  if (options.workers < 0 || options.workers > mostWorkers)
    return Status::user(fmt::format("expected 0 to {} threads, found {}",
                                    mostWorkers, options.workers));
  int64_t workers =
      options.workers ? options.workers : std::thread::hardware_concurrency();
  DECAY_ASSIGN_OR_RETURN(int ordinal, ordinalFor(options.ordinal));
  DECAY_ASSIGN_OR_RETURN(
      std::unique_ptr<CudaDevice> device,
      CudaDevice::create(ordinal, std::max<int64_t>(workers, 1)));
  device->setActivationType(
      options.activationType.value_or(device->activationType()));
  DECAY_RETURN_IF_ERROR(device->prepareProducts());
  return std::unique_ptr<Device>(std::move(device));
}

} // namespace decay::runtime
