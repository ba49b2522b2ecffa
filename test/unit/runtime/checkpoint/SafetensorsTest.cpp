//===- SafetensorsTest.cpp ------------------------------------------------===//

#include "runtime/checkpoint/Safetensors.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <numeric>

using namespace decay::runtime;

namespace {
std::string file(std::string_view header, size_t dataBytes) {
  uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + std::string(header) + std::string(dataBytes, '\1');
}

std::string refusal(const std::string &bytes) {
  auto parsed = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "f");
  if (parsed.ok())
    return "accepted";
  EXPECT_EQ(parsed.status().code(), StatusCode::World);
  return parsed.status().message();
}

struct Row {
  const char *header;
  size_t dataBytes;
  const char *expected; ///< a part of the message
};
} // namespace

TEST(Safetensors, ReadsWhatTheFormatAllows) {
  std::string bytes =
      file(R"({"__metadata__":{"format":"pt"},)"
           R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]},)"
           R"("a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
           R"("none":{"dtype":"U8","shape":[3,0],"data_offsets":[10,10]}}   )",
           10);
  auto parsed = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "f");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_EQ(parsed->tensors().size(), 3u);
  EXPECT_EQ(parsed->tensors()[0].name, "a");
  EXPECT_EQ(parsed->find("b")->shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(parsed->find("b")->data.size(), 8u);
  EXPECT_EQ(parsed->find("c"), nullptr);
  EXPECT_EQ(parsed->metadata().at("format"), "pt");
  EXPECT_EQ(parsed->verify().message(), "f: it has no checksums");
}

TEST(Safetensors, RefusesWhatItDoesNot) {
  const Row rows[] = {
      {"", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "syntax error"},
      {"{}x", 0, "syntax error"},
      {"{\"\xff\":1}", 0, "UTF-8"},
      {"{}", 1, "1 bytes of data belong to no tensor"},
      {R"({"a":1})", 0, "expected exactly dtype, shape and data_offsets"},
      {R"({"a":{}})", 0, "expected exactly"},
      {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4,
       "expected exactly"},
      {R"({"a":{"dtype":"F31","shape":[],"data_offsets":[0,4]}})", 4,
       "unknown dtype \"F31\""},
      {R"({"a":{"dtype":4,"shape":[],"data_offsets":[0,4]}})", 4,
       "unknown dtype 4"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4,
       "expected a shape"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],)"
       R"("data_offsets":[0,4]}})",
       4, "at most 8 axes"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       "not an integer from 0"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4,
       "not an integer from 0"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],)"
       R"("data_offsets":[0,4]}})",
       4, "not an integer from 0"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],)"
       R"("data_offsets":[0,0]}})",
       0, "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904],)"
       R"("data_offsets":[0,0]}})",
       0, "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "4 bytes of data do not fit F32 of [2]"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4,
       "lie outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "lie outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4,
       "lie outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4,
       "lie outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "tensor 'b': its data overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "tensor 'b': its data overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       12, "tensor 'b': its data overlaps another's or leaves a hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
       "4 bytes of data belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8,
       "4 bytes of data belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "the key 'a' occurs twice"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],)"
       R"("data_offsets":[0,4]}})",
       4, "the key 'dtype' occurs twice"},
      {R"({"a":{"dtype":"F32","shape":[[[1]]],"data_offsets":[0,4]}})", 4,
       "nested more than 4 deep"},
      {R"({"__metadata__":{"a":1}})", 0, "may only hold strings"},
      {R"({"__metadata__":["a"]})", 0, "may only hold strings"},
  };
  for (const Row &row : rows)
    EXPECT_NE(refusal(file(row.header, row.dataBytes)).find(row.expected),
              std::string::npos)
        << row.header << "\n"
        << refusal(file(row.header, row.dataBytes));
  EXPECT_NE(refusal("1234567").find("too short"), std::string::npos);
  for (uint64_t length : {uint64_t{3}, uint64_t{1} << 30, UINT64_MAX}) {
    std::string bytes = file("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_NE(refusal(bytes).find("is not possible"), std::string::npos);
  }
}

