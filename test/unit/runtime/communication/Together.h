//===- Together.h - Ranks of a test, one to a thread -----------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_RUNTIME_COMMUNICATION_TOGETHER_H
#define DECAY_TEST_UNIT_RUNTIME_COMMUNICATION_TOGETHER_H

#include "runtime/communication/Peers.h"

#include <arpa/inet.h>
#include <functional>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace decay::runtime {

/// A port that nobody listens at.
inline int64_t freePort() {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto *any = reinterpret_cast<sockaddr *>(&address);
  EXPECT_EQ(bind(socket.descriptor(), any, bytes), 0);
  EXPECT_EQ(getsockname(socket.descriptor(), any, &bytes), 0);
  return ntohs(address.sin_port);
}

inline PeerOptions quickOptions() {
  PeerOptions options;
  options.silence = 5;
  options.patience = 20;
  return options;
}

/// Calls work(peers) as each of `size` ranks, which have met.
inline void together(int64_t size, const std::function<void(Peers &)> &work,
                     const PeerOptions &options = quickOptions()) {
  const int64_t port = freePort();
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      auto peers =
          Peers::connect({rank, size, rank, "127.0.0.1", port}, options);
      ASSERT_TRUE(peers.ok()) << peers.status().message();
      work(**peers);
    });
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace decay::runtime

#endif // DECAY_TEST_UNIT_RUNTIME_COMMUNICATION_TOGETHER_H
