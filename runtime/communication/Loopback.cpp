//===- Loopback.cpp - Sums through the hosts' connections -----------------===//

#include "runtime/communication/Communicator.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <fmt/format.h>

namespace decay::runtime {
namespace {

std::string_view bytesOf(const float *data, int64_t count) {
  return {reinterpret_cast<const char *>(data),
          static_cast<size_t>(count) * sizeof(float)};
}

class Loopback final : public Communicator {
public:
  Loopback(Device &device, Peers &peers) : device(device), peers(peers) {}

  std::string describe() const override {
    return fmt::format("loopback: {} rank{}", peers.size(),
                       peers.size() == 1 ? "" : "s");
  }

  Status reduceScatter(float *data, int64_t count) override {
    if (peers.size() == 1)
      return {};
    const int64_t part = partOf(count);
    if (!peers.isFirst()) {
      DECAY_RETURN_IF_ERROR(fetch(data, count));
      DECAY_RETURN_IF_ERROR(peers.send(0, bytesOf(numbers.data(), count)));
      return receive(0, data + peers.rank() * part, part);
    }
    DECAY_RETURN_IF_ERROR(fetch(data, count));
    for (int64_t other = 1; other < peers.size(); ++other) {
      DECAY_ASSIGN_OR_RETURN(std::string bytes, peers.receive(other));
      assert(bytes.size() == numbers.size() * sizeof(float));
      for (size_t i = 0; i < numbers.size(); ++i) {
        float term = 0;
        std::memcpy(&term, bytes.data() + i * sizeof term, sizeof term);
        numbers[i] += term;
      }
    }
    for (int64_t other = 1; other < peers.size(); ++other)
      DECAY_RETURN_IF_ERROR(
          peers.send(other, bytesOf(numbers.data() + other * part, part)));
    return upload(data, bytesOf(numbers.data(), part));
  }

  Status allGather(float *data, int64_t count) override {
    if (peers.size() == 1)
      return {};
    const int64_t part = partOf(count);
    DECAY_RETURN_IF_ERROR(fetch(data + peers.rank() * part, part));
    if (!peers.isFirst()) {
      DECAY_RETURN_IF_ERROR(peers.send(0, bytesOf(numbers.data(), part)));
      return receive(0, data, count);
    }
    std::string all(bytesOf(numbers.data(), part));
    for (int64_t other = 1; other < peers.size(); ++other) {
      DECAY_ASSIGN_OR_RETURN(std::string bytes, peers.receive(other));
      all += bytes;
    }
    for (int64_t other = 1; other < peers.size(); ++other)
      DECAY_RETURN_IF_ERROR(peers.send(other, all));
    assert(all.size() == static_cast<size_t>(count) * sizeof(float));
    return upload(data, all);
  }

  Status join() override { return {}; }
  Status joinFirst(int64_t) override { return {}; }

private:
  int64_t partOf(int64_t count) const {
    assert(count % peers.size() == 0);
    return count / peers.size();
  }
  Status fetch(const float *data, int64_t count) {
    numbers.resize(static_cast<size_t>(count));
    return device.download(numbers.data(), data,
                           numbers.size() * sizeof(float));
  }
  Status receive(int64_t from, float *data, int64_t count) {
    DECAY_ASSIGN_OR_RETURN(std::string bytes, peers.receive(from));
    assert(bytes.size() == static_cast<size_t>(count) * sizeof(float));
    (void)count;
    return upload(data, bytes);
  }
  /// Waits, because `bytes` do not outlive the call.
  Status upload(float *data, std::string_view bytes) {
    DECAY_RETURN_IF_ERROR(device.upload(data, bytes.data(), bytes.size()));
    return device.synchronise();
  }

  Device &device;
  Peers &peers;
  std::vector<float> numbers;
};
} // namespace

std::unique_ptr<Communicator> createLoopback(Device &device, Peers &peers) {
  return std::make_unique<Loopback>(device, peers);
}

} // namespace decay::runtime
