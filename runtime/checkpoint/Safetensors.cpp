//===- Safetensors.cpp - Named tensors in one file ------------------------===//

#include "runtime/checkpoint/Safetensors.h"

#include "runtime/core/Json.h"
#include "runtime/core/Sha256.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <tuple>

namespace decay::runtime {
namespace {
struct TypeRow {
  StoredType type;
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<TypeRow, 10> types = {{{StoredType::F64, "F64", 8},
                                            {StoredType::F32, "F32", 4},
                                            {StoredType::F16, "F16", 2},
                                            {StoredType::BF16, "BF16", 2},
                                            {StoredType::I64, "I64", 8},
                                            {StoredType::I32, "I32", 4},
                                            {StoredType::I16, "I16", 2},
                                            {StoredType::I8, "I8", 1},
                                            {StoredType::U8, "U8", 1},
                                            {StoredType::Bool, "BOOL", 1}}};

constexpr uint64_t mostHeaderBytes = 100'000'000;
constexpr size_t headerDepth = 4, mostAxes = 8;
constexpr size_t alignment =
    64; ///< of the data, so that it may be used in place
constexpr std::string_view metadataKey = "__metadata__";
constexpr std::string_view headerDigestKey = "decay.header_sha256";
constexpr std::string_view tensorDigestPrefix = "decay.sha256:";
const std::string zeroDigest(64, '0');

/// Where the header's digest stands in its text, or npos. The quotes cannot
/// occur inside a JSON string without a backslash, so this is never a name.
size_t findHeaderDigest(std::string_view header) {
  std::string opening = fmt::format("\"{}\":\"", headerDigestKey);
  size_t at = header.find(opening);
  if (at == std::string_view::npos ||
      at + opening.size() + zeroDigest.size() > header.size())
    return std::string_view::npos;
  return at + opening.size();
}

/// Of the header with its own digest replaced by zeros.
std::string digestHeader(std::string_view header, size_t digestAt) {
  uint64_t length = header.size();
  Sha256 digest;
  digest.add(&length, sizeof(length));
  digest.add(header.data(), digestAt);
  digest.add(zeroDigest.data(), zeroDigest.size());
  size_t after = digestAt + zeroDigest.size();
  digest.add(header.data() + after, header.size() - after);
  return digest.finish();
}

Status damaged(std::string_view file, std::string_view what) {
  return Status::world(fmt::format("{}: {}", file, what));
}

/// Elements of a shape, or nothing when they cannot be counted in 63 bits.
std::optional<uint64_t> elementsOf(const std::vector<int64_t> &shape) {
  uint64_t product = 1;
  for (int64_t length : shape)
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(length),
                               &product) ||
        product > static_cast<uint64_t>(INT64_MAX))
      return std::nullopt;
  return product;
}

struct Offsets {
  uint64_t begin, end;
};

/// The two numbers of "data_offsets".
std::optional<Offsets> readOffsets(const Json &value) {
  if (!value.is_array() || value.size() != 2 ||
      !value[0].is_number_unsigned() || !value[1].is_number_unsigned())
    return std::nullopt;
  return Offsets{value[0].get<uint64_t>(), value[1].get<uint64_t>()};
}

/// One value of the header, apart from where its data is.
Result<StoredTensor> readDescription(const std::string &name, const Json &value,
                                     std::string_view file) {
  auto wrong = [&](std::string_view what) {
    return damaged(file, fmt::format("tensor '{}': {}", name, what));
  };
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets"))
    return wrong("expected exactly dtype, shape and data_offsets");

  StoredTensor tensor;
  tensor.name = name;
  const Json &dtype = value["dtype"];
  const TypeRow *row = nullptr;
  for (const TypeRow &known : types)
    if (dtype.is_string() && dtype.get_ref<const std::string &>() == known.name)
      row = &known;
  if (!row)
    return wrong("unknown dtype " +
                 dtype.dump(-1, ' ', true, Json::error_handler_t::replace)
                     .substr(0, 40));
  tensor.type = row->type;

  const Json &shape = value["shape"];
  if (!shape.is_array() || shape.size() > mostAxes)
    return wrong(fmt::format("expected a shape of at most {} axes", mostAxes));
  for (const Json &length : shape) {
    if (!length.is_number_unsigned() || length.get<uint64_t>() > INT64_MAX)
      return wrong("a length in the shape is not an integer from 0");
    tensor.shape.push_back(length.get<int64_t>());
  }
  return tensor;
}
} // namespace

