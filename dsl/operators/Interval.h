//===- Interval.h - A range of real numbers with open or closed ends -*- C++
//-*-===//
//
// What range analysis knows about a value. Ends are doubles; an infinite end is
// open. Arithmetic is in round-to-nearest: good to a few ulp, which is far
// below what float32 kernels can tell apart.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_OPERATORS_INTERVAL_H
#define DECAY_DSL_OPERATORS_INTERVAL_H

#include <limits>
#include <string>

namespace decay::dsl {

struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool lowOpen = true;
  bool highOpen = true;

  static Interval everything() { return {}; }
  static Interval point(double value) { return {value, value, false, false}; }
  static Interval closed(double low, double high) {
    return {low, high, false, false};
  }
  static Interval open(double low, double high) {
    return {low, high, true, true};
  }
  /// [low, inf)
  static Interval atLeast(double low);
  /// (-inf, high]
  static Interval atMost(double high);

  bool contains(double value) const;
  /// Every number of `other` is one of this.
  bool includes(const Interval &other) const;
  /// No number is in both.
  bool isDisjoint(const Interval &other) const;
  bool operator==(const Interval &) const = default;

  /// "(0, 1]", "[0, ∞)", for messages.
  std::string str() const;
};

/// The smallest interval around both.
Interval hull(const Interval &a, const Interval &b);
/// The numbers in both; `a` where there are none.
Interval intersect(const Interval &a, const Interval &b);

Interval operator+(const Interval &a, const Interval &b);
Interval operator-(const Interval &a, const Interval &b);
Interval operator-(const Interval &a);
Interval operator*(const Interval &a, const Interval &b);
/// Everything when `b` holds zero inside.
Interval operator/(const Interval &a, const Interval &b);
/// The image under a nondecreasing function; limits at infinite ends must be
/// what `function` returns there.
Interval mapMonotone(const Interval &a, double (*function)(double));
Interval minimum(const Interval &a, const Interval &b);
Interval maximum(const Interval &a, const Interval &b);

} // namespace decay::dsl

#endif // DECAY_DSL_OPERATORS_INTERVAL_H
