//===- KernelEmitter.cpp - The frame of a kernel --------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/Segments.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

tile::EntryAttr entryOf(chunk::KernelOp kernel) {
  return kernel->getAttrOfType<tile::EntryAttr>(tile::TileDialect::entryName);
}

tile::BlockAttr blockOf(chunk::KernelOp kernel) {
  return kernel->getAttrOfType<tile::BlockAttr>(tile::TileDialect::blockName);
}

KernelEmitter::KernelEmitter(chunk::KernelOp kernel, BlockShape shape,
                             mlir::OpBuilder &builder)
    : kernel(kernel), shape(shape), builder(builder),
      code(builder, kernel.getLoc()),
      hasSegments(shape.precision == Precision::bf16 && canBeCut(kernel)) {
  tile::Kept kept = entryOf(kernel).getKept();
  keepsStates = kept == tile::Kept::given || kept == tile::Kept::with;
  if (kept == tile::Kept::with || kept == tile::Kept::without)
    keptLaunch = keepsStates;
  planWorkspace();
}

mlir::LLVM::LLVMFuncOp KernelEmitter::emit() {
  mlir::OpBuilder::InsertionGuard guard(builder);
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(builder.getContext()), {code.pointer()});
  KernelLaunch how = describe();
  std::string name = "decay_" + how.entry;
  if (how.headDims)
    name += "_" + std::to_string(shape.K) + "_" + std::to_string(shape.V);
  name += suffix();
  name += how.kept.value_or(false) ? "_kept" : "";
  function = LLVM::LLVMFuncOp::create(builder, kernel.getLoc(), name, type);
  setLaunchParameter(function, kernel.getOperands().size());
  builder.setInsertionPointToStart(function.addEntryBlock(builder));
  record = launch = function.getArgument(0);
  emitItem();
  emitBody();
  LLVM::ReturnOp::create(builder, kernel.getLoc(), mlir::ValueRange{});
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    builder.getUnitAttr());
  function->setAttr(
      NVVM::NVVMDialect::getReqntidAttrName(),
      builder.getDenseI32ArrayAttr({static_cast<int32_t>(how.threads)}));
  function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                    builder.getI32IntegerAttr(blocksWanted(how.threads)));
  how.sharedBytes = mostSharedBytes;
  setKernelLaunch(function, how);
  return function;
}

KernelLaunch KernelEmitter::describe() {
  KernelLaunch how;
  how.entry = entryOf(kernel).getEntry().str();
  how.headDims = {shape.K, shape.V};
  how.stage = itemsStage;
  how.kept = keptLaunch;
  how.threads = blockThreads();
  how.grid = {*parseExtent("H"), *parseExtent("N"),
              *parseExtent(hasSegments ? "G" : "1")};
  if (hasSegments)
    how.schedule =
        scheduleOf(kernel, how.entry, shape, blocksWanted(how.threads));
  return how;
}

/// Blocks that shall fit in one multiprocessor: what they leave of its
/// registers is a thread's.
int32_t KernelEmitter::blocksWanted(int64_t threads) {
  bool fitsTwice =
      2 * (mostSharedBytes + reservedSharedBytes) <= sharedBytesOfAll;
  return fitsTwice && threads * shape.columnsPerThread <= 256 ? 2 : 1;
}

void KernelEmitter::emitBody() { emitBlock(kernel.getBody().front()); }

/// Which sequence, head and segment; a packed sequence's rows follow from
/// cu_seqlens. A segment is from here on what a sequence is: so many rows.
void KernelEmitter::emitItem() {
  thread = NVVM::ThreadIdXOp::create(builder, code.place, code.i32());
  head = NVVM::BlockIdXOp::create(builder, code.place, code.i32());
  sequence = NVVM::BlockIdYOp::create(builder, code.place, code.i32());
  // The same in all lanes, and the compiler shall know it.
  warp = code.fromFirstLane(code.shiftRight(thread, 5));
  setWarp(warp);
  setLane(thread);

  Value packed = field(LaunchField::CuSeqlens);
  Value T = field(LaunchField::T);
  Values rows = code.choose(
      code.notNull(packed), [&]() -> Values { return packedRows(packed); },
      [&]() -> Values { return {code.mul(code.extend(sequence), T), T}; });
  firstRow = rows[0];
  // Known to be the same in all lanes, what is made of it takes no lane's
  // register.
  length = code.fromFirstLane(code.truncate(rows[1]));
  if (!hasSegments)
    return;
  segment = segmentOfBlock();
  lastSegment = lastSegmentOf(length);
  placeSegment();
}

int64_t KernelEmitter::blockThreads() const { return shape.threads(); }

Value KernelEmitter::ownStart() { return code.mul(group, groupTokens); }

