//===- Peers.h - The other processes of a run, and their health -*- C++ -*-===//
//
// Every rank holds a TCP connection to rank 0. Over it go small agreements of
// the hosts, and a sign of life several times in the time allowed for silence.
// A thread of its own reads, so that a rank that was killed, stopped or cut off
// is noticed whatever the others do; rank 0 tells them its name.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_COMMUNICATION_PEERS_H
#define DECAY_RUNTIME_COMMUNICATION_PEERS_H

#include "runtime/communication/RankPlace.h"
#include "runtime/communication/Socket.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace decay::runtime {

struct PeerOptions {
  double silence = 30;   ///< seconds without a sign of life: the rank is lost
  double patience = 300; ///< seconds to wait for all ranks at the start
  /// Called in a thread of its own when this process has not left `grace`
  /// seconds after a rank was lost, as it waits for something that nobody will
  /// do. May end the process.
  std::function<void(const Status &)> lastResort;
  double grace = 10;
};

class Peers {
public:
  /// Meets the others: rank 0 listens at the place's address and port, the
  /// others come. One rank alone meets nobody. World errors: a rank that does
  /// not come in time, by its number; user errors: ranks that disagree about
  /// how many they are.
  static Result<std::unique_ptr<Peers>> connect(const RankPlace &place,
                                                PeerOptions options);
  ~Peers();

  int64_t rank() const { return place.rank; }
  int64_t size() const { return place.size; }
  bool isFirst() const { return place.rank == 0; }

  /// What every rank gives, by rank. All ranks call it, in the same order as
  /// their other calls; so with all below. World errors: a rank is lost.
  Result<std::vector<std::string>> gather(std::string_view mine);
  /// What rank 0 gives.
  Result<std::string> broadcast(std::string_view mine);
  /// Success when all ranks say so. Otherwise one's own failure, or a world
  /// error with the first rank's.
  Status agree(const Status &mine);
  /// gather for numbers: a[rank].
  Result<std::vector<std::vector<double>>> gather(std::span<const double> mine);

  /// Between rank 0 and another alone.
  Status send(int64_t to, std::string_view bytes);
  Result<std::string> receive(int64_t from);

  /// Why nothing more will come: a rank is lost; success as long as all is
  /// well.
  Status failure() const;
  /// What this rank's failure comes from: a lost rank, if one is known or
  /// becomes known within a second, as a device may feel it first; else
  /// `status` itself.
  Status causeOf(Status status);
  /// `interrupt` is called, once and in another thread, when a rank is lost: it
  /// ends what this process may wait for. `inspect` is called as often as a
  /// sign of life is due; what it finds wrong is a failure of this rank.
  void watch(std::function<void()> interrupt, std::function<Status()> inspect);
  /// Nothing of what `watch` was given is called from now on.
  void unwatch();

  /// Says goodbye: with a failure, the others stop and say whose it was.
  void leave(const Status &status);

private:
  enum class Kind : uint32_t { Life, Data, Farewell, Lost };
  struct Header {
    Kind kind;
    uint32_t code; ///< of a farewell
    uint64_t bytes;
  };
  /// Another rank; rank 0 has all, the others have it.
  struct Peer {
    int64_t rank = 0;
    std::string name; ///< "rank 1 (process 4711 on node7)"
    Socket socket;
    std::mutex sending; ///< the socket's writing side
    std::string unsent; ///< of a sign of life that did not fit
    std::string arriving;
    std::deque<std::string> messages;
    Moment lastHeard;
    bool left = false; ///< in order
    bool closed = false;
  };
  struct Introduction;

  Peers(RankPlace place, PeerOptions options)
      : place(std::move(place)), options(std::move(options)) {}
  Introduction introduction() const;
  void add(const Introduction &other, Socket socket);
  Status meetAll();
  Status meet(const Socket &door, Moment end);
  Status greetFirst();
  std::string absentRanks() const;

  Peer &peerOf(int64_t rank);
  Status write(Peer &peer, Kind kind, uint32_t code, std::string_view bytes);
  bool writeRest(Peer &peer);
  void signLife(Peer &peer);
  void listenToAll();
  void readFrom(Peer &peer);
  void takeMessages(Peer &peer);
  void take(Peer &peer, const Header &header, std::string_view bytes);
  void checkSilence(Moment now, Moment before);
  void inspectSelf();
  void lose(const std::string &message);
  void lastResortIfDue(Moment now);

  RankPlace place;
  PeerOptions options;
  std::vector<std::unique_ptr<Peer>> peers;
  std::thread reader, interrupter;

  mutable std::mutex mutex; ///< of all below, and of the peers' messages
  std::condition_variable changed;
  Status lost;
  Moment lostAt;
  bool ending = false, resorted = false;

  std::mutex watching;
  std::function<void()> interrupt;
  std::function<Status()> inspect;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_COMMUNICATION_PEERS_H