TEST(Safetensors, RoundTripIsExactAndAligned) {
  TemporaryFolder folder;
  std::vector<float> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), -3.5f);
  std::vector<int16_t> shorts = {1, 2, 3};
  std::vector<StoredTensor> tensors = {
      {"shorts \"quoted\" λ",
       StoredType::I16,
       {3},
       std::as_bytes(std::span(shorts))},
      floatTensor("weight", {10, 100}, numbers.data()),
      floatTensor("empty", {0}, nullptr)};
  ASSERT_TRUE(
      writeSafetensors(folder.path() / "f", tensors, {{"k", "v"}}).ok());
  auto opened = SafetensorsFile::open(folder.path() / "f");
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  ASSERT_TRUE(opened->verify().ok()) << opened->verify().message();
  EXPECT_EQ(opened->metadata().at("k"), "v");
  for (const StoredTensor &tensor : tensors) {
    const StoredTensor *found = opened->find(tensor.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, tensor.type);
    EXPECT_EQ(found->shape, tensor.shape);
    ASSERT_EQ(found->data.size(), tensor.data.size());
    EXPECT_TRUE(std::equal(found->data.begin(), found->data.end(),
                           tensor.data.begin()));
  }
  auto address =
      reinterpret_cast<uintptr_t>(opened->find("weight")->data.data());
  EXPECT_EQ(address % 64, 0u);
  std::string once = *readFile(folder.path() / "f");
  ASSERT_TRUE(
      writeSafetensors(folder.path() / "f", tensors, {{"k", "v"}}).ok());
  EXPECT_EQ(*readFile(folder.path() / "f"), once);
}

TEST(Safetensors, EveryFlippedByteIsFoundAndNamed) {
  std::vector<float> a(20, 1.5f), b(30, -2.5f);
  std::vector<StoredTensor> tensors = {floatTensor("layer.a", {20}, a.data()),
                                       floatTensor("layer.b", {30}, b.data())};
  TemporaryFolder folder;
  ASSERT_TRUE(writeSafetensors(folder.path() / "f", tensors).ok());
  std::string whole = *readFile(folder.path() / "f");
  size_t dataStart = whole.size() - 200;
  for (size_t at = 0; at < whole.size(); ++at)
    for (char flip : {'\1', '\x80', '\x29'}) {
      std::string bytes = whole;
      bytes[at] ^= flip;
      auto parsed =
          SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "f");
      Status status =
          parsed.ok() ? parsed->verify() : std::move(parsed).status();
      ASSERT_FALSE(status.ok()) << at;
      if (at >= dataStart) {
        ASSERT_EQ(status.message(), at < dataStart + 80
                                        ? "f: tensor 'layer.a' is damaged"
                                        : "f: tensor 'layer.b' is damaged");
      }
    }
}

TEST(Safetensors, ReadTensorsWantsExactlyTheModel) {
  std::vector<float> a = {1, 2, 3, 4}, into(4);
  std::vector<StoredTensor> tensors = {floatTensor("a", {2, 2}, a.data())};
  TemporaryFolder folder;
  ASSERT_TRUE(writeSafetensors(folder.path() / "f", tensors).ok());
  auto opened = SafetensorsFile::open(folder.path() / "f");
  auto read = [&](std::vector<TensorTarget> targets) {
    return readTensors(*opened, targets).message();
  };
  EXPECT_EQ(read({{"a", {2, 2}, into.data()}}), "");
  EXPECT_EQ(into, a);
  EXPECT_EQ(read({{"b", {2, 2}, into.data()}}),
            "f: tensor 'b': the file lacks it");
  EXPECT_EQ(read({{"a", {4}, into.data()}}),
            "f: tensor 'a': expected F32 of [4], found F32 of [2, 2]");
  EXPECT_EQ(read({}), "f: tensor 'a': this model has no such tensor");
}
