#include "Together.h"

#include <atomic>

using namespace decay::runtime;

namespace {
void expectMentions(const Status &status, const std::string &text) {
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
}
} // namespace

TEST(Peers, OneRankAloneAgreesWithItself) {
  auto peers = Peers::connect({}, {});
  ASSERT_TRUE(peers.ok());
  EXPECT_EQ(*(*peers)->gather("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(*(*peers)->broadcast("b"), "b");
  EXPECT_TRUE((*peers)->agree({}).ok());
  EXPECT_EQ((*peers)->agree(Status::user("no")).message(), "no");
  (*peers)->leave({});
}

TEST(Peers, GatherAndBroadcastInOrderOfRanks) {
  together(4, [](Peers &peers) {
    for (int turn = 0; turn < 50; ++turn) {
      std::string mine(static_cast<size_t>(peers.rank() * 1000 * turn),
                       static_cast<char>('a' + peers.rank()));
      auto all = peers.gather(mine);
      ASSERT_TRUE(all.ok());
      ASSERT_EQ(all->size(), 4u);
      for (size_t rank = 0; rank < 4; ++rank)
        EXPECT_EQ((*all)[rank],
                  std::string(rank * 1000 * static_cast<size_t>(turn),
                              static_cast<char>('a' + rank)));
      EXPECT_EQ(*peers.broadcast(peers.isFirst() ? "first" : "other"), "first");
      const double numbers[] = {0.1 * double(peers.rank()), 2};
      auto each = peers.gather(numbers);
      ASSERT_TRUE(each.ok());
      EXPECT_EQ((*each)[3], (std::vector<double>{0.1 * 3, 2}));
    }
    // The last one may still be on its way to others.
    peers.leave({});
  });
}

TEST(Peers, AFailureOfOneIsAFailureOfAll) {
  together(3, [](Peers &peers) {
    Status mine = peers.rank() == 1 ? Status::user("a wrong flag") : Status();
    Status agreed = peers.agree(mine);
    if (peers.rank() == 1) {
      EXPECT_EQ(agreed.code(), StatusCode::User);
      EXPECT_EQ(agreed.message(), "a wrong flag");
    } else {
      EXPECT_EQ(agreed.code(), StatusCode::World);
      EXPECT_EQ(agreed.message(), "rank 1: a wrong flag");
    }
    peers.leave({});
  });
}

TEST(Peers, WhoLeavesWithAFailureIsNamedByAll) {
  together(3, [](Peers &peers) {
    if (peers.rank() == 2)
      return peers.leave(Status::world("the disk is full"));
    Status status = peers.gather("").status();
    expectMentions(status, "rank 2 (process ");
    expectMentions(status, "stopped: the disk is full");
    EXPECT_EQ(status.code(), StatusCode::World);
    expectMentions(peers.failure(), "the disk is full");
  });
}

TEST(Peers, WhoGoesWithoutAWordIsNamedByAll) {
  for (int64_t goes = 0; goes < 3; ++goes)
    together(3, [goes](Peers &peers) {
      if (peers.rank() == goes)
        return;
      Status status = peers.gather("").status();
      expectMentions(status, "rank " + std::to_string(goes) + " (process ");
      expectMentions(status, "is gone: its connection closed");
      EXPECT_EQ(status.code(), StatusCode::World);
    });
}

TEST(Peers, AFailureHasItsCauseInALostRank) {
  together(2, [](Peers &peers) {
    if (peers.rank() == 1)
      return;
    expectMentions(peers.causeOf(Status::world("the device says no")),
                   "rank 1 (process ");
    // A wrong flag stays one.
    EXPECT_EQ(peers.causeOf(Status::user("a wrong flag")).message(),
              "a wrong flag");
    EXPECT_TRUE(peers.causeOf({}).ok());
  });
  auto alone = Peers::connect({}, {});
  EXPECT_EQ((*alone)->causeOf(Status::world("no memory")).message(),
            "no memory");
}

TEST(Peers, ALossInterruptsAndFinallyResorts) {
  PeerOptions options = quickOptions();
  std::atomic<int> resorted = 0;
  options.grace = 0.1;
  options.lastResort = [&](const Status &status) {
    expectMentions(status, "rank 1");
    ++resorted;
  };
  together(
      2,
      [&](Peers &peers) {
        if (peers.rank() == 1)
          return;
        std::atomic<bool> interrupted = false;
        peers.watch([&] { interrupted = true; }, {});
        while (!interrupted || resorted == 0)
          std::this_thread::yield();
        peers.unwatch();
      },
      options);
  EXPECT_EQ(resorted, 1);
}

TEST(Peers, WhatInspectionFindsIsThisRanksFailure) {
  PeerOptions options = quickOptions();
  options.silence = 0.5;
  together(
      2,
      [](Peers &peers) {
        if (peers.rank() == 0)
          peers.watch({}, [] { return Status::world("a broken cable"); });
        Status status = peers.rank() == 0 ? peers.receive(1).status()
                                          : peers.receive(0).status();
        expectMentions(status, "rank 0: a broken cable");
        peers.unwatch();
      },
      options);
}

TEST(Peers, WhoDoesNotComeIsNamed) {
  PeerOptions options;
  options.patience = 0.2;
  auto peers = Peers::connect({0, 3, 0, "127.0.0.1", freePort()}, options);
  ASSERT_FALSE(peers.ok());
  expectMentions(peers.status(), "ranks 1, 2 did not come");
  auto other = Peers::connect({1, 3, 1, "127.0.0.1", freePort()}, options);
  ASSERT_FALSE(other.ok());
  expectMentions(other.status(), "nobody answers");
}

TEST(Peers, RanksThatDoNotFitAreRefused) {
  struct Case {
    RankPlace stranger;
    const char *text;
  };
  for (const auto &[stranger, text] :
       {Case{{1, 3, 1, "127.0.0.1", 0}, "says that there are 3 ranks"},
        Case{{0, 2, 0, "127.0.0.1", 0}, ""}}) {
    RankPlace place{0, 2, 0, "127.0.0.1", freePort()}, other = stranger;
    other.port = place.port;
    PeerOptions options;
    options.patience = 1;
    Status refused;
    std::thread comer(
        [&] { refused = Peers::connect(other, options).status(); });
    Status status = Peers::connect(place, options).status();
    comer.join();
    EXPECT_FALSE(refused.ok());
    expectMentions(status, text);
  }
}
