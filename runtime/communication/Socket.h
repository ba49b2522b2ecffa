//===- Socket.h - A TCP connection -----------------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_COMMUNICATION_SOCKET_H
#define DECAY_RUNTIME_COMMUNICATION_SOCKET_H

#include "runtime/core/Status.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace decay::runtime {

using Moment = std::chrono::steady_clock::time_point;

/// Closed at the end of its life.
class Socket {
public:
  Socket() = default;
  explicit Socket(int descriptor) : handle(descriptor) {}
  Socket(Socket &&other) noexcept : handle(std::exchange(other.handle, -1)) {}
  Socket &operator=(Socket &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Socket();

  /// Waits for connections at a port. World errors: what the system says; an
  /// address that is not this machine's is listened to at all of its addresses.
  static Result<Socket> listen(const std::string &address, int64_t port);
  /// Tries until somebody listens there. World error when nobody does before
  /// `end`.
  static Result<Socket> connect(const std::string &address, int64_t port,
                                Moment end);
  /// The next connection, or none of before `end`.
  Result<Socket> accept(Moment end) const;

  /// All of the bytes before `end`. World errors: the system's, also when the
  /// other side closed.
  Status write(const void *data, size_t bytes, Moment end) const;
  Status read(void *data, size_t bytes, Moment end) const;

  /// As many bytes as there is room for, without waiting; -1 when the
  /// connection is broken.
  int64_t writeSome(const void *data, size_t bytes) const;
  /// As many as have come, 0 for none; -1 when the other side closed, or the
  /// connection is broken.
  int64_t readSome(void *data, size_t bytes) const;

  /// Says that nothing more will be written, and lets what was written arrive:
  /// waits until the other side closes too, or until `end`.
  void finish(Moment end) const;

  bool isOpen() const { return handle >= 0; }
  int descriptor() const { return handle; }
  void close();

private:
  int handle = -1;
};

/// This machine's name.
std::string hostName();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_COMMUNICATION_SOCKET_H
