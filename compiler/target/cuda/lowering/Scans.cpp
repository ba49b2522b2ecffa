//===- Scans.cpp - Running sums along the tokens --------------------------===//
//
// A chunk's scan takes two rounds: each group finds what its tokens come to,
// all groups learn what the others found, then each walks through its own
// tokens from what stands in front of them.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Segments.h"

#include <limits>
#include <numbers>

namespace decay::cuda {

using ir::Axis;

/// What a kind of scan does.
struct ScanRule {
  llvm::StringRef kind;
  /// The operator that takes z_{t-1} and x_t to z_t, which for log Σ exp is
  /// LogSum's; empty: z_t = x_t.
  llvm::StringRef step;
  float neutral; ///< the term that changes nothing
  /// d z_t / d x_t is a sigmoid e, and d z_t / d z_{t-1} is 1 - e; else the
  /// former is 1, the latter this.
  bool sigmoids;
  float carryWeight;
};

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr ScanRule scanRules[] = {
    {"cumsum", "add", 0, false, 1},
    {"logcumsumexp", "logaddexp", -infinity, true, 0},
    {"latest", "", 0, false, 0},
};

const ScanRule &ruleOf(llvm::StringRef kind) {
  for (const ScanRule &rule : scanRules)
    if (rule.kind == kind)
      return rule;
  llvm_unreachable("the verifier of decay.scan knows every kind");
}

} // namespace

float neutralOf(llvm::StringRef kind) { return ruleOf(kind).neutral; }

Value KernelEmitter::scanBehind(chunk::ScanOp op, Value carry, Value total) {
  const ScanRule &rule = ruleOf(op.getKind());
  return rule.step.empty() ? total : apply(rule.step, {carry, total});
}

Value KernelEmitter::gradientInFront(chunk::ScanGradientOp op, Value gradient,
                                     Value before, Value behind) {
  const ScanRule &rule = ruleOf(op.getKind());
  if (rule.sigmoids)
    return code.fmul(gradient, apply("exp", {code.fsub(before, behind)}));
  return rule.carryWeight == 1 ? gradient : code.number(0);
}

namespace {

bool isPerChannel(Value value) {
  return mlir::cast<chunk::TileType>(value.getType()).has(Axis::Channel);
}

} // namespace

/// A carry of -infinity is as good as the lowest number: what is added is
/// larger.
KernelEmitter::LogSum KernelEmitter::startOf(Value carry) {
  Value lowest = code.number(std::numeric_limits<float>::lowest());
  return {apply("max", {carry, lowest}), code.number(0)};
}

/// z + x for a running log Σ exp: no logarithm waits for another, as the sum is
/// kept itself, relative to its largest term, without that term's 1.
KernelEmitter::LogSum
KernelEmitter::addExponential(const LogSum &so, Value term, Shares *shares) {
  Value difference = code.fsub(term, so.largest);
  Value e = code.shortExp(code.fneg(code.absolute(difference)));
  Value isLarger = code.fgreater(difference, code.number(0));
  Value factor = code.choose(isLarger, e, code.number(1));
  LogSum next = {apply("max", {so.largest, term}),
                 code.fma(so.rest, factor, e)};
  if (shares) {
    Value one = code.number(1);
    Value inverse = code.inverse(code.fadd(next.rest, one));
    shares->ofSum =
        code.fmul(code.fmul(code.fadd(so.rest, one), factor), inverse);
    shares->ofTerm = code.fmul(code.choose(isLarger, one, e), inverse);
  }
  return next;
}

/// To 2^-22 beside the largest term: enough for λ of a token.
Value KernelEmitter::shortLogOf(const LogSum &so) {
  Value sum = code.fadd(so.rest, code.number(1));
  return code.fma(code.shortLog2(sum), code.number(std::numbers::ln2_v<float>),
                  so.largest);
}

/// For what is carried on.
Value KernelEmitter::logOf(const LogSum &so) {
  return code.fadd(so.largest, apply("log1p", {so.rest}));
}

/// For each number what the four groups have of it, in their order. Every
/// operation has its own place in shared memory, which was last read before the
/// chunk began; the columns of a thread share it.
llvm::SmallVector<Values> KernelEmitter::shareGroups(const Values &numbers,
                                                     mlir::Operation *op) {
  int64_t bytes = groupCount * shape.columns() * floatBytes;
  auto [found, isNew] = groupNumbers.try_emplace(op);
  if (isNew)
    found->second = reserve(static_cast<int64_t>(numbers.size()) * bytes);
  int64_t region = found->second;
  Value own =
      code.shiftLeft(code.add(code.mul(group, shape.columns()), column), 2);
  for (auto [index, number] : llvm::enumerate(numbers))
    code.storeShared(number, own, region + index * bytes);
  code.barrier();
  llvm::SmallVector<Values> shared(numbers.size());
  for (auto [index, of] : llvm::enumerate(shared))
    for (int64_t other = 0; other < groupCount; ++other)
      of.push_back(code.loadShared(code.f32(), code.shiftLeft(column, 2),
                                   region + index * bytes +
                                       other * shape.columns() * floatBytes));
  return shared;
}

