//===- Communicator.h - Sums and copies across ranks -----------*- C++ -*-===//
//
// What data-parallel training asks of several processes: the sum of an array of
// all, each rank a part of it; and the parts of all in one array. Arrays of
// `count` fp32 numbers in the device's memory, cut into as many equal parts as
// there are ranks; part r is rank r's. Every rank makes the same calls in the
// same order. The same bits on every call: sums have a fixed order.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_COMMUNICATION_COMMUNICATOR_H
#define DECAY_RUNTIME_COMMUNICATION_COMMUNICATOR_H

#include "runtime/communication/Peers.h"
#include "runtime/device/Device.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

class Communicator {
public:
  virtual ~Communicator() = default;

  /// "nccl: NCCL 2.27.3, 2 ranks"
  virtual std::string describe() const = 0;

  /// This rank's part becomes the sum of that part over all ranks; the rest of
  /// the array is undefined after it. Begins after all work that the device was
  /// given before, and may go on beside work that it is given later: `join`
  /// ends that. Errors: a rank that is lost, by its name.
  virtual Status reduceScatter(float *data, int64_t count) = 0;
  /// Every part becomes what its rank holds there. Begins and ends alike.
  virtual Status allGather(float *data, int64_t count) = 0;
  /// What was begun comes before all work that the device is given from now on.
  virtual Status join() = 0;
  /// The same of the first `calls` of those begun since the last join(), so
  /// that the rest goes on.
  virtual Status joinFirst(int64_t calls) = 0;
};

/// By name; empty: the one that was made for the device called `deviceName`,
/// else loopback. Device and peers outlive it. User error for a name that is
/// not known; world errors: what it needs and does not find.
Result<std::unique_ptr<Communicator>>
createCommunicator(std::string_view name, std::string_view deviceName,
                   Device &device, Peers &peers);

/// Through the hosts' connections, and so for any device: rank 0 adds the
/// arrays in the order of the ranks. For tests and for machines without a
/// faster way.
std::unique_ptr<Communicator> createLoopback(Device &device, Peers &peers);

std::vector<std::string> communicatorNames();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_COMMUNICATION_COMMUNICATOR_H
