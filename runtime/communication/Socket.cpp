//===- Socket.cpp - A TCP connection --------------------------------------===//

#include "runtime/communication/Socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace decay::runtime {
namespace {
/// Who asks again when nobody listens yet waits so long in between.
constexpr auto pause = std::chrono::milliseconds(50);

class Addresses {
public:
  ~Addresses() {
    if (list)
      freeaddrinfo(list);
  }
  /// Empty `host`: every address of this machine.
  Status find(const std::string &host, int64_t port) {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = host.empty() ? AI_PASSIVE : 0;
    int result = getaddrinfo(host.empty() ? nullptr : host.c_str(),
                             std::to_string(port).c_str(), &hints, &list);
    if (result == 0)
      return {};
    return Status::world(fmt::format("cannot find the host '{}': {}", host,
                                     gai_strerror(result)));
  }
  const addrinfo *first() const { return list; }

private:
  addrinfo *list = nullptr;
};

std::string problem() { return std::strerror(errno); }

/// Whether it is ready before `end`.
bool await(int descriptor, short events, Moment end) {
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                    end - std::chrono::steady_clock::now())
                    .count();
    pollfd entry = {descriptor, events, 0};
    int ready = poll(&entry, 1,
                     static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX)));
    if (ready > 0)
      return true;
    if (ready == 0 || errno != EINTR)
      return false;
  }
}

/// Small messages leave at once.
void hurry(const Socket &socket) {
  int on = 1;
  setsockopt(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Result<Socket> listenAt(const std::string &host, int64_t port) {
  Addresses addresses;
  DECAY_RETURN_IF_ERROR(addresses.find(host, port));
  std::string reason = "no address";
  for (const addrinfo *at = addresses.first(); at; at = at->ai_next) {
    Socket made(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0));
    int on = 1;
    if (made.isOpen() &&
        setsockopt(made.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on,
                   sizeof on) == 0 &&
        bind(made.descriptor(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(made.descriptor(), SOMAXCONN) == 0)
      return made;
    reason = problem();
  }
  return Status::world(reason);
}
} // namespace

Socket::~Socket() { close(); }

void Socket::close() {
  if (handle >= 0)
    ::close(std::exchange(handle, -1));
}

Result<Socket> Socket::listen(const std::string &address, int64_t port) {
  Result<Socket> made = listenAt(address, port);
  // A name may stand for an address that only others see as this machine's.
  if (!made.ok() && errno == EADDRNOTAVAIL)
    made = listenAt("", port);
  if (made.ok())
    return made;
  return Status::world(fmt::format("cannot listen at {}:{}: {}", address, port,
                                   made.status().message()));
}

Result<Socket> Socket::connect(const std::string &address, int64_t port,
                               Moment end) {
  std::string reason;
  do {
    Addresses addresses;
    DECAY_RETURN_IF_ERROR(addresses.find(address, port));
    for (const addrinfo *at = addresses.first(); at; at = at->ai_next) {
      Socket made(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0));
      if (made.isOpen() &&
          ::connect(made.descriptor(), at->ai_addr, at->ai_addrlen) == 0) {
        hurry(made);
        return made;
      }
      reason = problem();
    }
    std::this_thread::sleep_for(pause);
  } while (std::chrono::steady_clock::now() < end);
  return Status::world(
      fmt::format("nobody answers at {}:{}: {}", address, port, reason));
}

Result<Socket> Socket::accept(Moment end) const {
  if (!await(handle, POLLIN, end))
    return Socket();
  Socket made(accept4(handle, nullptr, nullptr, SOCK_CLOEXEC));
  if (!made.isOpen())
    return Status::world("cannot accept a connection: " + problem());
  hurry(made);
  return made;
}

Status Socket::write(const void *data, size_t bytes, Moment end) const {
  const char *next = static_cast<const char *>(data);
  while (bytes > 0) {
    if (!await(handle, POLLOUT, end))
      return Status::world("no answer in time");
    int64_t done = writeSome(next, bytes);
    if (done < 0)
      return Status::world("the connection closed");
    next += done;
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

Status Socket::read(void *data, size_t bytes, Moment end) const {
  char *next = static_cast<char *>(data);
  while (bytes > 0) {
    if (!await(handle, POLLIN, end))
      return Status::world("no answer in time");
    int64_t done = readSome(next, bytes);
    if (done < 0)
      return Status::world("the connection closed");
    next += done;
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

int64_t Socket::writeSome(const void *data, size_t bytes) const {
  ssize_t done = send(handle, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (done >= 0)
    return done;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

int64_t Socket::readSome(void *data, size_t bytes) const {
  ssize_t done = recv(handle, data, bytes, MSG_DONTWAIT);
  if (done > 0)
    return done;
  return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void Socket::finish(Moment end) const {
  // To close on what has come and was not read would take back what was sent.
  char unread[4096];
  if (shutdown(handle, SHUT_WR) == 0)
    while (await(handle, POLLIN, end) && readSome(unread, sizeof unread) >= 0)
      ;
}

std::string hostName() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0)
    return "unknown host";
  return name;
}

} // namespace decay::runtime