/// Whether a group has tokens of the sequence.
Value KernelEmitter::hasTokens(int64_t ofGroup) {
  return code.less(code.integer(ofGroup * groupTokens), tokens);
}

/// What this thread's tokens come to.
Value KernelEmitter::scanTotal(const ScanRule &rule, const Values &terms) {
  Values valid = masked(terms, rule.neutral);
  if (rule.step.empty()) {
    Value last = terms.front();
    for (auto [token, term] : llvm::enumerate(terms))
      last = code.choose(isValid(token), term, last);
    return last;
  }
  if (!rule.sigmoids) {
    Value sum = valid.front();
    for (Value term : llvm::drop_begin(valid))
      sum = code.fadd(sum, term);
    return sum;
  }
  // Finite, so that a group without tokens has exp(-infinity) = 0.
  Value largest = code.number(std::numeric_limits<float>::lowest());
  for (Value term : valid)
    largest = apply("max", {largest, term});
  Value sum = code.number(0);
  for (Value term : valid)
    sum = code.fadd(sum, code.shortExp(code.fsub(term, largest)));
  return code.fadd(largest, apply("log", {sum}));
}

/// z in front of this thread's tokens, and behind the chunk, from what the
/// groups come to.
std::pair<Value, Value> KernelEmitter::scanStart(const ScanRule &rule,
                                                 Value carry,
                                                 const Values &totals) {
  Value so = carry, before = carry;
  for (int64_t other = 0; other < groupCount; ++other) {
    if (other > 0)
      before = code.choose(code.equal(group, other), so, before);
    so = rule.step.empty() ? code.choose(hasTokens(other), totals[other], so)
                           : apply(rule.step, {so, totals[other]});
  }
  return {before, so};
}

/// The same for log Σ exp.
std::pair<Value, Value> KernelEmitter::logSumStart(Value carry,
                                                   const Values &totals) {
  LogSum so = startOf(carry), before = so;
  for (int64_t other = 0; other < groupCount; ++other) {
    if (other > 0) {
      Value isOwn = code.equal(group, other);
      before = {code.choose(isOwn, so.largest, before.largest),
                code.choose(isOwn, so.rest, before.rest)};
    }
    so = addExponential(so, totals[other]);
  }
  return {shortLogOf(before), logOf(so)};
}

void KernelEmitter::runScan(chunk::ScanOp op, Value z) {
  const ScanRule &rule = ruleOf(op.getKind());
  const Values terms = ownNumbers(tile(op.getTerm()));
  auto count = static_cast<int64_t>(terms.size());
  Values &exclusive = tiles[op.getExclusive()].numbers;
  Values &inclusive = tiles[op.getInclusive()].numbers;
  LogSum running = rule.sigmoids ? startOf(z) : LogSum();
  std::array<Tile, 2> &shares = scanShares[op];
  for (Tile &share : shares)
    share.numbers.resize(exclusive.size());
  int64_t end = std::min(count, endOfRange);
  for (int64_t token = count > 1 ? firstOfRange : 0; token < end; ++token) {
    int64_t place = columnIndex * count + token;
    exclusive[place] = z;
    if (rule.sigmoids) {
      Shares of;
      running = addExponential(running, terms[token], &of);
      shares[0].numbers[place] = of.ofSum;
      shares[1].numbers[place] = of.ofTerm;
      z = count > 1 ? shortLogOf(running) : logOf(running);
    } else {
      z = rule.step.empty() ? terms[token]
                            : apply(rule.step, {z, terms[token]});
    }
    inclusive[place] = z;
  }
}

void KernelEmitter::emitScan(chunk::ScanOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  bool isFirst = onlyColumn.value_or(0) == 0;
  if (isFirst)
    for (Value result : op.getResults())
      tiles[result] = assigned(result);
  Tile &next = tiles[op.getNext()];
  auto scan = [&] {
    if (onlyColumn && *onlyColumn != columnIndex)
      return;
    const Values terms = ownNumbers(tile(op.getTerm()));
    Value z = ownOf(tile(op.getCarry()).numbers), behind;
    if (terms.size() > 1) {
      Values totals = shareGroups({scanTotal(rule, terms)}, op).front();
      std::tie(z, behind) =
          rule.sigmoids ? logSumStart(z, totals) : scanStart(rule, z, totals);
    }
    for (Value result : {op.getInclusive(), op.getExclusive()})
      tiles[result].numbers.append(terms.size(), Value());
    runScan(op, z);
    next.numbers.push_back(behind ? behind
                                  : tile(op.getInclusive()).numbers.back());
  };
  isPerChannel(op.getTerm()) ? forColumns(scan) : scan();
}

