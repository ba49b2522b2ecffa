//===- Peers.cpp - Agreements of all ranks --------------------------------===//

#include "runtime/communication/Peers.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>

namespace decay::runtime {
namespace {
std::chrono::steady_clock::duration seconds(double count) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(count));
}

/// Several payloads in one: each behind its length.
void append(std::string &all, std::string_view one) {
  auto bytes = static_cast<uint64_t>(one.size());
  all.append(reinterpret_cast<const char *>(&bytes), sizeof bytes);
  all.append(one);
}

std::vector<std::string> split(std::string_view all) {
  std::vector<std::string> parts;
  while (all.size() >= sizeof(uint64_t)) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, all.data(), sizeof bytes);
    all.remove_prefix(sizeof bytes);
    parts.emplace_back(all.substr(0, bytes));
    all.remove_prefix(std::min<size_t>(bytes, all.size()));
  }
  return parts;
}
} // namespace

Peers::~Peers() {
  {
    std::lock_guard lock(mutex);
    ending = true;
  }
  if (reader.joinable())
    reader.join();
  if (interrupter.joinable())
    interrupter.join();
  constexpr double moment = 0.5;
  Moment end = std::chrono::steady_clock::now() + seconds(moment);
  for (const std::unique_ptr<Peer> &peer : peers)
    if (!peer->closed)
      peer->socket.finish(end);
}

Peers::Peer &Peers::peerOf(int64_t rank) {
  for (const std::unique_ptr<Peer> &peer : peers)
    if (peer->rank == rank)
      return *peer;
  assert(false && "ranks other than 0 know rank 0 alone");
  return *peers.front();
}

Result<std::vector<std::string>> Peers::gather(std::string_view mine) {
  std::vector<std::string> all{std::string(mine)};
  if (size() == 1)
    return all;
  if (!isFirst()) {
    DECAY_RETURN_IF_ERROR(send(0, mine));
    DECAY_ASSIGN_OR_RETURN(std::string together, receive(0));
    return split(together);
  }
  std::string together;
  append(together, mine);
  for (int64_t other = 1; other < size(); ++other) {
    DECAY_ASSIGN_OR_RETURN(std::string one, receive(other));
    append(together, one);
    all.push_back(std::move(one));
  }
  for (int64_t other = 1; other < size(); ++other)
    DECAY_RETURN_IF_ERROR(send(other, together));
  return all;
}

Result<std::string> Peers::broadcast(std::string_view mine) {
  if (!isFirst())
    return receive(0);
  for (int64_t other = 1; other < size(); ++other)
    DECAY_RETURN_IF_ERROR(send(other, mine));
  return std::string(mine);
}

Status Peers::agree(const Status &mine) {
  auto said = gather(mine.message());
  if (!mine.ok())
    return mine;
  DECAY_RETURN_IF_ERROR(said.status());
  for (size_t rank = 0; rank < said->size(); ++rank)
    if (const std::string &message = (*said)[rank]; !message.empty())
      return Status::world(fmt::format("rank {}: {}", rank, message));
  return {};
}

Result<std::vector<std::vector<double>>>
Peers::gather(std::span<const double> mine) {
  DECAY_ASSIGN_OR_RETURN(
      std::vector<std::string> said,
      gather(std::string_view(reinterpret_cast<const char *>(mine.data()),
                              mine.size_bytes())));
  std::vector<std::vector<double>> all;
  for (const std::string &one : said) {
    assert(one.size() == mine.size_bytes());
    all.emplace_back(mine.size());
    std::memcpy(all.back().data(), one.data(), one.size());
  }
  return all;
}

Status Peers::send(int64_t to, std::string_view bytes) {
  Peer &peer = peerOf(to);
  Status written = write(peer, Kind::Data, 0, bytes);
  // Why it failed is the reader's to say, which sees who is gone.
  if (Status known = failure(); !written.ok() && !known.ok())
    return known;
  return written;
}