void KernelEmitter::setWarp(Value newWarp) {
  warp = newWarp;
  group = code.bitAnd(warp, groupCount - 1);
  columnWarp = code.shiftRight(warp, 2);
}

void KernelEmitter::setLane(Value newThread) {
  thread = newThread;
  lane = code.bitAnd(thread, warpLanes - 1);
  selectColumn(0);
}

void KernelEmitter::selectColumn(int64_t index) {
  columnIndex = index;
  Value first = code.mul(columnWarp, shape.warpColumns());
  column = code.add(first, code.add(lane, index * warpLanes));
  channel = code.add(
      code.mul(columnWarp, shape.warpStep()),
      code.add(code.mul(lane, shape.laneStep()), index * shape.columnStep()));
  if (shape.pairs > 1)
    channel = code.bitAnd(channel, shape.K - 1);
}

/// Once for each of the thread's columns, which is the one at hand then.
void KernelEmitter::forColumns(llvm::function_ref<void()> body) {
  if (columnsAtHand() == 1)
    return body();
  auto cursor = std::tie(columnIndex, column, channel);
  std::tuple<int64_t, Value, Value> kept = cursor;
  for (int64_t index = 0; index < shape.columnsPerThread; ++index) {
    if (index != columnIndex)
      selectColumn(index);
    body();
  }
  cursor = kept;
}

Values KernelEmitter::perColumn(llvm::function_ref<Value()> make) {
  Values made;
  forColumns([&] { made.push_back(make()); });
  return made;
}

/// What a tile has for a token of the column at hand.
Value KernelEmitter::numberAt(const Tile &from, int64_t token) {
  auto count = static_cast<int64_t>(from.numbers.size());
  if (count < tokensPerThread)
    return ownOf(from.numbers);
  return from.numbers[count == tokensPerThread
                          ? token
                          : columnIndex * tokensPerThread + token];
}

/// The numbers of the column at hand.
Values KernelEmitter::ownNumbers(const Tile &from) {
  auto count = static_cast<int64_t>(from.numbers.size());
  if (count < tokensPerThread)
    return {ownOf(from.numbers)};
  if (count == tokensPerThread)
    return from.numbers;
  return Values(llvm::ArrayRef(from.numbers)
                    .slice(columnIndex * tokensPerThread, tokensPerThread));
}

/// Of one number per column, or one for all, that of the column at hand.
Value KernelEmitter::ownOf(const Values &perColumn) {
  if (perColumn.size() == 1)
    return perColumn.front();
  if (isSecond)
    return code.choose(isSecond, perColumn[1], perColumn[0]);
  return perColumn[columnIndex];
}

/// From here on a lane's addresses are computed anew: the xor with a zero from
/// memory hides that they were known. Registers are scarcer than additions.
void KernelEmitter::forgetLanes() {
  Value zero = code.loadShared(code.i32(), Value(), regions.zero);
  // The warp first: a lane's columns are its warp's.
  if (forgetsWarp()) {
    sameZero = code.fromFirstLane(zero);
    setWarp(code.bitXor(warp, sameZero));
    if (hasGradient && shape.columnsPerThread > 1)
      record = code.at(launch, sameZero);
  }
  setLane(code.bitXor(thread, zero));
}

Value KernelEmitter::field(LaunchField which) {
  int64_t offset = launchFieldOffset(which, kernel.getOperands().size());
  bool isPointer =
      which == LaunchField::CuSeqlens || which == LaunchField::Workspace;
  return code.load(isPointer ? code.pointer(1) : code.i64(),
                   code.at(record, offset));
}

llvm::StringRef KernelEmitter::shapeOf(int64_t operand) {
  return mlir::cast<mlir::DictionaryAttr>(kernel.getOperands()[operand])
      .getAs<mlir::StringAttr>("shape")
      .getValue();
}

Value KernelEmitter::dataOf(int64_t operand) {
  return code.load(code.pointer(1),
                   code.at(record, operand * launchOperandBytes));
}

Value KernelEmitter::strideOf(int64_t operand) {
  Value elements =
      code.load(code.i64(), code.at(record, operand * launchOperandBytes + 8));
  return code.mul(elements, code.wide(shape.elementBytes()));
}

mlir::Type KernelEmitter::elementType() {
  return shape.precision == Precision::bf16 ? code.i16() : code.f32();
}

Value KernelEmitter::fromElement(Value element) {
  return shape.precision == Precision::bf16 ? code.widen(element) : element;
}

Value KernelEmitter::toElement(Value number) {
  return shape.precision == Precision::bf16 ? code.narrow(number) : number;
}

Tile &KernelEmitter::tile(Value value) {
  assert(tiles.count(value) && "tiles are made in order");
  return tiles[value];
}

