//===- Interval.cpp - A range of real numbers
//------------------------------===//
#include "dsl/operators/Interval.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace decay::dsl {
namespace {

/// One end of an interval.
struct End {
  double value;
  bool open;
};

End lowEnd(const Interval &a) { return {a.low, a.lowOpen}; }
End highEnd(const Interval &a) { return {a.high, a.highOpen}; }

/// The outer one of two ends; a closed end is outside an open one at the same
/// place.
End lower(End a, End b) {
  if (a.value != b.value)
    return a.value < b.value ? a : b;
  return {a.value, a.open && b.open};
}
End upper(End a, End b) {
  if (a.value != b.value)
    return a.value > b.value ? a : b;
  return {a.value, a.open && b.open};
}

Interval make(End low, End high) {
  return {low.value, high.value, low.open || std::isinf(low.value),
          high.open || std::isinf(high.value)};
}

/// 0 · ∞ is 0: an infinite end is a limit that no factor takes.
End product(End a, End b) {
  if (a.value == 0 || b.value == 0) {
    bool attained = (a.value == 0 && !a.open) || (b.value == 0 && !b.open);
    return {0, !attained};
  }
  return {a.value * b.value, a.open || b.open};
}

std::string number(double value) {
  if (std::isinf(value))
    return value < 0 ? "-∞" : "∞";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value == 0 ? 0 : value);
  return buffer;
}

} // namespace

Interval Interval::atLeast(double low) {
  return make({low, false}, {std::numeric_limits<double>::infinity(), true});
}

Interval Interval::atMost(double high) {
  return make({-std::numeric_limits<double>::infinity(), true}, {high, false});
}

bool Interval::contains(double value) const { return includes(point(value)); }

bool Interval::includes(const Interval &other) const {
  bool low_ =
      other.low > low || (other.low == low && (!lowOpen || other.lowOpen));
  bool high_ = other.high < high ||
               (other.high == high && (!highOpen || other.highOpen));
  return low_ && high_;
}

bool Interval::isDisjoint(const Interval &other) const {
  auto before = [](const Interval &a, const Interval &b) {
    return a.high < b.low || (a.high == b.low && (a.highOpen || b.lowOpen));
  };
  return before(*this, other) || before(other, *this);
}

std::string Interval::str() const {
  if (low == high)
    return number(low);
  return (lowOpen ? "(" : "[") + number(low) + ", " + number(high) +
         (highOpen ? ")" : "]");
}

Interval hull(const Interval &a, const Interval &b) {
  return make(lower(lowEnd(a), lowEnd(b)), upper(highEnd(a), highEnd(b)));
}

Interval intersect(const Interval &a, const Interval &b) {
  if (a.isDisjoint(b))
    return a;
  auto inner = [](End x, End y, bool wantLarger) {
    if (x.value != y.value)
      return (x.value > y.value) == wantLarger ? x : y;
    return End{x.value, x.open || y.open};
  };
  return make(inner(lowEnd(a), lowEnd(b), true),
              inner(highEnd(a), highEnd(b), false));
}

Interval operator+(const Interval &a, const Interval &b) {
  return make({a.low + b.low, a.lowOpen || b.lowOpen},
              {a.high + b.high, a.highOpen || b.highOpen});
}

Interval operator-(const Interval &a) {
  return {-a.high, -a.low, a.highOpen, a.lowOpen};
}

Interval operator-(const Interval &a, const Interval &b) { return a + (-b); }

Interval operator*(const Interval &a, const Interval &b) {
  End products[] = {
      product(lowEnd(a), lowEnd(b)), product(lowEnd(a), highEnd(b)),
      product(highEnd(a), lowEnd(b)), product(highEnd(a), highEnd(b))};
  End low = products[0], high = products[0];
  for (End end : products) {
    low = lower(low, end);
    high = upper(high, end);
  }
  return make(low, high);
}

Interval operator/(const Interval &a, const Interval &b) {
  if (b.low < 0 && b.high > 0)
    return Interval::everything();
  if (b.low == 0 && b.high == 0)
    return Interval::everything();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  End low{b.high == 0 ? -infinity : 1 / b.high, b.highOpen};
  End high{b.low == 0 ? infinity : 1 / b.low, b.lowOpen};
  return a * make(low, high);
}

Interval mapMonotone(const Interval &a, double (*function)(double)) {
  return make({function(a.low), a.lowOpen}, {function(a.high), a.highOpen});
}

Interval minimum(const Interval &a, const Interval &b) {
  auto smaller = [](End x, End y) {
    if (x.value != y.value)
      return x.value < y.value ? x : y;
    return End{x.value, x.open || y.open};
  };
  return make(lower(lowEnd(a), lowEnd(b)), smaller(highEnd(a), highEnd(b)));
}

Interval maximum(const Interval &a, const Interval &b) {
  return -minimum(-a, -b);
}

} // namespace decay::dsl
