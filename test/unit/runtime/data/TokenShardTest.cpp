//===- TokenShardTest.cpp -------------------------------------------------===//

#include "runtime/data/TokenShard.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <numeric>

using namespace decay::runtime;

namespace {
std::vector<uint16_t> counting(size_t count, uint16_t first = 0) {
  std::vector<uint16_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}
} // namespace

TEST(TokenShard, LayoutIsThatOfLlmC) {
  TemporaryFolder folder;
  auto path = folder.path() / "a.bin";
  ASSERT_TRUE(writeShard(path, counting(3, 500)).ok());
  std::string bytes = *readFile(path);
  ASSERT_EQ(bytes.size(), 256u * 4 + 3 * 2);
  int32_t header[4];
  std::memcpy(header, bytes.data(), sizeof(header));
  EXPECT_EQ(header[0], 20240520);
  EXPECT_EQ(header[1], 1);
  EXPECT_EQ(header[2], 3);
  EXPECT_EQ(header[3], 0);
  EXPECT_EQ(static_cast<uint8_t>(bytes[1024]), 500 & 0xff);
  auto shard = TokenShard::open(path);
  ASSERT_TRUE(shard.ok());
  EXPECT_TRUE(std::ranges::equal(shard->tokens(), counting(3, 500)));
}

TEST(TokenShard, RefusesWhatIsDamaged) {
  TemporaryFolder folder;
  auto path = folder.path() / "a.bin";
  ASSERT_TRUE(writeShard(path, counting(100)).ok());
  std::string whole = *readFile(path);
  auto refusal = [&](std::string bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    Status status = TokenShard::open(path).status();
    EXPECT_EQ(status.code(), StatusCode::World);
    return status.message().substr(path.string().size() + 2);
  };
  EXPECT_EQ(refusal(""), "too short for a token shard");
  EXPECT_EQ(refusal(whole.substr(0, 1023)), "too short for a token shard");
  EXPECT_EQ(refusal(whole.substr(0, whole.size() - 1)),
            "the header promises 100 tokens, the file has 199 bytes of them; "
            "it was cut off or damaged");
  EXPECT_NE(refusal(whole + "xx").find("202 bytes"), std::string::npos);
  std::string other = whole;
  other[0] ^= 1;
  EXPECT_EQ(refusal(other),
            "not a token shard: its first word is 20240521, not 20240520");
  other = whole;
  other[4] = 2;
  EXPECT_EQ(refusal(other),
            "a token shard of version 2; this program reads version 1");
  other = whole;
  other[11] = '\xff';
  EXPECT_NE(refusal(other).find("the header promises -"), std::string::npos);
}

TEST(TokenSequence, ReadsAcrossShards) {
  TemporaryFolder folder;
  std::vector<std::filesystem::path> paths;
  uint16_t first = 0;
  for (size_t count : {5, 0, 1, 10}) {
    paths.push_back(folder.path() / std::to_string(paths.size()));
    ASSERT_TRUE(writeShard(paths.back(), counting(count, first)).ok());
    first = static_cast<uint16_t>(first + count);
  }
  auto sequence = TokenSequence::open(paths, 16);
  ASSERT_TRUE(sequence.ok()) << sequence.status().message();
  TokenSequence moved = std::move(*sequence);
  ASSERT_EQ(moved.size(), 16);
  for (int64_t start = 0; start <= 16; ++start)
    for (int64_t count = 0; start + count <= 16; ++count) {
      std::vector<int32_t> out(static_cast<size_t>(count));
      moved.read(start, out);
      for (int64_t i = 0; i < count; ++i)
        ASSERT_EQ(out[static_cast<size_t>(i)], start + i);
    }
  Status status = TokenSequence::open(paths, 15).status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find(
                "3: token 15 at place 9 does not exist in a vocabulary of 15"),
            std::string::npos);
}