Values KernelEmitter::flat(mlir::ValueRange values) {
  Values numbers;
  for (Value value : values)
    llvm::append_range(numbers, tile(value).numbers);
  return numbers;
}

/// A tile in the layout that it was given, without numbers.
Tile KernelEmitter::assigned(Value value) {
  mlir::Attribute layout = tile::layoutOf(value);
  assert(layout && "assign-layouts gives all tiles a layout");
  // In the order of the forms.
  constexpr Tile::Kind kinds[] = {Tile::Kind::thread, Tile::Kind::columns,
                                  Tile::Kind::rows,   Tile::Kind::state,
                                  Tile::Kind::state,  Tile::Kind::state,
                                  Tile::Kind::layers, Tile::Kind::state};
  static_assert(std::size(kinds) == tile::formCount);
  Tile made;
  made.kind = kinds[static_cast<size_t>(*tile::formOf(layout))];
  return made;
}

/// Whether a tile has as many numbers as its layout says, or none yet: states
/// are loaded where they are used, rows are made where they are needed.
bool KernelEmitter::isAsAssigned(Value value) {
  auto found = tiles.find(value);
  if (found == tiles.end())
    return true;
  Tile wanted = assigned(value);
  const Tile &made = found->second;
  auto count = static_cast<int64_t>(made.numbers.size());
  bool isEmpty = made.kind == Tile::Kind::state && count == 0;
  int64_t numbers = tile::numbersOf(tile::layoutOf(value));
  return made.kind == wanted.kind &&
         (isEmpty || made.kind == Tile::Kind::rows || count == numbers ||
          (isSecond && count * shape.columnsPerThread == numbers));
}

void KernelEmitter::emitAt(mlir::Operation &op) {
  code.place = op.getLoc();
  if (canWait(&op))
    return waiting.push_back(&op);
  emitOperation(op);
  assert(llvm::all_of(op.getResults(),
                      [&](Value made) { return isAsAssigned(made); }) &&
         "operations make tiles in the layouts that they were given");
}

/// The same tiles, made of other numbers.
void KernelEmitter::bind(mlir::ValueRange values, mlir::ValueRange numbers) {
  for (Value value : values) {
    Tile &made = tiles[value];
    size_t count = made.numbers.size();
    made.numbers.assign(numbers.begin(), numbers.begin() + count);
    numbers = numbers.drop_front(count);
  }
}

void KernelEmitter::emitBlock(mlir::Block &block) {
  for (mlir::Operation &op : block) {
    emitAt(op);
    // What follows it was emitted with it.
    if (mlir::isa<chunk::RecurrenceGradientOp>(op))
      return;
  }
}

void KernelEmitter::emitOperation(mlir::Operation &op) {
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](chunk::SweepOp made) { emitSweep(made); })
      .Case([&](chunk::ReadOp made) { emitRead(made); })
      .Case([&](chunk::WriteOp made) { emitWrite(made); })
      .Case([&](chunk::PointwiseOp made) { emitPointwise(made); })
      .Case([&](chunk::IndexOp made) { emitIndex(made); })
      .Case([&](chunk::FillOp made) { emitFill(made); })
      .Case([&](chunk::SaveOp made) { emitSave(made); })
      .Case([](chunk::RestoreOp) {}) // first in its chunk
      .Case([&](chunk::AccumulateOp made) { emitAccumulate(made); })
      .Case([&](chunk::RecurrenceOp made) { emitRecurrence(made); })
      .Case([&](chunk::StateOp made) { emitState(made); })
      .Case([&](chunk::StateGradientOp made) { emitStateGradient(made); })
      .Case([&](chunk::ProductOp made) { emitProduct(made); })
      .Case([&](chunk::RecurrenceGradientOp made) {
        emitRecurrenceGradient(made);
      })
      .Case([&](chunk::ScanOp made) { emitScan(made); })
      .Case([&](chunk::ScanGradientOp made) { emitScanGradient(made); })
      .Case([&](chunk::SpreadOp made) { emitSpread(made); })
      .Case([&](chunk::SumOp made) { emitSum(made); })
      .Case([&](chunk::RepeatPairOp made) { emitRepeatPair(made); })
      .Case([&](chunk::CheckRangeOp made) { emitCheckRange(made); })
      .Case([&](chunk::AcrossLayersOp made) { emitAcrossLayers(made); })
      .Case([&](chunk::AcrossLayersGradientOp made) {
        emitAcrossLayersGradient(made);
      })
      .Case([&](chunk::AtLayerOp made) { emitAtLayer(made); })
      .Case([&](chunk::FromLayerOp made) { emitFromLayer(made); })
      .Case([&](chunk::RotateOp made) { emitRotate(made); })
      .Case<chunk::YieldOp>([](mlir::Operation *) {})
      .Default([](mlir::Operation *) {
        llvm_unreachable("an operation of the chunk dialect without code");
      });
}

