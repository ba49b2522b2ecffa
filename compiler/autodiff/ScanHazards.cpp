//===- ScanHazards.cpp - Differences of a carried value ------------------===//
//
// With z_t = log(exp z_{t-1} + exp x_t), every difference of the three is a
// function of x_t - z_{t-1} alone, without cancellation:
//   z_{t-1} - z_t = logsigmoid(z_{t-1} - x_t),  x_t - z_t = logsigmoid(x_t -
//   z_{t-1}).
//
//===----------------------------------------------------------------------===//
#include "compiler/autodiff/Hazards.h"

namespace decay {
namespace {

using mlir::Value;

/// A scan's result, plus an offset that the carry started from.
struct Carried {
  ir::ScanOp scan;
  bool inclusive = false;
  Value offset;
};

std::optional<Carried> matchScanResult(Value value) {
  auto scan = value.getDefiningOp<ir::ScanOp>();
  if (!scan || value == scan.getFinal())
    return std::nullopt;
  return Carried{scan, value == scan.getInclusive(), Value()};
}

std::optional<Carried> matchCarried(Value value) {
  if (auto plain = matchScanResult(value))
    return plain;
  ir::MapOp sum = matchMap(value, "add");
  if (!sum)
    return std::nullopt;
  for (unsigned side : {0, 1})
    if (auto carried = matchScanResult(sum.getOperands()[side])) {
      carried->offset = sum.getOperands()[1 - side];
      return carried;
    }
  return std::nullopt;
}

/// Two numbers or two values that are the same.
bool same(Value x, Value y) {
  if (x == y)
    return true;
  if (!x || !y)
    return false;
  auto number = matchConstant(x);
  return number && number == matchConstant(y);
}

/// Whether `value` is what the scan adds, before the offset was taken off it.
bool isTermOf(Carried carried, Value value) {
  Value term = carried.scan.getTerm();
  if (auto broadcast = term.getDefiningOp<ir::BroadcastOp>())
    if (value == broadcast.getOperand() && !carried.offset)
      return true;
  if (!carried.offset || carried.scan.getKind() == "cumsum")
    return value == term;
  ir::MapOp difference = matchMap(term, "sub");
  return difference && value == difference.getOperands()[0] &&
         same(carried.offset, difference.getOperands()[1]);
}

} // namespace

Value differenceOfScan(Value x, Value y, Expressions &e) {
  auto left = matchCarried(x), right = matchCarried(y);
  auto from = [&](const Carried &carried) {
    ir::ScanOp scan = carried.scan;
    return e.sub(scan.getTerm(), scan.getExclusive());
  };
  if (left && right) {
    if (left->scan != right->scan || left->inclusive == right->inclusive ||
        !same(left->offset, right->offset))
      return {};
    if (left->scan.getKind() == "logcumsumexp")
      return left->inclusive ? e.map("softplus", from(*left))
                             : e.map("logsigmoid", e.neg(from(*left)));
    if (left->scan.getKind() == "cumsum")
      return left->inclusive ? left->scan.getTerm()
                             : e.neg(left->scan.getTerm());
    return {};
  }
  if (right && right->inclusive && isTermOf(*right, x) &&
      right->scan.getKind() == "logcumsumexp")
    return e.map("logsigmoid", from(*right));
  return {};
}

Value complementOfRatio(Value x, Value y, Expressions &e) {
  auto before = matchCarried(x), after = matchCarried(y);
  if (!before || !after || before->scan != after->scan || before->inclusive ||
      !after->inclusive || !same(before->offset, after->offset) ||
      before->scan.getKind() != "cumsum")
    return {};
  return e.div(before->scan.getTerm(), y);
}

} // namespace decay