/// z in front of the range, which is kept, leads to the others.
void KernelEmitter::scanAgain(chunk::ScanOp op) {
  if (!isPerChannel(op.getTerm()))
    return;
  if (isSecond) {
    for (Value result : {op.getInclusive(), op.getExclusive()})
      tiles[result].numbers.resize(groupTokens);
    int64_t quarter = firstOfRange / quarterTokens;
    const Values &starts = scanStarts[op];
    return runScan(op, ownOf({starts[quarter], starts[4 + quarter]}));
  }
  auto scan = [&] {
    runScan(op, numberAt(tile(op.getExclusive()), firstOfRange));
  };
  onlyColumn ? scan() : forColumns(scan);
}

/// d z_t / d x_t for the range's tokens of the column at hand: what x_t is of
/// the sum up to it.
void KernelEmitter::noteScanWeights(chunk::ScanGradientOp op) {
  if (!ruleOf(op.getKind()).sigmoids)
    return;
  auto scan = op.getExclusive().getDefiningOp<chunk::ScanOp>();
  const Tile &shares = scanShares[scan][1];
  Values &weights = scanWeights[op];
  weights.resize(groupTokens * columnsAtHand());
  for (int64_t token = firstOfRange; token < endOfRange; ++token)
    weights[columnIndex * groupTokens + token] = numberAt(shares, token);
}

/// The gradient of z behind this thread's tokens, and in front of the chunk.
/// `given` are d_inclusive and d_exclusive, `own` is d z_t / d x_t.
std::pair<Value, Value>
KernelEmitter::scanGradientStart(chunk::ScanGradientOp op,
                                 std::array<const Values *, 2> given,
                                 const Values &own, Value carry) {
  const ScanRule &rule = ruleOf(op.getKind());
  Value one = code.number(1), zero = code.number(0);
  // What a gradient g behind the tokens becomes in front: added + passed g.
  Value added = zero, passed = one;
  for (int64_t token = groupTokens - 1; token >= 0; --token) {
    Value a = code.fadd((*given[0])[token], added);
    Value made = (*given[1])[token];
    if (rule.sigmoids) {
      Value weight = code.fsub(one, own[token]);
      made = code.fma(a, weight, made);
      passed = code.choose(isValid(token), code.fmul(passed, weight), passed);
    } else if (rule.carryWeight == 1) {
      made = code.fadd(a, made);
    }
    added = code.choose(isValid(token), made, added);
  }
  bool passes = !rule.sigmoids && rule.carryWeight == 1;
  auto shared =
      shareGroups(rule.sigmoids ? Values{added, passed} : Values{added}, op);
  Value so = carry, behind = carry;
  for (int64_t other = groupCount - 1; other >= 0; --other) {
    if (other < groupCount - 1)
      behind = code.choose(code.equal(group, other), so, behind);
    Value factor = rule.sigmoids ? shared[1][other]
                   : passes      ? one
                                 : code.choose(hasTokens(other), zero, one);
    so = code.fma(factor, so, shared[0][other]);
  }
  return {behind, so};
}

void KernelEmitter::emitScanGradient(chunk::ScanGradientOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  bool byQuarters = scanWeights.contains(op);
  Tile dTerm = assigned(op.getDTerm()), next = assigned(op.getNext());
  auto scan = [&] {
    const Values dInclusive = ownNumbers(tile(op.getDInclusive()));
    const Values dExclusive = ownNumbers(tile(op.getDExclusive()));
    if (!byQuarters)
      noteScanWeights(op);
    Values own = scanWeights.lookup(op);
    if (rule.sigmoids)
      own = Values(
          llvm::ArrayRef(own).slice(columnIndex * groupTokens, groupTokens));
    Value carry = ownOf(tile(op.getCarry()).numbers);
    auto [g, before] =
        scanGradientStart(op, {&dInclusive, &dExclusive}, own, carry);
    Values made(groupTokens);
    for (int64_t token = groupTokens - 1; token >= 0; --token) {
      Value a = code.fadd(dInclusive[token], g);
      made[token] = rule.sigmoids ? code.fmul(a, own[token]) : a;
      Value passed = dExclusive[token];
      if (rule.sigmoids)
        passed = code.fma(a, code.fsub(code.number(1), own[token]), passed);
      else if (rule.carryWeight == 1)
        passed = code.fadd(passed, a);
      g = code.choose(isValid(token), passed, g);
    }
    dTerm.numbers.append(made);
    next.numbers.push_back(before);
  };
  isPerChannel(op.getTerm()) ? forColumns(scan) : scan();
  tiles[op.getDTerm()] = dTerm;
  tiles[op.getNext()] = next;
}

} // namespace decay::cuda