Result<std::string> Peers::receive(int64_t from) {
  Peer &peer = peerOf(from);
  std::unique_lock lock(mutex);
  changed.wait(
      lock, [&] { return !peer.messages.empty() || !lost.ok() || peer.left; });
  if (!peer.messages.empty()) {
    std::string message = std::move(peer.messages.front());
    peer.messages.pop_front();
    return message;
  }
  if (!lost.ok())
    return lost;
  return Status::world(peer.name + " has left");
}

Status Peers::failure() const {
  std::lock_guard lock(mutex);
  return lost;
}

Status Peers::causeOf(Status status) {
  if (size() == 1 || status.code() != StatusCode::World)
    return status;
  constexpr auto moment = std::chrono::seconds(1);
  std::unique_lock lock(mutex);
  changed.wait_for(lock, moment, [&] { return !lost.ok(); });
  return lost.ok() ? status : lost;
}

void Peers::watch(std::function<void()> interrupt,
                  std::function<Status()> inspect) {
  std::lock_guard lock(watching);
  this->interrupt = std::move(interrupt);
  this->inspect = std::move(inspect);
}

void Peers::unwatch() { watch({}, {}); }

void Peers::leave(const Status &status) {
  for (const std::unique_ptr<Peer> &peer : peers)
    // Who cannot be told finds the connection closed.
    (void)write(*peer, Kind::Farewell, static_cast<uint32_t>(status.code()),
                status.message());
}

Status Peers::write(Peer &peer, Kind kind, uint32_t code,
                    std::string_view bytes) {
  std::lock_guard lock(peer.sending);
  Header header{kind, code, bytes.size()};
  std::string_view rests[] = {
      peer.unsent,
      {reinterpret_cast<const char *>(&header), sizeof header},
      bytes};
  for (std::string_view rest : rests)
    while (!rest.empty()) {
      int64_t done = peer.socket.writeSome(rest.data(), rest.size());
      if (done < 0)
        return Status::world(peer.name + " is gone: its connection closed");
      rest.remove_prefix(static_cast<size_t>(done));
      if (done > 0)
        continue;
      if (Status known = failure(); !known.ok())
        return known;
      constexpr int wait = 50; // ms, then the failure is looked at again
      pollfd entry = {peer.socket.descriptor(), POLLOUT, 0};
      poll(&entry, 1, wait);
    }
  peer.unsent.clear();
  return {};
}

void Peers::signLife(Peer &peer) {
  // A sender that holds the lock is sign enough.
  std::unique_lock lock(peer.sending, std::try_to_lock);
  if (!lock.owns_lock() || peer.closed)
    return;
  if (peer.unsent.empty()) {
    Header header{Kind::Life, 0, 0};
    peer.unsent.assign(reinterpret_cast<const char *>(&header), sizeof header);
  }
  int64_t done = peer.socket.writeSome(peer.unsent.data(), peer.unsent.size());
  if (done > 0)
    peer.unsent.erase(0, static_cast<size_t>(done));
}

void Peers::listenToAll() {
  Moment before = std::chrono::steady_clock::now(), lastSign = before;
  const auto interval = seconds(std::max(options.silence / 8, 0.02));
  for (;;) {
    std::vector<pollfd> entries;
    for (const std::unique_ptr<Peer> &peer : peers)
      entries.push_back(
          {peer->closed ? -1 : peer->socket.descriptor(), POLLIN, 0});
    constexpr int longest = 20; // ms, after which an end is noticed
    poll(entries.data(), entries.size(), longest);
    for (size_t i = 0; i < peers.size(); ++i)
      if (entries[i].revents != 0)
        readFrom(*peers[i]);
    Moment now = std::chrono::steady_clock::now();
    checkSilence(now, before);
    before = now;
    if (now - lastSign >= interval) {
      lastSign = now;
      for (const std::unique_ptr<Peer> &peer : peers)
        signLife(*peer);
      inspectSelf();
    }
    lastResortIfDue(now);
    std::lock_guard lock(mutex);
    if (ending)
      return;
  }
}

