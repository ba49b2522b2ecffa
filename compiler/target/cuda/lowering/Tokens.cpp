//===- Tokens.cpp - Scans, sums and one number per token ------------------===//
//
// A chunk's scan takes two rounds: each group finds what its tokens come to,
// all groups learn what the others found, then each walks through its own
// tokens from what stands in front of them.
//
//===----------------------------------------------------------------------===//
#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include <limits>

namespace decay::cuda {

using ir::Axis;

//===----------------------------------------------------------------------===//
// Operands with one number per token and head
//===----------------------------------------------------------------------===//

/// Two chunks' numbers lie in shared memory, so that the next ones can be
/// written while some thread still reads these.
static Value parityOffset(Lanes &code, Value firstToken) {
  return code.shiftLeft(code.bitAnd(firstToken, chunkTokens), 2);
}

void KernelEmitter::planNumbers(chunk::SweepOp op) {
  numberStreams.clear();
  for (auto read : op.getBody().front().getOps<chunk::ReadOp>()) {
    chunk::TileType type = read.getType();
    if (type.has(Axis::Token) && !type.has(Axis::Channel) &&
        !type.has(Axis::Value))
      numberStreams.push_back({static_cast<int64_t>(read.getOperand()),
                               reserve(2 * chunkTokens * floatBytes), Value()});
  }
}

/// Asks for the numbers of the chunk that begins at `first`, if there is one.
void KernelEmitter::fetchNumbers(Value first) {
  Value token = code.add(first, thread);
  Value exists =
      code.both(code.less(thread, chunkTokens),
                code.both(code.atLeast(token, 0), code.less(token, length)));
  for (NumberStream &stream : numberStreams)
    stream.fetched = code.choose(
        exists,
        [&]() -> Values {
          Value row = code.add(firstRow, code.extend(token));
          Value bytes =
              code.add(code.mul(row, strideOf(stream.operand)),
                       code.extend(code.mul(head, shape.elementBytes())));
          return {
              code.load(elementType(), code.at(dataOf(stream.operand), bytes))};
        },
        [&]() -> Values { return {toElement(code.number(0))}; })[0];
}

/// Writes down what was fetched; it is there behind the next barrier.
void KernelEmitter::keepNumbers(Value first) {
  if (numberStreams.empty())
    return;
  Value offset = code.add(parityOffset(code, first), code.shiftLeft(thread, 2));
  code.when(code.less(thread, chunkTokens), [&] {
    for (const NumberStream &stream : numberStreams)
      code.storeShared(fromElement(stream.fetched), offset, stream.shared);
  });
}

Values KernelEmitter::loadNumbers(int64_t operand) {
  auto stream =
      llvm::find_if(numberStreams, [&](const NumberStream &candidate) {
        return candidate.operand == operand;
      });
  Value offset = code.add(parityOffset(code, firstToken),
                          code.mul(group, groupTokens * floatBytes));
  Values numbers;
  for (int64_t token = 0; token < groupTokens; token += 4) {
    Value four = code.loadShared(code.vector(4, code.f32()), offset,
                                 stream->shared + token * floatBytes);
    for (int64_t each = 0; each < 4; ++each)
      numbers.push_back(mlir::LLVM::ExtractElementOp::create(
          builder, code.place, four, code.integer(each)));
  }
  return numbers;
}

//===----------------------------------------------------------------------===//
// Scans
//===----------------------------------------------------------------------===//

namespace {

/// What a kind of scan does.
struct ScanRule {
  llvm::StringRef kind;
  /// The operator that takes z_{t-1} and x_t to z_t; empty: z_t = x_t.
  llvm::StringRef step;
  float neutral; ///< the term that changes nothing
  /// d z_t / d x_t is a sigmoid e, and d z_t / d z_{t-1} is 1 - e; else the
  /// former is 1, the latter this.
  bool sigmoids;
  float carryWeight;
};

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

Value KernelEmitter::apply(llvm::StringRef name, mlir::ValueRange operands) {
  return expandPointwise(builder, code.place, name, operands);
}

/// For each number what the four groups have of it, in their order. Every call
/// has its own place in shared memory, which was last read before the chunk
/// began; the columns of a thread share it.
llvm::SmallVector<Values> KernelEmitter::shareGroups(const Values &numbers) {
  int64_t bytes = groupCount * shape.columns() * floatBytes;
  if (columnIndex == 0)
    groupNumbers = reserve(static_cast<int64_t>(numbers.size()) * bytes);
  int64_t region = groupNumbers;
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
Value KernelEmitter::scanTotal(llvm::StringRef kind, const Values &terms) {
  const ScanRule &rule = ruleOf(kind);
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
    sum = code.fadd(sum, apply("exp", {code.fsub(term, largest)}));
  return code.fadd(largest, apply("log", {sum}));
}

/// z in front of this thread's tokens, and behind the chunk.
std::pair<Value, Value> KernelEmitter::scanStart(llvm::StringRef kind,
                                                 const Values &terms,
                                                 Value carry) {
  const ScanRule &rule = ruleOf(kind);
  Values totals = shareGroups({scanTotal(kind, terms)}).front();
  Value so = carry, before = carry;
  for (int64_t other = 0; other < groupCount; ++other) {
    if (other > 0)
      before = code.choose(code.equal(group, other), so, before);
    so = rule.step.empty() ? code.choose(hasTokens(other), totals[other], so)
                           : apply(rule.step, {so, totals[other]});
  }
  return {before, so};
}

void KernelEmitter::emitScan(chunk::ScanOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  Tile inclusive = assigned(op.getInclusive());
  Tile exclusive = assigned(op.getExclusive());
  Tile next = assigned(op.getNext());
  auto scan = [&] {
    const Values terms = ownNumbers(tile(op.getTerm()));
    Value z = ownOf(tile(op.getCarry()).numbers), behind;
    if (terms.size() > 1)
      std::tie(z, behind) = scanStart(op.getKind(), terms, z);
    for (Value term : terms) {
      exclusive.numbers.push_back(z);
      z = rule.step.empty() ? term : apply(rule.step, {z, term});
      inclusive.numbers.push_back(z);
    }
    next.numbers.push_back(behind ? behind : z);
  };
  bool perChannel =
      mlir::cast<chunk::TileType>(op.getTerm().getType()).has(Axis::Channel);
  perChannel ? forColumns(scan) : scan();
  tiles[op.getInclusive()] = inclusive;
  tiles[op.getExclusive()] = exclusive;
  tiles[op.getNext()] = next;
}

/// The gradient of z behind this thread's tokens, and in front of the chunk.
/// `given` are d_inclusive and d_exclusive, `own` is d z_t / d x_t.
std::pair<Value, Value>
KernelEmitter::scanGradientStart(llvm::StringRef kind,
                                 std::array<const Values *, 2> given,
                                 const Values &own, Value carry) {
  const ScanRule &rule = ruleOf(kind);
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
      shareGroups(rule.sigmoids ? Values{added, passed} : Values{added});
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
  Tile dTerm = assigned(op.getDTerm()), next = assigned(op.getNext());
  auto scan = [&] {
    const Values terms = ownNumbers(tile(op.getTerm()));
    const Values exclusive = ownNumbers(tile(op.getExclusive()));
    const Values dInclusive = ownNumbers(tile(op.getDInclusive()));
    const Values dExclusive = ownNumbers(tile(op.getDExclusive()));
    Values own;
    if (rule.sigmoids)
      for (auto [x, z] : llvm::zip(terms, exclusive))
        own.push_back(apply("sigmoid", {code.fsub(x, z)}));
    Value carry = ownOf(tile(op.getCarry()).numbers);
    auto [g, before] =
        scanGradientStart(op.getKind(), {&dInclusive, &dExclusive}, own, carry);
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
  bool perChannel =
      mlir::cast<chunk::TileType>(op.getTerm().getType()).has(Axis::Channel);
  perChannel ? forColumns(scan) : scan();
  tiles[op.getDTerm()] = dTerm;
  tiles[op.getNext()] = next;
}

//===----------------------------------------------------------------------===//
// λ that no token changes
//===----------------------------------------------------------------------===//

void KernelEmitter::emitSpread(chunk::SpreadOp op) {
  Tile made = assigned(op.getResult());
  for (size_t index = 0; index < tile(op.getLambda()).numbers.size(); ++index) {
    columnIndex = static_cast<int64_t>(index);
    made.numbers.append(spreadNumber(ownOf(tile(op.getLambda()).numbers),
                                     ownOf(tile(op.getComplement()).numbers)));
  }
  columnIndex = 0;
  tiles[op.getResult()] = made;
}

/// λ of each of this thread's tokens, which share the rounding of 1 - λ.
Values KernelEmitter::spreadNumber(Value plain, Value exact) {
  namespace arith = mlir::arith;
  Value one = code.number(1);
  // In [1/2, 1] what `rounded` lacks of 1 is exact.
  auto round = [&](Value owed) -> std::pair<Value, Value> {
    Value wanted = code.fadd(exact, owed);
    Value rounded = apply("min", {code.fsub(one, wanted), one});
    return {rounded, code.fsub(wanted, code.fsub(one, rounded))};
  };
  Value owed = code.number(0);
  if (tokensPerThread > 1)
    owed = code.loop(ownStart(), {owed},
                     [&](Value, mlir::ValueRange carried) -> Values {
                       return {round(carried[0]).second};
                     })[0];
  Value isSmall = arith::CmpFOp::create(
      builder, code.place, arith::CmpFPredicate::OLT, plain, code.number(0.5));
  Values made;
  for (int64_t token = 0; token < tokensPerThread; ++token) {
    auto [rounded, left] = round(owed);
    made.push_back(code.choose(isSmall, plain, rounded));
    owed = left;
  }
  return made;
}

} // namespace decay::cuda
