//===- Columns.cpp - What is done number by number ------------------------===//
#include "compiler/target/cuda/lowering/Gates.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include "mlir/IR/IRMapping.h"

namespace decay::cuda {

using ir::Axis;

/// Whether token number `token` of this thread's group belongs to the sequence.
Value KernelEmitter::isValid(int64_t token) {
  Value own = code.sub(tokens, ownStart());
  // What is the same in a warp is compared elsewhere, and comes back one by
  // one.
  if (isBehindRecurrence)
    own = code.bitXor(own, hiddenZero);
  return code.less(code.integer(token), own);
}

/// Whether all of the chunk's tokens belong to it, which is almost always.
Value KernelEmitter::isWhole() { return code.atLeast(tokens, chunkTokens); }

/// Two i16 in an i32, the first in its low half.
Value KernelEmitter::bothHalves(Value low, Value high) {
  auto wide = [&](Value half) -> Value {
    return mlir::arith::ExtUIOp::create(builder, code.place, code.i32(), half);
  };
  return code.bitOr(wide(low), code.shiftLeft(wide(high), 16));
}

/// What this thread has of each row: an i16, or an i32 of two channels.
Values KernelEmitter::loadColumns(const Stream &stream) {
  Values words;
  Value rows = code.mul(group, groupTokens * panelBytes);
  bool isAlone = shape.columnsPerThread == 1 || shape.isApart;
  mlir::Type type = isAlone ? code.i16() : code.i32();
  auto placeOf = [&](Value own) {
    Value panel = code.mul(code.shiftRight(own, 6), chunkTokens * panelBytes);
    return std::make_pair(code.add(rows, panel),
                          code.bitAnd(code.shiftLeft(own, 1), panelBytes - 1));
  };
  auto first = placeOf(channel), second = first;
  if (shape.isApart)
    second = placeOf(code.add(channel, shape.columnStep()));
  for (int64_t token = 0; token < groupTokens; ++token) {
    auto load = [&](const std::pair<Value, Value> &at) {
      Value offset =
          code.add(at.first, code.bitXor(at.second, (token & 7) << 4));
      return code.loadShared(type, offset, stream.shared + token * panelBytes);
    };
    Value word = load(first);
    if (shape.isApart)
      word = bothHalves(word, load(second));
    words.push_back(word);
  }
  return words;
}

/// The same in registers: a row's two channels, or the tokens of one two by
/// two, the earlier in the low half.
Values KernelEmitter::columnPairs(const Stream &stream) {
  Values words = loadColumns(stream);
  if (shape.columnsPerThread > 1)
    return words;
  Values pairs;
  for (size_t token = 0; token < words.size(); token += 2)
    pairs.push_back(bothHalves(words[token], words[token + 1]));
  return pairs;
}

void KernelEmitter::unpackPair(Tile &made, int64_t pair, Value word,
                               Value zero) {
  if (isSecond) {
    made.numbers[pair] = code.unpack(word, halfAtHand, zero);
    return;
  }
  bool ofTokens = shape.columnsPerThread == 1;
  int64_t first = ofTokens ? 2 * pair : pair;
  int64_t second = ofTokens ? first + 1 : first + groupTokens;
  made.numbers[first] =
      zero ? code.unpackLow(word, zero) : code.unpackLow(word);
  made.numbers[second] = code.unpackHigh(zero ? code.bitXor(word, zero) : word);
}

void KernelEmitter::keepLastQuarter(const Stream &stream, const Values &pairs) {
  Value words = code.join(llvm::ArrayRef(pairs).take_back(quarterTokens));
  code.storeShared(words, code.shiftLeft(thread, 4), stream.lastQuarter);
}

Values KernelEmitter::lastQuarter(const Stream &stream) {
  return code.split(code.loadShared(code.vector(quarterTokens, code.i32()),
                                    code.shiftLeft(thread, 4),
                                    stream.lastQuarter));
}

/// The operations before `until` once more, from the inputs as they were read,
/// for the tokens of the range: what is cheap to make is not kept. The xor with
/// a zero from memory hides from the compilers that all this was made before.
void KernelEmitter::makeColumnsAgain(mlir::Operation *until) {
  Value zero = code.loadShared(code.i32(), Value(), regions.zero);
  hiddenZero = zero;
  for (mlir::Operation &op : *until->getBlock()) {
    if (&op == until)
      return;
    if (auto read = mlir::dyn_cast<chunk::ReadOp>(op)) {
      Tile &made = tile(read.getResult());
      if (made.pairs.empty())
        continue;
      int64_t rows = shape.columnsPerThread == 1 ? 2 : 1;
      const Stream &stream = streamOf(read);
      if (stream.lastQuarter >= 0 && endOfRange == groupTokens)
        llvm::copy(lastQuarter(stream), made.pairs.end() - quarterTokens);
      made.numbers.resize(groupTokens * columnsAtHand());
      for (int64_t pair = firstOfRange / rows; pair < endOfRange / rows; ++pair)
        unpackPair(made, pair, made.pairs[pair], zero);
    } else if (auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op)) {
      if (mlir::cast<chunk::TileType>(pointwise.getResultTypes().front())
              .has(Axis::Token) &&
          !worksOnRows(pointwise))
        emitPointwise(pointwise);
    } else if (auto rotate = mlir::dyn_cast<chunk::RotateOp>(op)) {
      if (shape.isApart && !onlyColumn)
        emitRotate(rotate);
    } else if (auto scan = mlir::dyn_cast<chunk::ScanOp>(op)) {
      scanAgain(scan);
    }
  }
}

