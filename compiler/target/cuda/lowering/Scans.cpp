//===- Scans.cpp - Running sums along the tokens --------------------------===//
//
// A chunk's scan takes two rounds: each group finds what its tokens come to,
// all groups learn what the others found, then each walks through its own
// tokens from what stands in front of them.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Segments.h"

#include "mlir/IR/Matchers.h"

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

/// Where groups tell each other what their tokens come to: `count` numbers of
/// each column. Every operation has its own place, which was last read before
/// the chunk began.
int64_t KernelEmitter::groupRegion(mlir::Operation *op, size_t count) {
  int64_t bytes = groupCount * shape.columns() * floatBytes;
  auto [found, isNew] = groupNumbers.try_emplace(op);
  if (isNew)
    found->second = reserve(static_cast<int64_t>(count) * bytes);
  return found->second;
}

void KernelEmitter::storeGroups(const Values &numbers, mlir::Operation *op) {
  int64_t bytes = groupCount * shape.columns() * floatBytes;
  int64_t region = groupRegion(op, numbers.size());
  Value own =
      code.shiftLeft(code.add(code.mul(group, shape.columns()), column), 2);
  for (auto [index, number] : llvm::enumerate(numbers))
    code.storeShared(number, own, region + index * bytes);
}

/// For each number what the four groups have of it, in their order; behind a
/// barrier.
llvm::SmallVector<Values> KernelEmitter::loadGroups(size_t count,
                                                    mlir::Operation *op) {
  int64_t bytes = shape.columns() * floatBytes, region = groupRegion(op, count);
  llvm::SmallVector<Values> shared(count);
  for (auto [index, of] : llvm::enumerate(shared))
    for (int64_t other = 0; other < groupCount; ++other)
      of.push_back(code.loadShared(
          code.f32(), code.shiftLeft(column, 2),
          region + (static_cast<int64_t>(index) * groupCount + other) * bytes));
  return shared;
}

/// Whether a group has tokens of the sequence.
Value KernelEmitter::hasTokens(Value ofGroup) {
  return code.less(code.mul(ofGroup, groupTokens), tokens);
}

/// What this thread's tokens come to.
Value KernelEmitter::scanTotal(const ScanRule &rule, const Values &terms) {
  const Values valid = masked(terms, rule.neutral);
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
    so = rule.step.empty()
             ? code.choose(hasTokens(code.integer(other)), totals[other], so)
             : apply(rule.step, {so, totals[other]});
  }
  return {before, so};
}

/// The same for log Σ exp.
std::pair<KernelEmitter::LogSum, Value>
KernelEmitter::logSumStart(Value carry, const Values &totals) {
  LogSum so = startOf(carry), before = so;
  for (int64_t other = 0; other < groupCount; ++other) {
    if (other > 0) {
      Value isOwn = code.equal(group, other);
      before = {code.choose(isOwn, so.largest, before.largest),
                code.choose(isOwn, so.rest, before.rest)};
    }
    so = addExponential(so, totals[other]);
  }
  return {before, logOf(so)};
}

void KernelEmitter::runScan(chunk::ScanOp op, const Values &terms, Value z) {
  const ScanRule &rule = ruleOf(op.getKind());
  auto count = static_cast<int64_t>(terms.size());
  Values &exclusive = tiles[op.getExclusive()].numbers;
  Values &inclusive = tiles[op.getInclusive()].numbers;
  LogSum running = rule.sigmoids ? startOf(z) : LogSum();
  std::array<Tile, 2> &shares = scanShares[op];
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
  auto overColumns = [&](llvm::function_ref<void()> body) {
    isPerChannel(op.getTerm()) ? forColumns(body) : body();
  };
  auto termsAtHand = [&] { return ownNumbers(tile(op.getTerm())); };
  bool hasGroups = termsAtHand().size() > 1;
  auto shareTotals = [&] { storeGroups({scanTotal(rule, termsAtHand())}, op); };
  // In forward exponentials of the second column wait for the first one's tree,
  // and made terms do so everywhere.
  bool isTogether =
      !onlyColumn ||
      (hasGradient && op.getTerm().getDefiningOp<chunk::ReadOp>());
  if (hasGroups && isTogether && isFirst) {
    overColumns(shareTotals);
    code.barrier();
  }
  overColumns([&] {
    if (onlyColumn && *onlyColumn != columnIndex)
      return;
    const Values terms = termsAtHand();
    Value z = ownOf(tile(op.getCarry()).numbers), behind;
    LogSum before;
    if (hasGroups) {
      if (!isTogether) {
        shareTotals();
        code.barrier();
      }
      Values totals = loadGroups(1, op).front();
      if (rule.sigmoids)
        std::tie(before, behind) = logSumStart(z, totals);
      else
        std::tie(z, behind) = scanStart(rule, z, totals);
    }
    for (Value result : {op.getInclusive(), op.getExclusive()})
      tiles[result].numbers.append(terms.size(), Value());
    for (Tile &share : scanShares[op])
      share.numbers.resize(tile(op.getInclusive()).numbers.size());
    if (hasGroups && takesSharesAlone(op))
      runShares(op, terms, before);
    else
      runScan(op, terms, before.largest ? shortLogOf(before) : z);
    if (keepsShares(op))
      keepShares(op);
    next.numbers.push_back(behind ? behind
                                  : tile(op.getInclusive()).numbers.back());
  });
}

