//===- EventFile.h - Curves for TensorBoard --------------------*- C++ -*-===//
//
// A file of records: length as 8 bytes, their masked CRC-32C, the data, its
// masked CRC-32C, all little-endian. The data is an Event of TensorFlow's
// protocol buffers: wall time (1), step (2), file version (3), summary (5) with
// values (1) of tag (1) and number (2), and the status (1) of a session (7).
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_EVENTFILE_H
#define DECAY_RUNTIME_TRAIN_EVENTFILE_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace decay::runtime {

/// One number of one step, by name: "loss".
struct Scalar {
  std::string_view tag;
  double value;
};

class EventFile {
public:
  /// A new file in `folder`, which is made. Says that the run goes on after
  /// `step`: TensorBoard then forgets what older files have beyond it. World
  /// errors: the system's.
  static Result<EventFile> create(const std::filesystem::path &folder,
                                  int64_t step);

  EventFile(EventFile &&other) noexcept
      : file(std::move(other.file)),
        descriptor(std::exchange(other.descriptor, -1)) {}
  EventFile &operator=(EventFile &&other) noexcept {
    std::swap(file, other.file);
    std::swap(descriptor, other.descriptor);
    return *this;
  }
  ~EventFile();

  /// World errors: the system's.
  Status write(int64_t step, std::span<const Scalar> scalars);

private:
  EventFile() = default;
  Status append(const std::string &event);

  std::filesystem::path file;
  int descriptor = -1;
};

/// CRC-32C (Castagnoli) of bytes.
uint32_t crc32c(std::string_view bytes);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_EVENTFILE_H