std::string_view storedTypeName(StoredType type) {
  return types[static_cast<size_t>(type)].name;
}

int64_t storedTypeBytes(StoredType type) {
  return types[static_cast<size_t>(type)].bytes;
}

std::string shapeText(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

StoredTensor floatTensor(std::string name, std::vector<int64_t> shape,
                         const float *data) {
  uint64_t elements = elementsOf(shape).value();
  return {std::move(name), StoredType::F32, std::move(shape),
          std::as_bytes(std::span(data, elements))};
}

Result<SafetensorsFile>
SafetensorsFile::open(const std::filesystem::path &path) {
  DECAY_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(path));
  DECAY_ASSIGN_OR_RETURN(SafetensorsFile parsed,
                         parse(mapped.bytes(), path.filename().string()));
  parsed.file = std::move(mapped);
  return parsed;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                               std::string_view name) {
  SafetensorsFile parsed;
  parsed.fileName = name;
  DECAY_RETURN_IF_ERROR(parsed.readHeader(bytes));
  return parsed;
}

Status SafetensorsFile::readHeader(std::span<const std::byte> bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof(length))
    return damaged(fileName, "too short for a safetensors file");
  std::memcpy(&length, bytes.data(), sizeof(length));
  uint64_t rest = bytes.size() - sizeof(length);
  if (length > mostHeaderBytes || length > rest)
    return damaged(fileName, fmt::format("a header of {} bytes is not possible "
                                         "in a file of {}",
                                         length, bytes.size()));
  std::string_view header(
      reinterpret_cast<const char *>(bytes.data()) + sizeof(length), length);
  if (!header.starts_with('{'))
    return damaged(fileName, "the header does not begin with '{'");
  Result<Json> json =
      parseJson(header, fileName + " (header)", {headerDepth, mostHeaderBytes});
  if (!json.ok())
    return Status::world(json.status().message());
  if (size_t at = findHeaderDigest(header); at != std::string_view::npos)
    headerDigest = digestHeader(header, at);

  std::span<const std::byte> data = bytes.subspan(sizeof(length) + length);
  for (const auto &[key, value] : json->items()) {
    if (key == metadataKey) {
      for (const auto &[name, text] : value.items()) {
        if (!value.is_object() || !text.is_string())
          return damaged(fileName, "__metadata__ may only hold strings");
        meta[name] = text.get<std::string>();
      }
      continue;
    }
    DECAY_ASSIGN_OR_RETURN(StoredTensor tensor,
                           readDescription(key, value, fileName));
    std::optional<Offsets> offsets = readOffsets(value["data_offsets"]);
    if (!offsets || offsets->begin > offsets->end || offsets->end > data.size())
      return damaged(fileName,
                     fmt::format("tensor '{}': its data_offsets lie outside "
                                 "the file, which may be cut off",
                                 key));
    tensor.data = data.subspan(offsets->begin, offsets->end - offsets->begin);
    entries.push_back(std::move(tensor));
  }
  std::ranges::sort(entries, {}, [](const StoredTensor &tensor) {
    return std::tuple(tensor.data.data(), tensor.data.size(),
                      std::string_view(tensor.name));
  });
  for (size_t i = 0; i < entries.size(); ++i)
    byName[entries[i].name] = i;
  return checkLayout(data.size());
}

Status SafetensorsFile::checkLayout(uint64_t dataBytes) const {
  uint64_t covered = 0;
  const std::byte *next = entries.empty() ? nullptr : entries[0].data.data();
  for (const StoredTensor &tensor : entries) {
    std::optional<uint64_t> elements = elementsOf(tensor.shape);
    uint64_t expected = 0;
    if (!elements ||
        __builtin_mul_overflow(
            *elements, static_cast<uint64_t>(storedTypeBytes(tensor.type)),
            &expected) ||
        expected != tensor.data.size())
      return damaged(
          fileName,
          fmt::format("tensor '{}': {} bytes of data do not fit {} of {}",
                      tensor.name, tensor.data.size(),
                      storedTypeName(tensor.type), shapeText(tensor.shape)));
    if (tensor.data.data() != next)
      return damaged(fileName,
                     fmt::format("tensor '{}': its data overlaps another's or "
                                 "leaves a hole before it",
                                 tensor.name));
    next += tensor.data.size();
    covered += tensor.data.size();
  }
  // Together with the chain above: the first begins at 0, the last ends it.
  if (covered != dataBytes)
    return damaged(fileName,
                   fmt::format("{} bytes of data belong to no tensor",
                               dataBytes - std::min(covered, dataBytes)));
  return {};
}

