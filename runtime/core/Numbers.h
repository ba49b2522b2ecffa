//===- Numbers.h - An array whose type is known at run time ----*- C++ -*-===//
//
// Pointer and number type. A device chooses the type in which activations and
// the weights of matrix products are held; layers hand such arrays on and never
// look inside. An fp32 pointer converts by itself. A view never frees or
// allocates.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_NUMBERS_H
#define DECAY_RUNTIME_CORE_NUMBERS_H

#include <cassert>
#include <cstddef>
#include <cstdint>

namespace decay::runtime {

enum class NumberType : uint8_t { F32, BF16 };

constexpr int64_t bytesOf(NumberType type) {
  return type == NumberType::F32 ? 4 : 2;
}

/// Numbers that may be written.
class Numbers {
public:
  Numbers() = default;
  Numbers(float *data) : pointer(data) {}
  Numbers(void *data, NumberType type) : pointer(data), kind(type) {}

  void *data() const { return pointer; }
  NumberType type() const { return kind; }
  explicit operator bool() const { return pointer != nullptr; }

  /// The array from its `count`-th number on.
  Numbers operator+(int64_t count) const {
    return {static_cast<std::byte *>(pointer) + count * bytesOf(kind), kind};
  }
  float *floats() const {
    assert(kind == NumberType::F32);
    return static_cast<float *>(pointer);
  }

private:
  void *pointer = nullptr;
  NumberType kind = NumberType::F32;
};

/// Numbers that are only read.
class ConstNumbers {
public:
  ConstNumbers() = default;
  ConstNumbers(const float *data) : pointer(data) {}
  ConstNumbers(Numbers numbers)
      : pointer(numbers.data()), kind(numbers.type()) {}
  ConstNumbers(const void *data, NumberType type) : pointer(data), kind(type) {}

  const void *data() const { return pointer; }
  NumberType type() const { return kind; }
  explicit operator bool() const { return pointer != nullptr; }

  ConstNumbers operator+(int64_t count) const {
    return {static_cast<const std::byte *>(pointer) + count * bytesOf(kind),
            kind};
  }
  const float *floats() const {
    assert(kind == NumberType::F32);
    return static_cast<const float *>(pointer);
  }

private:
  const void *pointer = nullptr;
  NumberType kind = NumberType::F32;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_NUMBERS_H