void Peers::readFrom(Peer &peer) {
  // What the others say is looked at too before more of this one's.
  constexpr int most = 64;
  char bytes[1 << 16];
  int64_t done = 1;
  for (int turn = 0; turn < most && done > 0; ++turn) {
    done = peer.socket.readSome(bytes, sizeof bytes);
    if (done > 0)
      peer.arriving.append(bytes, static_cast<size_t>(done));
  }
  peer.lastHeard = std::chrono::steady_clock::now();
  takeMessages(peer);
  if (done >= 0)
    return;
  peer.closed = true;
  if (!peer.left)
    lose(peer.name + " is gone: its connection closed");
}

void Peers::takeMessages(Peer &peer) {
  size_t taken = 0;
  for (;;) {
    std::string_view rest = std::string_view(peer.arriving).substr(taken);
    Header header{};
    if (rest.size() < sizeof header)
      break;
    std::memcpy(&header, rest.data(), sizeof header);
    if (rest.size() - sizeof header < header.bytes)
      break;
    take(peer, header, rest.substr(sizeof header, header.bytes));
    taken += sizeof header + header.bytes;
  }
  peer.arriving.erase(0, taken);
}

void Peers::take(Peer &peer, const Header &header, std::string_view bytes) {
  switch (header.kind) {
  case Kind::Life:
    return;
  case Kind::Data: {
    std::lock_guard lock(mutex);
    peer.messages.emplace_back(bytes);
    changed.notify_all();
    return;
  }
  case Kind::Lost:
    return lose(std::string(bytes));
  case Kind::Farewell: {
    // Why comes first: whoever waits is woken by either.
    if (header.code != static_cast<uint32_t>(StatusCode::Ok))
      lose(fmt::format("{} stopped: {}", peer.name, bytes));
    std::lock_guard lock(mutex);
    peer.left = true;
    changed.notify_all();
    return;
  }
  }
}

void Peers::checkSilence(Moment now, Moment before) {
  auto allowed = seconds(options.silence);
  for (const std::unique_ptr<Peer> &peer : peers) {
    // A process that was itself stopped has heard nothing, and knows nothing.
    if (now - before > allowed / 2)
      peer->lastHeard = now;
    if (!peer->closed && !peer->left && now - peer->lastHeard > allowed)
      lose(fmt::format("{} has given no sign of life for {:g} s: it was "
                       "stopped, or cannot be reached",
                       peer->name, options.silence));
  }
}

void Peers::inspectSelf() {
  // Once a rank is lost the lock may be held for as long as an interruption
  // takes.
  if (!failure().ok())
    return;
  std::unique_lock lock(watching);
  Status found = inspect ? inspect() : Status();
  lock.unlock();
  if (!found.ok())
    lose(fmt::format("rank {}: {}", rank(), found.message()));
}

void Peers::lose(const std::string &message) {
  {
    std::lock_guard lock(mutex);
    if (!lost.ok())
      return;
    lost = Status::world(message);
    lostAt = std::chrono::steady_clock::now();
    changed.notify_all();
  }
  for (const std::unique_ptr<Peer> &peer : peers) {
    // Not to wait here for one that does not read: it has been lost itself.
    std::unique_lock lock(peer->sending, std::try_to_lock);
    Header header{Kind::Lost, 0, message.size()};
    std::string frame(reinterpret_cast<const char *>(&header), sizeof header);
    frame += message;
    if (lock.owns_lock() && peer->unsent.empty() && !peer->closed)
      (void)peer->socket.writeSome(frame.data(), frame.size());
  }
  interrupter = std::thread([this] {
    std::lock_guard lock(watching);
    if (interrupt)
      interrupt();
  });
}

void Peers::lastResortIfDue(Moment now) {
  Status status = failure();
  if (status.ok() || resorted || !options.lastResort ||
      now - lostAt < seconds(options.grace))
    return;
  resorted = true;
  options.lastResort(status);
}

} // namespace decay::runtime
