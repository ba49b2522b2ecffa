//===- Meeting.cpp - How the ranks of a run find each other ---------------===//

#include "runtime/communication/Peers.h"

#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace decay::runtime {
namespace {
constexpr char word[8] = {'d', 'e', 'c', 'a', 'y', ' ', 'r', '1'};
}

/// What two ranks say to each other first. Rank 0 answers when all are there.
struct Peers::Introduction {
  char greeting[8];
  uint32_t rank, size;
  uint32_t process;
  char host[64];

  bool isOurs() const {
    return std::memcmp(greeting, word, sizeof word) == 0 &&
           host[sizeof host - 1] == 0;
  }
  std::string name() const {
    return fmt::format("rank {} (process {} on {})", rank, process, host);
  }
};

Peers::Introduction Peers::introduction() const {
  Introduction mine = {};
  std::memcpy(mine.greeting, word, sizeof word);
  mine.rank = static_cast<uint32_t>(rank());
  mine.size = static_cast<uint32_t>(size());
  mine.process = static_cast<uint32_t>(getpid());
  std::string host = hostName();
  host.copy(mine.host, sizeof mine.host - 1);
  return mine;
}

Result<std::unique_ptr<Peers>> Peers::connect(const RankPlace &place,
                                              PeerOptions options) {
  std::unique_ptr<Peers> made(new Peers(place, std::move(options)));
  if (place.size == 1)
    return made;
  DECAY_RETURN_IF_ERROR(place.rank == 0 ? made->meetAll() : made->greetFirst());
  for (const std::unique_ptr<Peer> &peer : made->peers)
    peer->lastHeard = std::chrono::steady_clock::now();
  made->reader = std::thread([peers = made.get()] { peers->listenToAll(); });
  return made;
}

void Peers::add(const Introduction &other, Socket socket) {
  auto peer = std::make_unique<Peer>();
  peer->rank = other.rank;
  peer->name = other.name();
  peer->socket = std::move(socket);
  peers.push_back(std::move(peer));
}

static Moment after(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::duration<double>(seconds));
}

Status Peers::meetAll() {
  Moment end = after(options.patience);
  DECAY_ASSIGN_OR_RETURN(Socket door,
                         Socket::listen(place.address, place.port));
  while (static_cast<int64_t>(peers.size()) < size() - 1)
    DECAY_RETURN_IF_ERROR(meet(door, end));
  Introduction mine = introduction();
  for (const std::unique_ptr<Peer> &peer : peers)
    DECAY_RETURN_IF_ERROR(
        peer->socket.write(&mine, sizeof mine, end).within(peer->name));
  return {};
}

Status Peers::meet(const Socket &door, Moment end) {
  DECAY_ASSIGN_OR_RETURN(Socket socket, door.accept(end));
  if (!socket.isOpen())
    return Status::world(fmt::format(
        "{} did not come to {}:{} within {:g} s: see what became of them, "
        "start all {} processes, or raise job.start_timeout",
        absentRanks(), place.address, place.port, options.patience, size()));
  Introduction other = {};
  constexpr double moment = 5; // for who opens a connection and says nothing
  if (!socket.read(&other, sizeof other, after(moment)).ok() || !other.isOurs())
    return {};
  if (other.size != size())
    return Status::user(fmt::format(
        "{} says that there are {} ranks, this one says {}: start all with the "
        "same number, or choose another MASTER_PORT for each run",
        other.name(), other.size, size()));
  auto taken = [&](const std::string &who) {
    return Status::user(
        fmt::format("{} has the number of {}: give each process its own RANK, "
                    "and each run its own MASTER_PORT",
                    other.name(), who));
  };
  if (other.rank == 0 || other.rank >= size())
    return taken(introduction().name());
  for (const std::unique_ptr<Peer> &peer : peers)
    if (peer->rank == other.rank)
      return taken(peer->name);
  add(other, std::move(socket));
  return {};
}

std::string Peers::absentRanks() const {
  std::vector<bool> here(static_cast<size_t>(size()));
  here[0] = true;
  for (const std::unique_ptr<Peer> &peer : peers)
    here[static_cast<size_t>(peer->rank)] = true;
  std::vector<size_t> absent;
  for (size_t rank = 0; rank < here.size(); ++rank)
    if (!here[rank])
      absent.push_back(rank);
  return fmt::format("rank{} {}", absent.size() == 1 ? "" : "s",
                     fmt::join(absent, ", "));
}

Status Peers::greetFirst() {
  Moment end = after(options.patience);
  auto meeting = fmt::format("meeting rank 0 at {}:{} (MASTER_ADDR, "
                             "MASTER_PORT)",
                             place.address, place.port);
  auto socket = Socket::connect(place.address, place.port, end);
  if (!socket.ok())
    return std::move(socket).status().within(meeting);
  Introduction mine = introduction(), first = {};
  DECAY_RETURN_IF_ERROR(socket->write(&mine, sizeof mine, end).within(meeting));
  DECAY_RETURN_IF_ERROR(
      socket->read(&first, sizeof first, end).within(meeting));
  if (!first.isOurs() || first.rank != 0 || first.size != size())
    return Status::user(meeting + ": another program, or another run, answers "
                                  "there; choose another MASTER_PORT");
  add(first, std::move(*socket));
  return {};
}

} // namespace decay::runtime
