//===- RankPlace.h - Which of several processes this one is ----*- C++ -*-===//
//
// Launchers say it in the environment, each in variables of its own:
//
//   torchrun, shells   RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT
//   Open MPI           OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK
//   MPICH, Intel MPI   PMI_RANK, PMI_SIZE, MPI_LOCALRANKID
//   Slurm's srun       SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID
//
// in this order, because mpirun may run inside of Slurm. MASTER_ADDR and
// MASTER_PORT say with every launcher where rank 0 is met.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_COMMUNICATION_RANKPLACE_H
#define DECAY_RUNTIME_COMMUNICATION_RANKPLACE_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace decay::runtime {

struct RankPlace {
  int64_t rank = 0, size = 1;
  int64_t localRank = 0; ///< among the ranks of this machine
  std::string address;   ///< of rank 0; empty for one rank alone
  int64_t port = 0;
};

/// The value of an environment variable; none where it is not set.
using Lookup =
    std::function<std::optional<std::string>(const std::string &name)>;

/// Of this process's environment.
std::optional<std::string> environmentVariable(const std::string &name);

/// One rank alone when no launcher left its variables. User errors, by the
/// variable's name: a value that is no number or out of range, a set of which
/// one is missing.
Result<RankPlace> findRankPlace(const Lookup &lookup = environmentVariable);

/// The first of the hosts in Slurm's notation: "gpu[07-09,12],login" gives
/// "gpu07"; empty where the text is none.
std::string firstHost(std::string_view list);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_COMMUNICATION_RANKPLACE_H
