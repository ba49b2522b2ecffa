//===- EventFileTest.cpp - What TensorBoard reads --------------*- C++ -*-===//
#include "runtime/train/EventFile.h"

#include "runtime/core/Files.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <vector>

using namespace decay::runtime;

namespace {
/// Bit by bit, from the polynomial: the obvious twin.
uint32_t slowCrc(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

uint32_t unmasked(uint32_t masked) {
  uint32_t rotated = masked - 0xa282ead8;
  return rotated >> 17 | rotated << 15;
}

template <typename T> T take(std::string_view &bytes) {
  T value{};
  EXPECT_GE(bytes.size(), sizeof(T));
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(T)));
  bytes.remove_prefix(std::min(bytes.size(), sizeof(T)));
  return value;
}

/// The records of a file, their checksums checked.
std::vector<std::string> records(std::string_view bytes) {
  std::vector<std::string> found;
  while (!bytes.empty() && !testing::Test::HasFailure()) {
    std::string length(bytes.substr(0, 8));
    auto size = take<uint64_t>(bytes);
    EXPECT_EQ(unmasked(take<uint32_t>(bytes)), slowCrc(length));
    EXPECT_LE(size, bytes.size());
    found.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(std::min<size_t>(size, bytes.size()));
    EXPECT_EQ(unmasked(take<uint32_t>(bytes)), slowCrc(found.back()));
  }
  return found;
}

/// A message's fields by number: the bytes of each value, in order.
std::multimap<int, std::string> fields(std::string_view bytes) {
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; !bytes.empty(); shift += 7) {
      auto byte = take<uint8_t>(bytes);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80)
        break;
    }
    return value;
  };
  std::multimap<int, std::string> found;
  while (!bytes.empty()) {
    uint64_t key = varint();
    size_t size = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : varint();
    bool number = key % 8 == 0;
    found.emplace(static_cast<int>(key >> 3),
                  number ? std::to_string(size)
                         : std::string(bytes.substr(0, size)));
    if (!number)
      bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return found;
}

std::string only(const std::multimap<int, std::string> &message, int field) {
  EXPECT_EQ(message.count(field), 1u) << "field " << field;
  auto found = message.find(field);
  return found == message.end() ? "" : found->second;
}

std::string contentOf(const std::filesystem::path &folder) {
  std::string name, content;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_TRUE(name.empty()) << "one file, so far";
    name = entry.path().filename().string();
    content = *readFile(entry.path());
  }
  EXPECT_TRUE(name.starts_with("events.out.tfevents."));
  return content;
}
} // namespace

TEST(EventFile, ChecksumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c("any bytes"), slowCrc("any bytes"));
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(EventFile, ReadsBack) {
  TemporaryFolder folder;
  {
    auto events = EventFile::create(folder.path() / "board", 7);
    ASSERT_TRUE(events.ok()) << events.status().message();
    EventFile moved = std::move(*events);
    const Scalar scalars[] = {{"loss", 2.5}, {"throughput(tps)", 1e6}};
    ASSERT_TRUE(moved.write(300, scalars).ok());
  }
  auto found = records(contentOf(folder.path() / "board"));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(only(fields(found[0]), 3), "brain.Event:2");
  auto session = fields(found[1]);
  EXPECT_EQ(only(session, 2), "8");
  EXPECT_EQ(only(fields(only(session, 7)), 1), "1");
  auto event = fields(found[2]);
  EXPECT_EQ(only(event, 2), "300");
  EXPECT_EQ(only(event, 1).size(), sizeof(double));
  auto summary = fields(only(event, 5));
  std::map<std::string, float> values;
  for (const auto &[number, bytes] : summary) {
    EXPECT_EQ(number, 1);
    auto value = fields(bytes);
    std::string raw = only(value, 2);
    std::string_view view = raw;
    values[only(value, 1)] = take<float>(view);
  }
  EXPECT_EQ(values, (std::map<std::string, float>{{"loss", 2.5F},
                                                  {"throughput(tps)", 1e6F}}));
}

TEST(EventFile, AFolderThatCannotBeMadeIsAWorldError) {
  TemporaryFolder folder;
  ASSERT_TRUE(writeFileAtomic(folder.path() / "file", "x").ok());
  EXPECT_EQ(
      EventFile::create(folder.path() / "file" / "board", 0).status().code(),
      StatusCode::World);
}