/// One row's numbers of this thread.
void KernelEmitter::storeRow(const Tile &from, int64_t token, bool perChannel,
                             Value place, Value condition) {
  if (!perChannel || shape.columnsPerThread == 1)
    return code.storeWhere(condition, toElement(numberAt(from, token)), place);
  Values both = perColumn([&] { return numberAt(from, token); });
  if (!shape.isApart)
    return code.storeWhere(condition, code.pack(both[0], both[1]), place);
  for (auto [index, number] : llvm::enumerate(both))
    code.storeWhere(
        condition, toElement(number),
        code.at(place, static_cast<int64_t>(index) * shape.columnStep() *
                           shape.elementBytes()));
}

void KernelEmitter::storeColumns(const Tile &from, int64_t operand) {
  bool perChannel = shapeOf(operand).contains('K');
  if (isSecond && perChannel)
    return storeInTurn(from, operand);
  overRows(operand, [&](int64_t token, Value place, Value condition) {
    storeRow(from, token, perChannel, place, condition);
  });
}

/// Calls `storeAt` for each of the range's rows of an operand that the caller
/// wants, with the place of this thread's first channel in it.
void KernelEmitter::overRows(int64_t operand, StoreAt storeAt) {
  Value data = dataOf(operand);
  bool perChannel = shapeOf(operand).contains('K');
  code.when(code.notNull(data), [&] {
    Value stride = strideOf(operand);
    // Two in turn leave with the second.
    int64_t index = isSecond ? 1 : columnIndex;
    Value firstChannel = code.add(channel, -index * shape.columnStep());
    Value element =
        perChannel ? code.add(code.mul(head, shape.K), firstChannel) : head;
    Value row = code.add(firstToken, ownStart());
    Value start =
        code.add(code.mul(code.add(firstRow, code.extend(row)), stride),
                 code.extend(code.mul(element, shape.elementBytes())));
    Value place = code.at(data, start);
    auto storeRows = [&](bool all) -> Values {
      // With two columns addresses that follow from each other take longer.
      bool isChain = shape.columnsPerThread == 1;
      Value at;
      for (int64_t token = firstOfRange; token < endOfRange; ++token) {
        at = at && isChain ? code.at(at, stride)
                           : code.at(place, code.mul(stride, code.wide(token)));
        // What is made right here goes out without a branch.
        if (isBehindRecurrence)
          storeAt(token, at, isValid(token));
        else if (all)
          storeAt(token, at, Value());
        else
          code.when(isValid(token), [&] { storeAt(token, at, Value()); });
      }
      return {};
    };
    auto storeGroup = [&] {
      if (isBehindRecurrence) {
        storeRows(false);
        return;
      }
      code.choose(
          isWhole(), [&] { return storeRows(true); },
          [&] { return storeRows(false); });
    };
    if (!perChannel)
      code.when(code.equal(code.add(column, -columnIndex * warpLanes), 0),
                storeGroup);
    else if (shape.pairs > 1)
      code.when(code.less(column, shape.K), storeGroup);
    else
      storeGroup();
  });
}

/// The region's numbers for one token, or for the thread.
Values cloneRegion(Lanes &code, chunk::PointwiseOp op,
                   llvm::ArrayRef<Value> inputs) {
  return cloneRegions(code, op, {Values(inputs)}).front();
}

/// 1 / a and 1 / b from 1 / (a b).
static void divideTwice(Lanes &code, mlir::arith::DivFOp op,
                        mlir::IRMapping &first, mlir::IRMapping &second) {
  Value a = first.lookup(op.getRhs()), b = second.lookup(op.getRhs());
  auto both = mlir::arith::DivFOp::create(
      code.builder, code.place, first.lookup(op.getLhs()), code.fmul(a, b));
  both->setAttrs(op->getAttrs());
  first.map(op.getResult(), code.fmul(both, b));
  second.map(op.getResult(), code.fmul(both, a));
}

