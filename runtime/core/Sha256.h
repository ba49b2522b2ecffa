//===- Sha256.h - A digest of bytes ----------------------------*- C++ -*-===//
//
// SHA-256 (FIPS 180-4), for checksums that `sha256sum` can also compute.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_SHA256_H
#define DECAY_RUNTIME_CORE_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace decay::runtime {

class Sha256 {
public:
  void add(const void *data, size_t bytes);
  /// 64 hex digits. The object is spent after this.
  std::string finish();

private:
  void block(const uint8_t *data);

  std::array<uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                   0xa54ff53a, 0x510e527f, 0x9b05688c,
                                   0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> buffer{};
  size_t buffered = 0;
  uint64_t total = 0;
};

std::string sha256(const void *data, size_t bytes);
inline std::string sha256(std::string_view text) {
  return sha256(text.data(), text.size());
}

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_SHA256_H
