#include "runtime/communication/RankPlace.h"

#include <gtest/gtest.h>
#include <map>

using namespace decay::runtime;

namespace {
using Variables = std::map<std::string, std::string>;

Result<RankPlace> placeIn(const Variables &variables) {
  return findRankPlace(
      [&](const std::string &name) -> std::optional<std::string> {
        auto found = variables.find(name);
        if (found == variables.end())
          return std::nullopt;
        return found->second;
      });
}

void expectPlace(const Variables &variables, int64_t rank, int64_t size,
                 int64_t localRank, const std::string &address, int64_t port) {
  auto place = placeIn(variables);
  ASSERT_TRUE(place.ok()) << place.status().message();
  EXPECT_EQ(place->rank, rank);
  EXPECT_EQ(place->size, size);
  EXPECT_EQ(place->localRank, localRank);
  EXPECT_EQ(place->address, address);
  EXPECT_EQ(place->port, port);
}

void expectRefused(const Variables &variables, const std::string &text) {
  auto place = placeIn(variables);
  ASSERT_FALSE(place.ok());
  EXPECT_EQ(place.status().code(), StatusCode::User);
  EXPECT_NE(place.status().message().find(text), std::string::npos)
      << place.status().message();
}
} // namespace

TEST(RankPlace, OneRankAloneWithoutALauncher) {
  expectPlace({}, 0, 1, 0, "", 0);
  expectPlace({{"RANK", "0"}, {"WORLD_SIZE", "1"}}, 0, 1, 0, "", 0);
  // What an address alone means nobody can say.
  expectPlace({{"MASTER_ADDR", "node"}}, 0, 1, 0, "", 0);
}

TEST(RankPlace, TorchrunsVariables) {
  Variables set = {{"RANK", "3"},
                   {"WORLD_SIZE", "4"},
                   {"LOCAL_RANK", "1"},
                   {"MASTER_ADDR", "node7"},
                   {"MASTER_PORT", "1234"}};
  expectPlace(set, 3, 4, 1, "node7", 1234);
  // Its agent has a store at that port.
  set["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  expectPlace(set, 3, 4, 1, "node7", 1235);
  set["TORCHELASTIC_USE_AGENT_STORE"] = "False";
  set.erase("LOCAL_RANK");
  expectPlace(set, 3, 4, 3, "node7", 1234);
}

TEST(RankPlace, LaunchersOfMpi) {
  Variables open = {{"OMPI_COMM_WORLD_RANK", "1"},
                    {"OMPI_COMM_WORLD_SIZE", "2"},
                    {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                    {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                    {"SLURM_PROCID", "0"},
                    {"SLURM_NTASKS", "8"}};
  expectPlace(open, 1, 2, 1, "127.0.0.1", 29500);
  open["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  expectRefused(open, "MASTER_ADDR is not set");
  expectPlace({{"PMI_RANK", "0"},
               {"PMI_SIZE", "2"},
               {"MPI_LOCALRANKID", "0"},
               {"MASTER_ADDR", "a"}},
              0, 2, 0, "a", 29500);
}

TEST(RankPlace, SlurmsFirstHostAndAPortOfTheJob) {
  expectPlace({{"SLURM_PROCID", "5"},
               {"SLURM_NTASKS", "8"},
               {"SLURM_LOCALID", "1"},
               {"SLURM_JOB_NODELIST", "gpu[07-09,12]"},
               {"SLURM_JOB_ID", "1020003"}},
              5, 8, 1, "gpu07", 20003);
}

TEST(RankPlace, FirstHosts) {
  EXPECT_EQ(firstHost("node"), "node");
  EXPECT_EQ(firstHost("node1,node2"), "node1");
  EXPECT_EQ(firstHost("gpu[07-09,12],login"), "gpu07");
  EXPECT_EQ(firstHost("gpu[3,5]-ib,login"), "gpu3-ib");
  EXPECT_EQ(firstHost("a,gpu[1-2]"), "a");
  EXPECT_EQ(firstHost("gpu[1-2"), "");
  EXPECT_EQ(firstHost(""), "");
}

TEST(RankPlace, WrongVariablesAreNamedWithAFix) {
  expectRefused({{"RANK", "0"}}, "RANK is '0', but WORLD_SIZE is not set");
  expectRefused({{"WORLD_SIZE", "2"}}, "set RANK, or unset WORLD_SIZE");
  expectRefused({{"RANK", "2"}, {"WORLD_SIZE", "2"}},
                "RANK is '2', expected a number from 0 to 1");
  expectRefused({{"RANK", "one"}, {"WORLD_SIZE", "2"}}, "RANK is 'one'");
  expectRefused({{"RANK", "0"}, {"WORLD_SIZE", "0"}}, "WORLD_SIZE is '0'");
  expectRefused({{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "MASTER_ADDR is not set");
  expectRefused({{"RANK", "0"},
                 {"WORLD_SIZE", "2"},
                 {"MASTER_ADDR", "a"},
                 {"MASTER_PORT", "70000"}},
                "MASTER_PORT is '70000'");
  expectRefused({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}},
                "MASTER_ADDR is not set");
}