llvm::SmallVector<Values> cloneRegions(Lanes &code, chunk::PointwiseOp op,
                                       llvm::ArrayRef<Values> inputs) {
  mlir::Block &body = op.getBody().front();
  llvm::SmallVector<mlir::IRMapping> numbers(inputs.size());
  for (auto [mapping, own] : llvm::zip(numbers, inputs))
    for (auto [argument, input] : llvm::zip(body.getArguments(), own))
      mapping.map(argument, input);
  size_t inPairs = inputs.size() / 2 * 2;
  // Behind the arguments: the scan's shares.
  bool hasShares = inputs.front().size() > body.getNumArguments();
  llvm::DenseSet<mlir::Operation *> needed;
  if (hasShares)
    needed = findNeeded(op);
  for (mlir::Operation &inner : body.without_terminator()) {
    if (hasShares && !needed.contains(&inner))
      continue;
    bool isBounded = inner.hasAttr(boundedName);
    auto quotient = mlir::dyn_cast<mlir::arith::DivFOp>(inner);
    for (size_t index = 0; index < inputs.size(); ++index) {
      mlir::IRMapping &own = numbers[index];
      bool isInPair = index < inPairs;
      if (auto share = inner.getAttrOfType<mlir::BoolAttr>(shareName);
          share && hasShares) {
        own.map(inner.getResult(0),
                inputs[index][body.getNumArguments() + !share.getValue()]);
      } else if (isBounded && quotient && isInPair) {
        if (index % 2 == 0)
          divideTwice(code, quotient, own, numbers[index + 1]);
      } else if (isBounded && !quotient && !isInPair) {
        own.map(inner.getResult(0), own.lookup(inner.getOperand(0)));
      } else {
        code.builder.clone(inner, own);
      }
    }
  }
  llvm::SmallVector<Values> made(inputs.size());
  for (auto [results, mapping] : llvm::zip(made, numbers))
    for (Value value : body.getTerminator()->getOperands())
      results.push_back(mapping.lookupOrDefault(value));
  return made;
}

void KernelEmitter::emitPointwise(chunk::PointwiseOp op) {
  if (op.getNumResults() == 0)
    return;
  chunk::ScanOp shares = sharedScan(op);
  auto type = mlir::cast<chunk::TileType>(op.getResult(0).getType());
  Tile::Kind kind = assigned(op.getResult(0)).kind;
  if (kind == Tile::Kind::layers)
    return emitLayersPointwise(op);
  if (kind == Tile::Kind::rows)
    return emitRowsPointwise(op);
  bool hasTokens = kind == Tile::Kind::columns;
  int64_t count = hasTokens ? tokensPerThread : 1;
  int64_t columns = type.has(Axis::Channel) ? columnsAtHand() : 1;
  for (Value result : op.getResults()) {
    Tile &made = tiles[result];
    made.kind = kind;
    made.numbers.resize(count * columns);
  }
  int64_t end = hasTokens ? endOfRange : 1;
  // Numbers two by two take registers, which are scarce behind the recurrence.
  size_t atOnce = isBehindRecurrence ? 1 : 2;
  bool isOnly = onlyColumn && columns > 1;
  int64_t kept = columnIndex, firstColumn = isOnly ? *onlyColumn : 0;
  int64_t endColumn = isOnly ? firstColumn + 1 : columns;
  llvm::SmallVector<int64_t> places;
  llvm::SmallVector<Values> inputs;
  auto emitPending = [&] {
    auto made = cloneRegions(code, op, inputs);
    for (auto [place, numbers] : llvm::zip(places, made))
      for (auto [result, number] : llvm::zip(op.getResults(), numbers))
        tiles[result].numbers[place] = number;
    places.clear();
    inputs.clear();
  };
  for (int64_t token = hasTokens ? firstOfRange : 0; token < end; ++token)
    for (int64_t each = firstColumn; each < endColumn; ++each) {
      columnIndex = each;
      places.push_back(each * count + token);
      Values &own = inputs.emplace_back();
      for (Value input : op.getInputs())
        own.push_back(numberAt(tile(input), token));
      if (shares)
        for (const Tile &share : scanShares[shares])
          own.push_back(numberAt(share, token));
      if (inputs.size() == atOnce)
        emitPending();
    }
  if (!inputs.empty())
    emitPending();
  columnIndex = kept;
}

void KernelEmitter::emitIndex(chunk::IndexOp op) {
  Value wide;
  if (op.getKind() == "head")
    wide = code.extend(head);
  else
    wide = field(op.getKind() == "heads"   ? LaunchField::H
                 : op.getKind() == "layer" ? LaunchField::Layer
                                           : LaunchField::Layers);
  Tile made = assigned(op.getResult());
  made.numbers = {
      mlir::arith::SIToFPOp::create(builder, code.place, code.f32(), wide)};
  tiles[op.getResult()] = made;
}

} // namespace decay::cuda
