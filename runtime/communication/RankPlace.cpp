//===- RankPlace.cpp - Which of several processes this one is -------------===//

#include "runtime/communication/RankPlace.h"

#include <charconv>
#include <cstdlib>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
constexpr int64_t mostRanks = 65536, mostPort = 65535;
constexpr int64_t usualPort = 29500; // PyTorch's

struct Launcher {
  const char *name;
  const char *rank, *size, *localRank;
  const char *localSize; ///< null: it says none
};
constexpr Launcher launchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr}};
constexpr const Launcher &slurm = launchers[3];

std::optional<int64_t> numberIn(const std::string &text) {
  int64_t value = 0;
  const char *end = text.data() + text.size();
  auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end)
    return std::nullopt;
  return value;
}

class Finder {
public:
  explicit Finder(const Lookup &lookup) : lookup(lookup) {}

  Result<RankPlace> find() const {
    for (const Launcher &launcher : launchers)
      if (set(launcher.rank) || set(launcher.size))
        return placeOf(launcher);
    return RankPlace{};
  }

private:
  std::string value(const std::string &name) const {
    return lookup(name).value_or("");
  }
  bool set(const char *name) const { return !value(name).empty(); }

  Result<int64_t> number(const char *name, int64_t least, int64_t most) const {
    std::optional<int64_t> number = numberIn(value(name));
    if (!number || *number < least || *number > most)
      return Status::user(
          fmt::format("the environment variable {} is '{}', expected a number "
                      "from {} to {}: correct it, or unset it",
                      name, value(name), least, most));
    return *number;
  }

  Result<RankPlace> placeOf(const Launcher &launcher) const {
    for (auto [there, missing] : {std::pair(launcher.rank, launcher.size),
                                  std::pair(launcher.size, launcher.rank)})
      if (!set(missing))
        return Status::user(fmt::format(
            "the environment variable {} is '{}', but {} is not set: {} sets "
            "both; set {}, or unset {} to train with one process",
            there, value(there), missing, launcher.name, missing, there));
    RankPlace place;
    DECAY_ASSIGN_OR_RETURN(place.size, number(launcher.size, 1, mostRanks));
    DECAY_ASSIGN_OR_RETURN(place.rank,
                           number(launcher.rank, 0, place.size - 1));
    place.localRank = place.rank;
    if (set(launcher.localRank)) {
      DECAY_ASSIGN_OR_RETURN(place.localRank,
                             number(launcher.localRank, 0, place.size - 1));
    }
    if (place.size == 1)
      return place;
    DECAY_ASSIGN_OR_RETURN(place.address, addressFor(launcher, place.size));
    DECAY_ASSIGN_OR_RETURN(place.port, portFor(launcher));
    return place;
  }

  Result<std::string> addressFor(const Launcher &launcher, int64_t size) const {
    if (set("MASTER_ADDR"))
      return value("MASTER_ADDR");
    if (launcher.localSize && numberIn(value(launcher.localSize)) == size)
      return std::string("127.0.0.1");
    if (&launcher == &slurm)
      for (const char *list : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"})
        if (std::string host = firstHost(value(list)); !host.empty())
          return host;
    return Status::user(fmt::format(
        "{} is {}, but the environment variable MASTER_ADDR is not set: set it "
        "to the host of rank 0, 127.0.0.1 where all run on one machine",
        launcher.size, size));
  }

  Result<int64_t> portFor(const Launcher &launcher) const {
    int64_t port = usualPort;
    if (set("MASTER_PORT")) {
      DECAY_ASSIGN_OR_RETURN(port, number("MASTER_PORT", 1, mostPort - 1));
      // Under torchrun its own store may listen there already.
      if (value("TORCHELASTIC_USE_AGENT_STORE") == "True")
        ++port;
    } else if (&launcher == &slurm) {
      // Jobs that share a machine do not meet each other's ranks.
      constexpr int64_t first = 20000, ports = 20000;
      port = first + numberIn(value("SLURM_JOB_ID")).value_or(0) % ports;
    }
    return port;
  }

  const Lookup &lookup;
};
} // namespace

std::optional<std::string> environmentVariable(const std::string &name) {
  const char *value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

Result<RankPlace> findRankPlace(const Lookup &lookup) {
  return Finder(lookup).find();
}

std::string firstHost(std::string_view list) {
  size_t end = list.find_first_of(",[");
  if (end == std::string_view::npos || list[end] == ',')
    return std::string(list.substr(0, end));
  std::string_view numbers = list.substr(end + 1);
  std::string_view first = numbers.substr(0, numbers.find_first_of(",-]"));
  size_t close = numbers.find(']');
  if (close == std::string_view::npos)
    return "";
  // What follows the bracket belongs to the name too.
  std::string_view rest = numbers.substr(close + 1);
  return std::string(list.substr(0, end))
      .append(first)
      .append(rest.substr(0, rest.find(',')));
}

} // namespace decay::runtime