/// Not where they are read: registers are scarce before.
void KernelEmitter::loadInitialStates(chunk::SweepOp op) {
  for (Value initial : op.getInitial())
    if (auto read = initial.getDefiningOp<chunk::ReadOp>();
        read && tile(initial).kind == Tile::Kind::state)
      tile(initial).numbers =
          stateBefore(read.getOperand(), op.getDescending());
  if (hasSegments)
    loadInitialCarries(op);
}

void KernelEmitter::planSweep(chunk::SweepOp op) {
  planStreams(op);
  planRegions(op);
  planNumbers(op);
  planRotation(op);
  rowsOut = rowsSaved(op);
  if (keepsColumns)
    keptColumns = columnsPlace();
}

void KernelEmitter::copyFirst() { hasGradient ? copyNext() : copyColumns(); }

/// The chunk's columns are here, and nobody is still at the last one.
void KernelEmitter::beginChunk() {
  code.barrier();
  forgetLanes();
  if (!hasGradient)
    copyRows(firstToken);
}

void KernelEmitter::emitSweep(chunk::SweepOp op) {
  bool isForLater =
      op.use_empty() &&
      llvm::any_of(op.getBody().front().getOps<chunk::SaveOp>(),
                   [&](chunk::SaveOp save) { return isOwn(save.getSlot()); });
  if (Value missing = isForLater ? isKeptMissing() : Value())
    return code.when(missing, [&] { emitSweepAlways(op); });
  emitSweepAlways(op);
}

void KernelEmitter::emitSweepAlways(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  auto gradients = body.getOps<chunk::RecurrenceGradientOp>();
  hasGradient = !gradients.empty();
  keepsColumns = hasGradient && keptColumnStreams(*gradients.begin()) > 0;
  sharedBytes = 0;
  planSweep(op);
  Value chunks = code.shiftRight(code.add(length, chunkTokens - 1), 6);
  loadInitialStates(op);
  // A sweep before this one may still be reading.
  code.barrier();
  code.when(code.equal(thread, 0),
            [&] { code.storeShared(code.integer(0), Value(), regions.zero); });
  nextToken = op.getDescending() ? code.shiftLeft(code.add(chunks, -1), 6)
                                 : code.integer(0);
  copyFirst();
  fetchNumbers(nextToken);
  keepNumbers(nextToken);
  for (auto [argument, initial] :
       llvm::zip(body.getArguments(), op.getInitial()))
    tiles[argument] = tile(initial);
  Values last = code.loop(chunks, flat(op.getInitial()),
                          [&](Value index, mlir::ValueRange carried) {
                            return emitChunk(op, index, chunks, carried);
                          });
  awaitRows();
  for (auto [result, initial, yielded] :
       llvm::zip(op.getResults(), op.getInitial(),
                 body.getTerminator()->getOperands())) {
    tiles[result] = tile(initial);
    tiles[result].isPartial = tile(yielded).isPartial;
  }
  bind(op.getResults(), last);
  for (Value result : op.getResults())
    if (tiles[result].isPartial)
      sumPartial(tiles[result]);
  streams.clear();
}

/// Whether an operation of the body asks for the next chunk's columns, when it
/// has read those at hand.
static bool asksForColumns(mlir::Block &body) {
  return llvm::any_of(body, [](mlir::Operation &op) {
    return mlir::isa<chunk::RecurrenceOp, chunk::StateOp,
                     chunk::StateGradientOp, chunk::RecurrenceGradientOp>(op);
  });
}

Values KernelEmitter::emitChunk(chunk::SweepOp op, Value index, Value chunks,
                                mlir::ValueRange carried) {
  mlir::Block &body = op.getBody().front();
  bind(body.getArguments(), carried);
  chunkIndex =
      op.getDescending() ? code.sub(code.add(chunks, -1), index) : index;
  firstToken = code.shiftLeft(chunkIndex, 6);
  nextToken =
      code.add(firstToken, op.getDescending() ? -chunkTokens : chunkTokens);
  tokens = code.sub(length, firstToken);
  code.waitCopies(0);
  awaitRows();
  auto outer = std::tie(thread, lane, warp, group, columnWarp, column, channel,
                        stage, record);
  std::tuple<Value, Value, Value, Value, Value, Value, Value, Value, Value>
      kept = outer;
  beginChunk();
  fetchEarly();
  // What comes from memory is on its way while activations are made.
  for (auto restore : body.getOps<chunk::RestoreOp>())
    emitRestore(restore);
  emitBlock(body);
  if (!asksForColumns(body)) {
    code.barrier();
    copyColumns();
  }
  keepNumbers(nextToken);
  endChunk();
  outer = kept;
  return flat(body.getTerminator()->getOperands());
}

} // namespace decay::cuda
