//===- NcclCommunicator.cpp - Sums between GPUs ---------------------------===//

#include "runtime/communication/Communicator.h"
#include "runtime/communication/cuda/Nccl.h"
#include "runtime/device/cuda/CudaDriver.h"

#include <atomic>
#include <cassert>
#include <cstring>
#include <fmt/format.h>
#include <utility>
#include <vector>

namespace decay::runtime {

Result<std::unique_ptr<Communicator>> createNcclCommunicator(Device &device,
                                                             Peers &peers);

namespace {
constexpr unsigned nonBlocking = 1, withoutTime = 2;
/// The driver takes its highest instead: sums begin as soon as blocks are free.
constexpr int urgent = -100;
constexpr int inProgress = 7;

/// A stream of its own, so that sums go on beside the device's work; events
/// keep the order where it matters.
class NcclCommunicator final : public Communicator {
public:
  NcclCommunicator(const CudaDriver &driver, const Nccl &nccl, Device &device,
                   Peers &peers)
      : driver(driver), nccl(nccl), device(device), peers(peers) {}

  ~NcclCommunicator() override {
    peers.unwatch();
    // All that was begun is done, or will never be: nothing waits here.
    abort();
    if (begun)
      driver.destroyEvent(begun);
    for (void *event : done)
      driver.destroyEvent(event);
    if (queue)
      driver.destroyStream(queue);
  }

  Status start() {
    DECAY_RETURN_IF_ERROR(driver.check(driver.currentContext(&context),
                                       "cannot find the GPU's context"));
    DECAY_RETURN_IF_ERROR(
        driver.check(driver.createUrgentStream(&queue, nonBlocking, urgent),
                     "cannot make a stream"));
    DECAY_RETURN_IF_ERROR(makeEvent(begun));
    NcclId id = {};
    Status made;
    if (peers.isFirst())
      made = nccl.check(nccl.makeId(&id), "cannot begin to meet the ranks");
    DECAY_RETURN_IF_ERROR(peers.agree(made));
    DECAY_ASSIGN_OR_RETURN(std::string bytes,
                           peers.broadcast({id.bytes, sizeof id.bytes}));
    assert(bytes.size() == sizeof id.bytes);
    std::memcpy(id.bytes, bytes.data(), sizeof id.bytes);
    void *joined = nullptr;
    Status status =
        nccl.check(nccl.join(&joined, static_cast<int>(peers.size()), id,
                             static_cast<int>(peers.rank())),
                   "cannot meet the other ranks; NCCL_DEBUG=WARN says more");
    communicator = joined;
    // Without a wait for the others: they may never come back from this call.
    DECAY_RETURN_IF_ERROR(status);
    peers.watch([this] { abort(); }, [this] { return inspect(); });
    return {};
  }

  std::string describe() const override {
    int version = 0;
    nccl.version(&version);
    return fmt::format("nccl: NCCL {}.{}.{}, {} ranks", version / 10000,
                       version / 100 % 100, version % 100, peers.size());
  }

  Status reduceScatter(float *data, int64_t count) override {
    const int64_t part = partOf(count);
    DECAY_RETURN_IF_ERROR(followDevice());
    return begin([&](void *with) {
      return nccl.reduceScatter(data, data + peers.rank() * part,
                                static_cast<size_t>(part), ncclFloat32, ncclSum,
                                with, queue);
    });
  }

  Status allGather(float *data, int64_t count) override {
    const int64_t part = partOf(count);
    DECAY_RETURN_IF_ERROR(followDevice());
    return begin([&](void *with) {
      return nccl.allGather(data + peers.rank() * part, data,
                            static_cast<size_t>(part), ncclFloat32, with,
                            queue);
    });
  }

  Status join() override { return joinFirst(std::exchange(calls, 0)); }

  Status joinFirst(int64_t first) override {
    assert(first <= static_cast<int64_t>(done.size()));
    if (first == 0)
      return {};
    return driver.check(driver.streamAwait(device.stream(),
                                           done[static_cast<size_t>(first - 1)],
                                           0),
                        "cannot wait for an event");
  }

private:
  Status makeEvent(void *&event) {
    return driver.check(driver.createEvent(&event, withoutTime),
                        "cannot make an event");
  }

  int64_t partOf(int64_t count) const {
    assert(count % peers.size() == 0);
    return count / peers.size();
  }

  Status followDevice() {
    DECAY_RETURN_IF_ERROR(driver.check(
        driver.recordEvent(begun, device.stream()), "cannot record an event"));
    return driver.check(driver.streamAwait(queue, begun, 0),
                        "cannot wait for an event");
  }

  template <typename Call> Status begin(Call call) {
    void *with = communicator;
    Status known = peers.failure();
    if (!with || !known.ok())
      return known.ok() ? Status::world("the ranks have parted") : known;
    DECAY_RETURN_IF_ERROR(nccl.check(call(with), "a sum over all ranks"));
    if (static_cast<size_t>(calls) == done.size()) {
      void *event = nullptr;
      DECAY_RETURN_IF_ERROR(makeEvent(event));
      done.push_back(event);
    }
    return driver.check(
        driver.recordEvent(done[static_cast<size_t>(calls++)], queue),
        "cannot record an event");
  }

  void abort() {
    // The interruption has a thread of its own, to which no GPU belongs yet.
    driver.makeCurrent(context);
    if (void *with = communicator.exchange(nullptr))
      nccl.abort(with);
  }

  Status inspect() {
    void *with = communicator;
    if (!with)
      return {};
    int found = 0;
    Status status =
        nccl.check(nccl.asyncError(with, &found), "a sum over all ranks");
    if (status.ok() && found != inProgress)
      status = nccl.check(found, "a sum over all ranks");
    // The first time the peers may be about to say which rank it was.
    return std::exchange(suspicious, !status.ok()) ? status : Status();
  }

  const CudaDriver &driver;
  const Nccl &nccl;
  Device &device;
  Peers &peers;
  void *context = nullptr, *queue = nullptr, *begun = nullptr;
  /// One for each call since the last join(), used again after it.
  std::vector<void *> done;
  int64_t calls = 0;
  std::atomic<void *> communicator = nullptr;
  bool suspicious = false;
};
} // namespace

Result<std::unique_ptr<Communicator>> createNcclCommunicator(Device &device,
                                                             Peers &peers) {
  DECAY_ASSIGN_OR_RETURN(const CudaDriver *driver, openCudaDriver());
  auto nccl = openNccl();
  DECAY_RETURN_IF_ERROR(peers.agree(nccl.status()));
  auto made =
      std::make_unique<NcclCommunicator>(*driver, **nccl, device, peers);
  DECAY_RETURN_IF_ERROR(made->start());
  return std::unique_ptr<Communicator>(std::move(made));
}

} // namespace decay::runtime