const StoredTensor *SafetensorsFile::find(std::string_view name) const {
  auto found = byName.find(name);
  return found == byName.end() ? nullptr : &entries[found->second];
}

Status SafetensorsFile::verify() const {
  auto digest = meta.find(std::string(headerDigestKey));
  if (digest == meta.end() || headerDigest.empty())
    return damaged(fileName, "it has no checksums");
  if (digest->second != headerDigest)
    return damaged(fileName, "its header is damaged");
  for (const StoredTensor &tensor : entries) {
    auto expected = meta.find(std::string(tensorDigestPrefix) + tensor.name);
    if (expected == meta.end())
      return damaged(fileName,
                     fmt::format("tensor '{}' has no checksum", tensor.name));
    if (sha256(tensor.data.data(), tensor.data.size()) != expected->second)
      return damaged(fileName,
                     fmt::format("tensor '{}' is damaged", tensor.name));
  }
  return {};
}

uint64_t dataBytes(std::span<const StoredTensor> tensors) {
  uint64_t sum = 0;
  for (const StoredTensor &tensor : tensors)
    sum += tensor.data.size();
  return sum;
}

Status writeSafetensors(const std::filesystem::path &path,
                        std::span<const StoredTensor> tensors,
                        std::map<std::string, std::string> metadata) {
  // The widest types first keep every tensor aligned to its own type.
  std::vector<const StoredTensor *> order;
  for (const StoredTensor &tensor : tensors)
    order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const StoredTensor *tensor) {
    return std::pair(-storedTypeBytes(tensor->type), tensor);
  });

  Json header = Json::object();
  metadata[std::string(headerDigestKey)] = zeroDigest;
  uint64_t offset = 0;
  for (const StoredTensor *tensor : order) {
    assert(tensor->name != metadataKey && !header.contains(tensor->name));
    assert(elementsOf(tensor->shape).value() *
               static_cast<uint64_t>(storedTypeBytes(tensor->type)) ==
           tensor->data.size());
    header[tensor->name] = {
        {"dtype", storedTypeName(tensor->type)},
        {"shape", tensor->shape},
        {"data_offsets", {offset, offset + tensor->data.size()}}};
    offset += tensor->data.size();
    metadata[std::string(tensorDigestPrefix) + tensor->name] =
        sha256(tensor->data.data(), tensor->data.size());
  }
  header[std::string(metadataKey)] = metadata;

  std::string text = header.dump();
  uint64_t length =
      (text.size() + sizeof(length) + alignment - 1) / alignment * alignment -
      sizeof(length);
  text.resize(length, ' ');
  size_t digestAt = findHeaderDigest(text);
  text.replace(digestAt, zeroDigest.size(), digestHeader(text, digestAt));

  DurableFile file;
  DECAY_RETURN_IF_ERROR(file.create(path));
  DECAY_RETURN_IF_ERROR(file.write(&length, sizeof(length)));
  DECAY_RETURN_IF_ERROR(file.write(text));
  for (const StoredTensor *tensor : order)
    DECAY_RETURN_IF_ERROR(file.write(tensor->data.data(), tensor->data.size()));
  return file.close();
}

Status readTensors(const SafetensorsFile &file,
                   std::span<const TensorTarget> targets) {
  auto wrong = [&](const std::string &name, std::string_view what) {
    return damaged(file.name(), fmt::format("tensor '{}': {}", name, what));
  };
  std::set<std::string_view> wanted;
  for (const TensorTarget &target : targets) {
    wanted.insert(target.name);
    const StoredTensor *stored = file.find(target.name);
    if (!stored)
      return wrong(target.name, "the file lacks it");
    if (stored->type != StoredType::F32 || stored->shape != target.shape)
      return wrong(target.name,
                   fmt::format("expected F32 of {}, found {} of {}",
                               shapeText(target.shape),
                               storedTypeName(stored->type),
                               shapeText(stored->shape)));
  }
  for (const StoredTensor &stored : file.tensors())
    if (!wanted.contains(stored.name))
      return wrong(stored.name, "this model has no such tensor");
  for (const TensorTarget &target : targets) {
    const StoredTensor *stored = file.find(target.name);
    if (!stored->data.empty())
      std::memcpy(target.data, stored->data.data(), stored->data.size());
  }
  return {};
}

} // namespace decay::runtime
