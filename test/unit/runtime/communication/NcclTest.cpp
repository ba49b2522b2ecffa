#include "runtime/communication/cuda/Nccl.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace decay::runtime;

TEST(Nccl, LooksInTheFoldersThatAreGivenFirst) {
  std::vector<std::string> places = ncclPlaces("/packages::/opt/my.so.2");
  EXPECT_EQ(places.front(), "/packages/libnccl.so.2");
  auto has = [&](const char *place) {
    return std::ranges::find(places, place) != places.end();
  };
  EXPECT_TRUE(has("/packages/nvidia/nccl/lib/libnccl.so.2"));
  EXPECT_TRUE(has("/opt/my.so.2"));
  EXPECT_EQ(places.back(), "libnccl.so.2");
  EXPECT_EQ(ncclPlaces("").size(), 1u);
}

TEST(Nccl, SaysWhatToSetWhenItIsMissing) {
  setenv("DECAY_NCCL", "/nowhere", 1);
  auto nccl = openNccl();
  if (nccl.ok())
    GTEST_SKIP() << "NCCL is installed: " << (*nccl)->path;
  EXPECT_EQ(nccl.status().code(), StatusCode::World);
  for (const char *text : {"libnccl.so.2 is not found", "set DECAY_NCCL to",
                           "--job.communicator=loopback"})
    EXPECT_NE(nccl.status().message().find(text), std::string::npos)
        << nccl.status().message();
}
