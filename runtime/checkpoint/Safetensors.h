//===- Safetensors.h - Named tensors in one file ---------------*- C++ -*-===//
//
// The safetensors format: 8 bytes little-endian header length, a JSON header,
// the numbers. Files that we write also carry SHA-256 checksums in the header's
// "__metadata__", one for each tensor and one for the header itself, so that a
// damaged file is refused by the name of the tensor; other readers ignore them.
//
// Refused on reading, always: a header over 100 MB or longer than the file,
// bytes that are not UTF-8, a key that occurs twice, depth over 4, unknown
// types, offsets that overlap, leave holes, or do not equal shape times type.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CHECKPOINT_SAFETENSORS_H
#define DECAY_RUNTIME_CHECKPOINT_SAFETENSORS_H

#include "runtime/core/Files.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

enum class StoredType { F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool };

/// "F32".
std::string_view storedTypeName(StoredType type);
int64_t storedTypeBytes(StoredType type);

/// A tensor to be written, or inside a file that is open.
struct StoredTensor {
  std::string name;
  StoredType type = StoredType::F32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// An fp32 tensor, for writing. `data` must live until the file is written.
StoredTensor floatTensor(std::string name, std::vector<int64_t> shape,
                         const float *data);

/// "[768, 2048]".
std::string shapeText(std::span<const int64_t> shape);

class SafetensorsFile {
public:
  /// Maps the file and checks the structure of its header. World error.
  static Result<SafetensorsFile> open(const std::filesystem::path &path);

  /// The same over bytes that the caller keeps alive.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes,
                                       std::string_view name);

  /// In the order of their data.
  const std::vector<StoredTensor> &tensors() const { return entries; }
  const StoredTensor *find(std::string_view name) const;
  const std::map<std::string, std::string> &metadata() const { return meta; }
  const std::string &name() const { return fileName; }

  /// Compares every checksum. World error that names the tensor, when one does
  /// not match or the file has none.
  Status verify() const;

private:
  Status readHeader(std::span<const std::byte> bytes);
  Status checkLayout(uint64_t dataBytes) const;

  std::string fileName;
  MappedFile file;
  std::string headerDigest; ///< computed; compared by `verify`
  std::vector<StoredTensor> entries;
  std::map<std::string, size_t, std::less<>> byName;
  std::map<std::string, std::string> meta;
};

/// Bytes of the file that `writeSafetensors` would make, without its header.
uint64_t dataBytes(std::span<const StoredTensor> tensors);

/// Writes, with checksums, and flushes to the disk. Names must differ from each
/// other. The same bytes for the same content.
Status writeSafetensors(const std::filesystem::path &path,
                        std::span<const StoredTensor> tensors,
                        std::map<std::string, std::string> metadata = {});

/// Where a tensor of the program wants its numbers.
struct TensorTarget {
  std::string name;
  std::vector<int64_t> shape;
  float *data = nullptr;
};

/// Copies every fp32 tensor to its target. World error when the file lacks one,
/// has one too many, or one has another type or shape; nothing is copied then.
Status readTensors(const SafetensorsFile &file,
                   std::span<const TensorTarget> targets);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CHECKPOINT_SAFETENSORS_H