/// z in front of the range, which is kept, leads to the others.
void KernelEmitter::scanAgain(chunk::ScanOp op) {
  if (!isPerChannel(op.getTerm()))
    return;
  if (keepsShares(op)) {
    auto again = [&] { sharesAgain(op); };
    return onlyColumn ? again() : forColumns(again);
  }
  if (isSecond) {
    for (Value result : {op.getInclusive(), op.getExclusive()})
      tiles[result].numbers.resize(groupTokens);
    int64_t quarter = firstOfRange / quarterTokens;
    const Values &starts = scanStarts[op];
    return runScan(op, ownNumbers(tile(op.getTerm())),
                   ownOf({starts[quarter], starts[4 + quarter]}));
  }
  auto scan = [&] {
    runScan(op, ownNumbers(tile(op.getTerm())),
            numberAt(tile(op.getExclusive()), firstOfRange));
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

/// What the gradient of z behind a token becomes in front of it. The token's
/// own part is `exclusive`, `a` has that of z itself, `own` is d z_t / d x_t.
Value KernelEmitter::passGradient(chunk::ScanGradientOp op, int64_t token,
                                  Value behind, Value a, Value exclusive,
                                  Value own) {
  const ScanRule &rule = ruleOf(op.getKind());
  Value made = exclusive;
  if (rule.sigmoids)
    made = code.fma(a, code.fsub(code.number(1), own), exclusive);
  else if (rule.carryWeight == 1)
    made = code.fadd(exclusive, a);
  // Tokens behind the end have no share in a sum whose shares are kept.
  auto scan = op.getExclusive().getDefiningOp<chunk::ScanOp>();
  return scan && keepsShares(scan) ? made
                                   : code.choose(isValid(token), made, behind);
}

/// The gradients of the column's z, that behind its last token being `g`; of
/// terms into `terms`, if there is one. Returned is what is in front of them.
Value KernelEmitter::walkBack(chunk::ScanGradientOp op, Value g,
                              Values *terms) {
  const Values dInclusive = ownNumbers(tile(op.getDInclusive()));
  const Values dExclusive = ownNumbers(tile(op.getDExclusive()));
  const Values &weights = scanWeights[op];
  for (int64_t token = groupTokens - 1; token >= 0; --token) {
    Value own =
        weights.empty() ? Value() : weights[columnIndex * groupTokens + token];
    Value a = g;
    if (!mlir::matchPattern(dInclusive[token], mlir::m_AnyZeroFloat()))
      a = code.fadd(dInclusive[token], g);
    if (terms)
      (*terms)[token] = own ? code.fmul(a, own) : a;
    g = passGradient(op, token, g, a, dExclusive[token], own);
  }
  return g;
}

/// What of a log Σ exp's gradient behind the column's tokens passes them all.
Value KernelEmitter::passedShare(chunk::ScanGradientOp op) {
  Value zero = code.number(0), passed = code.number(1);
  for (int64_t token = groupTokens - 1; token >= 0; --token)
    passed = passGradient(op, token, passed, passed, zero,
                          scanWeights[op][columnIndex * groupTokens + token]);
  return passed;
}

void KernelEmitter::emitScanGradient(chunk::ScanGradientOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  Value zero = code.number(0), one = code.number(1);
  bool byQuarters = scanWeights.contains(op);
  Tile dTerm = assigned(op.getDTerm()), next = assigned(op.getNext());
  auto overColumns = [&](llvm::function_ref<void()> body) {
    isPerChannel(op.getTerm()) ? forColumns(body) : body();
  };
  overColumns([&] {
    if (!byQuarters)
      noteScanWeights(op);
    Values own = {walkBack(op, zero, nullptr)};
    if (rule.sigmoids)
      own.push_back(passedShare(op));
    storeGroups(own, op);
  });
  code.barrier();
  overColumns([&] {
    auto shared = loadGroups(rule.sigmoids ? 2 : 1, op);
    Value so = ownOf(tile(op.getCarry()).numbers), behind = so;
    for (int64_t other = groupCount - 1; other >= 0; --other) {
      if (other < groupCount - 1)
        behind = code.choose(code.equal(group, other), so, behind);
      Value passed = one;
      if (rule.sigmoids)
        passed = shared[1][other];
      else if (rule.carryWeight != 1)
        passed = code.choose(hasTokens(code.integer(other)), zero, one);
      so = code.fma(passed, so, shared[0][other]);
    }
    Values made(groupTokens);
    walkBack(op, behind, &made);
    dTerm.numbers.append(made);
    next.numbers.push_back(so);
  });
  tiles[op.getDTerm()] = dTerm;
  tiles[op.getNext()] = next;
}

} // namespace decay::cuda
