//===- EventFile.cpp - Curves for TensorBoard -----------------------------===//

#include "runtime/train/EventFile.h"

#include "runtime/core/Files.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace decay::runtime {
namespace {
constexpr auto crcTable = [] {
  constexpr uint32_t reversedPolynomial = 0x82f63b78;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit)
      rest = rest >> 1 ^ (rest & 1 ? reversedPolynomial : 0);
    table[byte] = rest;
  }
  return table;
}();

// A checksum of data that has checksums in it would be weak: hence the mask.
uint32_t maskedCrc(std::string_view bytes) {
  uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <typename T> void appendRaw(std::string &out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

/// A message of protocol buffers, field after field.
class Message {
public:
  Message &number(int field, uint64_t value) {
    key(field, 0);
    varint(value);
    return *this;
  }
  Message &float64(int field, double value) {
    key(field, 1);
    appendRaw(bytes, value);
    return *this;
  }
  Message &float32(int field, float value) {
    key(field, 5);
    appendRaw(bytes, value);
    return *this;
  }
  Message &text(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes += value;
    return *this;
  }
  const std::string &data() const { return bytes; }

private:
  void key(int field, int wireType) {
    varint(static_cast<uint64_t>(field << 3 | wireType));
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
  std::string bytes;
};

double wallTime() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

constexpr int wallTimeField = 1, stepField = 2, versionField = 3,
              summaryField = 5, sessionField = 7;
constexpr int valueField = 1, tagField = 1, simpleValueField = 2,
              sessionStatusField = 1;
constexpr uint64_t sessionStart = 1;

Message eventAt(int64_t step) {
  return Message()
      .float64(wallTimeField, wallTime())
      .number(stepField, static_cast<uint64_t>(step));
}
} // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (char byte : bytes)
    crc = crc >> 8 ^ crcTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
  return ~crc;
}

Result<EventFile> EventFile::create(const std::filesystem::path &folder,
                                    int64_t step) {
  DECAY_RETURN_IF_ERROR(createFolders(folder));
  EventFile events;
  // Read in the order of their names; a process makes one at a time.
  auto microseconds = static_cast<int64_t>(wallTime() * 1e6);
  events.file =
      folder / fmt::format("events.out.tfevents.{}.{}", microseconds, getpid());
  events.descriptor = ::open(events.file.c_str(),
                             O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (events.descriptor < 0)
    return systemError("create", events.file, errno);
  DECAY_RETURN_IF_ERROR(events.append(Message()
                                          .float64(wallTimeField, wallTime())
                                          .text(versionField, "brain.Event:2")
                                          .data()));
  Message session;
  session.number(sessionStatusField, sessionStart);
  // What has the step of a session's start or a later one is forgotten.
  DECAY_RETURN_IF_ERROR(events.append(
      eventAt(step + 1).text(sessionField, session.data()).data()));
  return events;
}

EventFile::~EventFile() {
  if (descriptor >= 0)
    close(descriptor);
}

Status EventFile::write(int64_t step, std::span<const Scalar> scalars) {
  Message summary;
  for (const Scalar &scalar : scalars) {
    Message value;
    value.text(tagField, scalar.tag)
        .float32(simpleValueField, static_cast<float>(scalar.value));
    summary.text(valueField, value.data());
  }
  return append(eventAt(step).text(summaryField, summary.data()).data());
}

Status EventFile::append(const std::string &event) {
  std::string length, record;
  appendRaw(length, static_cast<uint64_t>(event.size()));
  record = length;
  appendRaw(record, maskedCrc(length));
  record += event;
  appendRaw(record, maskedCrc(event));
  for (std::string_view rest = record; !rest.empty();) {
    ssize_t count = ::write(descriptor, rest.data(), rest.size());
    if (count < 0 && errno != EINTR)
      return systemError("write", file, errno);
    rest.remove_prefix(count < 0 ? 0 : static_cast<size_t>(count));
  }
  return {};
}

} // namespace decay::runtime
