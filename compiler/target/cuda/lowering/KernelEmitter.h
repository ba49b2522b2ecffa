//===- KernelEmitter.h - One chunk.kernel as one GPU kernel ----*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LOWERING_KERNELEMITTER_H
#define DECAY_COMPILER_TARGET_CUDA_LOWERING_KERNELEMITTER_H

#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/target/cuda/Launches.h"
#include "compiler/target/cuda/lowering/BlockShape.h"
#include "compiler/target/cuda/lowering/Lanes.h"
#include "compiler/target/cuda/lowering/Tile.h"
#include "compiler/target/cuda/tile/TileDialect.h"

#include <optional>
#include <unordered_map>

namespace decay::cuda {

struct HashOfValue {
  size_t operator()(Value value) const { return mlir::hash_value(value); }
};

struct ScanRule;

/// Emits `@decay_<entry>_<K>_<V>` from a chunk.kernel with a sweep; each
/// construct has its file.
class KernelEmitter {
public:
  KernelEmitter(chunk::KernelOp kernel, BlockShape shape,
                mlir::OpBuilder &builder);

  mlir::LLVM::LLVMFuncOp emit();
  chunk::KernelOp source() const { return kernel; }
  /// What the kernel needs of the launch's workspace, the fault slot first.
  llvm::ArrayRef<WorkspacePart> workspaceParts() const { return workspace; }
  virtual ~KernelEmitter() = default;

protected:
  /// In the order of the launches of an entry.
  enum Stage : int64_t {
    scansStage,
    segmentsStage,
    itemsStage,
    correctionsStage,
    sumsStage
  };

  // What kernels of other shapes do their own way.
  virtual KernelLaunch describe();
  virtual llvm::StringRef suffix() const { return ""; } ///< of the name
  virtual int32_t blocksWanted(int64_t threads);
  virtual void emitItem();
  virtual Value segmentOfBlock();
  virtual void emitBody();
  virtual void planSweep(chunk::SweepOp op);
  virtual void copyFirst();
  virtual void beginChunk();
  /// Behind the chunk's last operation.
  virtual void endChunk() {}
  /// Asks for the next chunk's numbers, with all of the chunk to come in.
  virtual void fetchEarly() { fetchNumbers(nextToken); }
  virtual void sumPartial(Tile &partial) { sumGroups(partial); }
  virtual void emitOperation(mlir::Operation &op);
  virtual int64_t blockThreads() const;
  /// The first of the chunk's tokens that this thread has numbers of.
  virtual Value ownStart();

  /// An operand of the launch that a sweep reads chunk by chunk.
  struct Stream {
    int64_t operand;
    int64_t width;  ///< elements of a row
    int64_t shared; ///< its tile in shared memory
    /// Where a thread's pairs of the last quarter wait, or -1: in registers.
    int64_t lastQuarter = -1;
  };

  /// An operand with one number per token and head.
  struct NumberStream {
    int64_t operand;
    int64_t shared; ///< fp32 [2, 64]: of chunks in turn
    Value fetched;  ///< element of token `thread`, on its way
  };
  using LayerStep = llvm::function_ref<Value(Value layer, Value so)>;

  // KernelEmitter.cpp
  void emitBlock(mlir::Block &block);
  void emitSweep(chunk::SweepOp op);
  void emitSweepAlways(chunk::SweepOp op);
  void loadInitialStates(chunk::SweepOp op);
  void setWarp(Value newWarp);
  void setLane(Value newThread);
  void selectColumn(int64_t index);
  void forColumns(llvm::function_ref<void()> body);
  Values perColumn(llvm::function_ref<Value()> make);
  Value numberAt(const Tile &from, int64_t token);
  Values ownNumbers(const Tile &from);
  Value ownOf(const Values &perColumn);
  /// Those of a thread's columns that code at hand has numbers of.
  int64_t columnsAtHand() const {
    return isSecond ? 1 : shape.columnsPerThread;
  }
  void forgetLanes();
  /// Whether what a warp makes of its number is not kept either: it costs time
  /// where registers are not scarce.
  bool forgetsWarp() const { return hasGradient || keptLaunch.value_or(false); }
  Value field(LaunchField field);
  llvm::StringRef shapeOf(int64_t operand);
  Value dataOf(int64_t operand);
  /// Bytes between the rows of an operand with tokens, i64.
  Value strideOf(int64_t operand);
  /// An element of an operand with tokens, in memory and as a number.
  mlir::Type elementType();
  Value fromElement(Value element);
  Value toElement(Value number);
  /// Takes `bytes` of shared memory until the sweep's end.
  int64_t reserve(int64_t bytes);
  void planRegions(chunk::SweepOp op);
  void planOverColumns(chunk::SweepOp op);
  void planLastQuarters();
  Values emitChunk(chunk::SweepOp op, Value index, Value chunks,
                   mlir::ValueRange carried);
  Tile &tile(Value value);
  Tile assigned(Value value);
  bool isAsAssigned(Value value);
  void emitAt(mlir::Operation &op);
  Values flat(mlir::ValueRange tiles);
  void bind(mlir::ValueRange tiles, mlir::ValueRange numbers);

  // Copies.cpp
  void planStreams(chunk::SweepOp op);
  void copyChunk(const Stream &stream, Value firstToken);
  void copyColumns();
  void copyRows(Value firstToken);
  void copyNext(); ///< columns and rows of the next chunk, if there is one
  void emitRead(chunk::ReadOp op);
  void readColumns(chunk::ReadOp op, Tile &made);
  Values readNumbers(chunk::ReadOp op);
  const Stream &streamOf(chunk::ReadOp op);
  void emitWrite(chunk::WriteOp op);
  Values loadState(int64_t operand);
  virtual Values loadStateAt(Value data);
  void storeState(const Values &state, int64_t operand);
  Value stateOf(Value data);
  virtual void storeStateAt(const Values &state, Value data);
  Value stateOffset(int64_t tileRow, int64_t tileColumn, int64_t half);
  // This warp's part of the state: rows by tiles, columns by tiles of eight.
  Value statePlace(int64_t tileRow, int64_t half);
  virtual Value stateRow(int64_t tileRow, int64_t half);
  virtual Value firstStateColumn();
  virtual int64_t stateTileRows() const { return shape.stateTileRows(); }
  virtual int64_t stateTiles() const { return shape.stateTiles(); }
  int64_t stateNumbers() const { return stateTileRows() * stateTiles() * 4; }
  Value itemOfSequence();
  Value numberPlace(int64_t operand, Value layer);

  // Workspace.cpp
  void planWorkspace();
  Value extentOf(const Extent &extent);
  Value workspacePart(llvm::StringRef name);
  void emitAccumulate(chunk::AccumulateOp op);
  void emitFill(chunk::FillOp op);
  void sumGroups(Tile &partial);
  int64_t keptColumnStreams(chunk::RecurrenceGradientOp op) const;
  int64_t columnPairBytes() const;
  Value columnsPlace();
  void keepPairs(const Values &pairs, int64_t stream);
  void loadPairs(mlir::Block &body);

  // SavedStates.cpp
  void planSavedStates();
  int64_t savedBytes(chunk::TileType type) const;
  Value keptData(std::optional<uint64_t> operand);
  Value isKeptMissing();
  void whenSaving(chunk::SaveOp op, llvm::function_ref<void()> save);
  struct Saved {
    uint64_t slot;
    std::optional<uint64_t> kept; ///< operand of callers
    chunk::TileType type;
  };
  bool isOwn(uint64_t slot) const;
  Value savedPlace(const Saved &saved, Value chunk);
  Value keptRow(Value row);
  /// Whether saved states leave, and whether this launch reads them again.
  enum class RowsOut { none, forCallers, forLaunch };
  RowsOut rowsSaved(chunk::SweepOp op);
  void awaitRows();
  void saveRows(Value state);
  Value carriedPlace(Value place, bool perChannel);
  void emitSave(chunk::SaveOp op);
  void emitRestore(chunk::RestoreOp op);
  void copySavedRows(Value restored);

  // Columns.cpp
  void emitPointwise(chunk::PointwiseOp op);
  Value bothHalves(Value low, Value high);
  Values columnPairs(const Stream &stream);
  Values loadColumns(const Stream &stream);
  /// `zero`: what hides that this was done before, or null.
  void unpackPair(Tile &made, int64_t pair, Value word, Value zero = {});
  void keepLastQuarter(const Stream &stream, const Values &pairs);
  Values lastQuarter(const Stream &stream);
  void storeColumns(const Tile &from, int64_t operand);
  /// Stores a token's numbers; no condition: always.
  using StoreAt =
      llvm::function_ref<void(int64_t token, Value place, Value condition)>;
  void overRows(int64_t operand, StoreAt storeAt);
  void storeRow(const Tile &from, int64_t token, bool perChannel, Value place,
                Value condition);
  Value isValid(int64_t token);
  Value isWhole();
  void emitIndex(chunk::IndexOp op);

  // ValueRows.cpp
  static bool worksOnRows(mlir::Operation *op);
  /// In 16 bytes of a row.
  int64_t rowPieceNumbers() const;
  virtual Values loadPiece(int64_t region, Value row, Value piece);
  virtual Values unpackPiece(Value words);
  virtual Value packPiece(const Values &numbers);
  virtual void storePiece(const Values &numbers, int64_t region, Value row,
                          Value piece);
  Value rowPiecePlace(int64_t operand, Value row, Value piece);
  Values rawPiece(int64_t operand, Value row, Value piece);
  Values pieceOf(Value rows, Value row, Value piece);
  void overPieces(llvm::function_ref<void(Value row, Value piece)> body);
  int64_t shareTokens(const Values &numbers);
  virtual void emitRowsPointwise(chunk::PointwiseOp op);
  bool makeRowsInPlace(Value rows);
  void emitRowsSum(chunk::SumOp op);
  void writeRows(chunk::WriteOp op);
  static bool followsFrom(Value rows);
  void emitRowsTail(chunk::RecurrenceGradientOp op);

  // Tokens.cpp
  void planNumbers(chunk::SweepOp op);
  void fetchNumbers(Value first);
  void keepNumbers(Value first);
  Values loadNumbers(int64_t operand);
  Value apply(llvm::StringRef name, mlir::ValueRange operands);
  void emitSpread(chunk::SpreadOp op);
  Values spreadNumber(Value plain, Value exact);

  // Scans.cpp
  /// log Σ exp as largest + log(1 + rest).
  struct LogSum {
    Value largest, rest;
  };
  /// Of a sum what it was before its last term, and what that is: together 1.
  struct Shares {
    Value ofSum, ofTerm;
  };
  LogSum startOf(Value carry);
  LogSum addExponential(const LogSum &so, Value term, Shares *shares = nullptr);
  Value shortLogOf(const LogSum &so);
  Value logOf(const LogSum &so);
  int64_t groupRegion(mlir::Operation *op, size_t count);
  void storeGroups(const Values &numbers, mlir::Operation *op);
  llvm::SmallVector<Values> loadGroups(size_t count, mlir::Operation *op);
  Value hasTokens(Value ofGroup);
  Value scanTotal(const ScanRule &rule, const Values &terms);
  std::pair<Value, Value> scanStart(const ScanRule &rule, Value carry,
                                    const Values &totals);
  std::pair<LogSum, Value> logSumStart(Value carry, const Values &totals);
  /// What a carry comes to behind tokens that come to `total`.
  Value scanBehind(chunk::ScanOp op, Value carry, Value total);
  /// What the gradient of the carry behind tokens is in front of them.
  Value gradientInFront(chunk::ScanGradientOp op, Value gradient, Value before,
                        Value behind);
  /// The scan over the range's tokens, from z in front of them.
  void runScan(chunk::ScanOp op, const Values &terms, Value z);
  void emitScan(chunk::ScanOp op);
  void scanAgain(chunk::ScanOp op);
  void noteScanWeights(chunk::ScanGradientOp op);
  Value passGradient(chunk::ScanGradientOp op, int64_t token, Value behind,
                     Value a, Value exclusive, Value own);
  Value walkBack(chunk::ScanGradientOp op, Value g, Values *terms);
  Value passedShare(chunk::ScanGradientOp op);
  void emitScanGradient(chunk::ScanGradientOp op);

  // ScanShares.cpp
  bool takesSharesAlone(chunk::ScanOp op);
  void runShares(chunk::ScanOp op, const Values &terms, const LogSum &before);
  bool keepsShares(chunk::ScanOp op);
  void keepShares(chunk::ScanOp op);
  void maskShares(chunk::ScanOp op);
  bool isMasked(Value lambda);
  void sharesAgain(chunk::ScanOp op);

  // Segments.cpp
  /// A part of the workspace that has a row for each joint of an item.
  Value jointPlace(llvm::StringRef part, Value joint, int64_t bytes);
  Values stateBefore(int64_t operand, bool descending);
  Value writesFinal(chunk::WriteOp op);
  Value inSequence(Value token);
  Value lastSegmentOf(Value length);
  void placeSegment();
  void emitStateGradient(chunk::StateGradientOp op);
  void emitProduct(chunk::ProductOp op);

  // ScanSegments.cpp
  Value scanTotalPlace(size_t scan, Value joint);
  virtual void loadInitialCarries(chunk::SweepOp op);
  Values carryInFront(chunk::ScanOp op, size_t scan, const Values &start);
  void planScansAlone(chunk::SweepOp op);

  // ScanCorrections.cpp
  Value carryGradientPlace(size_t scan, Value ofSegment);
  void keepCarryGradient(chunk::WriteOp op);

  // Sums.cpp
  Values exchangeColumns(const Values &numbers, Value apart, bool isLate);
  Value sumOf(const Values &numbers);
  Value sumOfThreads(Value number);
  Values countedOnce(const Values &numbers, chunk::TileType type);
  void addOtherHalf(Values &numbers);
  void emitSum(chunk::SumOp op);
  void emitRepeatPair(chunk::RepeatPairOp op);

  // Faults.cpp
  /// What a fault slot is told.
  struct Fault {
    int64_t status; ///< of the package ABI
    Value sequence, token, channel, number;
  };
  void writeFault(const Fault &fault);
  void reportFault(const Fault &fault);
  Values packedRows(Value ends);
  void emitCheckRange(chunk::CheckRangeOp op);
  void checkColumn(const Values &numbers, chunk::TileType type);

  // Layers.cpp
  Value numberOf(const Tile &of, Value layer);
  Tile layersOf(std::function<Value(Value)> atLayer);
  Values columnsOf(Value of, llvm::function_ref<Value()> make);
  Value overLayers(Value initial, Value count, LayerStep step);
  Value overLayers(Value initial, LayerStep step);
  Value layerCount();
  void emitLayersRead(chunk::ReadOp op);
  void emitLayersWrite(chunk::WriteOp op);
  void emitLayersPointwise(chunk::PointwiseOp op);
  void emitAcrossLayers(chunk::AcrossLayersOp op);
  void emitAcrossLayersGradient(chunk::AcrossLayersGradientOp op);
  void emitAtLayer(chunk::AtLayerOp op);
  void emitFromLayer(chunk::FromLayerOp op);

  // Rotation.cpp
  Value frequencyOf(Value channel, int64_t count);
  void planRotation(chunk::SweepOp op);
  std::pair<Values, Values> turns(Value quarter, Value backwards, bool isLate);
  Values turned(const Values &numbers, const Values &others, Value quarter,
                Value backwards, bool isLate);
  std::pair<Value, Value> firstTurn();
  llvm::ArrayRef<std::pair<Value, Value>> turnsOfRange(bool adjoint);
  void rotateInThread(const Values &numbers, bool adjoint, Values &made);
  Values rotateHalves(const Values &numbers, bool adjoint);
  Values rotatePairs(const Values &numbers, bool adjoint);
  void emitRotate(chunk::RotateOp op);

  // Tree.cpp
  struct Tree {
    Values query;                 ///< q ∘ pre of this thread's 16 tokens
    Values key;                   ///< k ∘ suf
    Values quarters;              ///< products of λ over four tokens
    Values totals;                ///< of all four groups
    Value before, behind, factor; ///< of the chunk's ends and of level 32
    Value isRight, isUpper;
  };
  using Trees = llvm::SmallVector<Tree, 2>; ///< one per column
  void emitRecurrence(chunk::RecurrenceOp op);
  void emitState(chunk::StateOp op);
  Values advanceState(Value rows, Value decay, Value state, Value right,
                      bool toEnd);
  bool canWait(mlir::Operation *op);
  void hideInputs();
  void emitWaiting(int64_t ofColumn);
  Trees startTrees(Value q, Value k, Value decay);
  void finishTrees(Trees &trees);
  Values masked(const Values &numbers, float otherwise);
  void maskColumns(Values &query, Values &key, Values &lambda);
  void shareTotal(Value total);
  void loadTotals(Tree &tree);
  void storeChunkTotal(const Tree &tree);
  void storeCore(llvm::ArrayRef<Value> numbers, int64_t region);
  Tree startTree(const Values &query, const Values &key, const Values &lambda);
  void storeDiagonal(const Values &query, const Values &key);
  void finishTree(Tree &tree);

  // Products.cpp
  Value coreOffset(Value group, bool tokensAreRows);
  virtual Value rowOffset(Value row, Value piece, int64_t width);
  /// Where 16 bytes of a row of the operand go.
  virtual Value placeOfPiece(const Stream &, Value piece) { return piece; }
  virtual int64_t rowBytes(int64_t width) const;
  void overJobs(int64_t first, int64_t count,
                llvm::function_ref<void(Value job)> emit);
  void multiplyLevels();
  Value diagonalSum(Value token);
  std::pair<Sums, Sums> multiplyTwoLevels(Value offset);
  void multiplyHalves(int64_t firstJob);
  Values packedState(const Values &state);
  void storeStateRows(const Values &words,
                      llvm::function_ref<Value(Value row)> place = nullptr);
  Value stateRowsOffset(int64_t tileRow, int64_t tile,
                        llvm::function_ref<Value(Value row)> place);
  Value rowInTile();
  void storeOutput(const Fragments &output, int64_t operand, int64_t region);
  void storeOutputRows(const Fragments &output, int64_t region);
  std::optional<int64_t> outputOperand(Value o);

  // GroupProducts.cpp
  Value panelOffset(Value row, Value piece, int64_t rows);
  struct FactorLayout {
    int64_t leading = 0, stride = 0; ///< bytes, as the manual means them
    bool isSwizzled = false, isAcross = false;
    int64_t stepBytes = 0;
  };
  GroupFactor factorAt(Value offset, int64_t region,
                       const FactorLayout &layout);
  GroupFactor alongRows(int64_t region, Value first, int64_t rows);
  GroupFactor acrossRows(int64_t region, Value first, int64_t rows);
  GroupFactor tokensOfCores(int64_t region);
  GroupFactor columnsOfCores(int64_t region, int64_t first);
  void barrierBeforeProducts();
  void clearUpperWeights();
  static Sums unflatten(mlir::ValueRange list);
  Values multiplyWeights(const Tile &v, bool transposed);
  Values addFromState(const Values &sums, int64_t queries);
  Values multiplyByState(const Tile &rows);
  Values decayedState(const Values &state);
  Values beginNextState(const Values &before, int64_t keys, const Tile &v);

  // Gradient.cpp
  void emitRecurrenceGradient(chunk::RecurrenceGradientOp op);
  Fragments multiplyPairs(const Tile &output, const Tile &v,
                          const Values &gradient);
  std::pair<Fragments, Fragments>
  multiplyGradients(chunk::RecurrenceGradientOp op);
  void emitColumnGradients(const Trees &forward,
                           chunk::RecurrenceGradientOp op);
  enum class Tail { beforeLambda, withLambda, behindScan, all };
  using TailOperations = std::vector<std::pair<mlir::Operation *, Tail>>;
  static TailOperations tailOf(chunk::RecurrenceGradientOp op);
  void emitTail(chunk::RecurrenceGradientOp op, Tail part);
  bool worksByQuarters(chunk::RecurrenceGradientOp op);
  void setRange(int64_t first, int64_t count);
  void overQuarters(llvm::function_ref<void(int64_t quarter)> body,
                    llvm::function_ref<void()> before = nullptr,
                    llvm::function_ref<void()> behind = nullptr);
  void storeSymmetric(const Sums &sums, Value i, Value j);
  void storeDiagonalBlock(const Sums &sums, Value i);
  Values multiplyWeightGradient(const Tile &output, const Tile &v);
  void storeWeightGradient(const Sums &sums);
  void multiplyLevelGradients();
  void multiplyHalfGradients();
  void storeCores(const Fragments &fragments, int64_t region);
  void shareStateProducts(const Values &gradient);

  // ColumnLoop.cpp
  bool takesColumnsInTurn(chunk::RecurrenceGradientOp op);
  void emitColumnsInTurn(const Trees &forward, chunk::RecurrenceGradientOp op);
  void inTurn(chunk::RecurrenceGradientOp op, llvm::ArrayRef<Tail> parts,
              llvm::function_ref<void()> body);
  void selectInTurn(Value index);
  Values keptForLambda(chunk::RecurrenceGradientOp op);
  void keepForLambda(const Values &kept, bool isBack);
  void storeInTurn(const Tile &from, int64_t operand);

  // TreeGradient.cpp
  /// What the quarters of a group (four tokens each) leave for its totals.
  struct TotalGradients {
    Value before, behind, factorOfQuery, factorOfKey;
    std::array<Value, 4> quarters; ///< of the quarters' products
    std::array<Value, 2> halves;   ///< of those of two quarters
  };
  using AllTotals = llvm::SmallVector<TotalGradients, 2>; ///< one per column
  TotalGradients noTotals();
  /// Four tokens on their way up the levels 1, 2, 4 and 8.
  struct QuarterTree {
    std::array<Values, 4> operands; ///< at each level
    Values query, key;              ///< above them
    Values lambda, pairs;           ///< and the products of two
  };
  Values lambdaAgain(chunk::RecurrenceGradientOp op);
  Value halfTotal(const Tree &tree, int64_t half);
  QuarterTree climbQuarter(const Tree &tree, int64_t quarter,
                           chunk::RecurrenceGradientOp op);
  Value corePlace(int64_t &region, int64_t quarter);
  Values loadCore(int64_t region);
  Value &gradientAt(Value of, int64_t token);
  void storeTwo(int64_t region, Value first, Value second);
  void stashTotals(int64_t quarter, const TotalGradients &totals);
  void unstashTotals(int64_t quarter, TotalGradients &totals);
  void stashLambda(chunk::RecurrenceGradientOp op);
  void unstashLambda(chunk::RecurrenceGradientOp op);
  void adjointQuarter(const Tree &tree, int64_t quarter, TotalGradients &totals,
                      chunk::RecurrenceGradientOp op);
  Value groupPlace(Value ofGroup);
  void shareTotalGradients(const Tree &tree, const TotalGradients &totals);
  Value ownTotalGradient(const Tree &tree);
  void finishLambda(const Tree &tree, int64_t quarter, Value own,
                    const TotalGradients &totals,
                    chunk::RecurrenceGradientOp op);
  void makeColumnsAgain(mlir::Operation *until);
  Values sumColumns(const Values &numbers);

  chunk::KernelOp kernel;
  BlockShape shape;
  mlir::OpBuilder &builder;
  Lanes code;
  mlir::LLVM::LLVMFuncOp function;
  /// A node-based map: references stay while tiles are made.
  std::unordered_map<Value, Tile, HashOfValue> tiles;
  int64_t sharedBytes = 0, mostSharedBytes = 0;

  /// Whether callers may give what sweeps save a place that outlives the
  /// launch; and as KernelLaunch::kept.
  bool keepsStates = false;
  std::optional<bool> keptLaunch;
  /// Whether an item is a segment of a sequence; else it is a whole one.
  bool hasSegments = false;

  // The item, and who this thread is.
  Value launch, head, sequence, firstRow /*i64*/, length;
  /// launch, as each phase of backward finds it again: what is read of it is
  /// not kept.
  Value record;
  Value segment, segmentStart; ///< none where sequences are whole
  /// Of the sequence that has tokens, or the first; known before the sweeps.
  Value lastSegment;
  Value thread, lane, warp, group, columnWarp;
  /// Of the column at hand: its place in shared memory, and its channel.
  Value column, channel;
  int64_t columnIndex = 0; ///< which of the thread's columns that is
  /// In a loop over the two columns: whether the second is at hand. Tiles made
  /// there have numbers of that one alone.
  Value isSecond;
  Value halfAtHand;        ///< of a pair of channels, as Lanes::unpack takes it
  int64_t turnsStored = 0; ///< places taken by storeInTurn
  llvm::DenseMap<mlir::Operation *, Values> scanStarts; ///< of all quarters
  int64_t tokensPerThread = groupTokens;

  static constexpr llvm::StringLiteral columnsPart = "columns";
  std::vector<WorkspacePart> workspace;

  // Inside a sweep.
  std::vector<Stream> streams;
  Value keptColumns;        ///< this thread's part of `columnsPart`
  Value firstToken, tokens; ///< of the chunk at hand, and how many it has
  Value nextToken;          ///< of the chunk that comes after it
  /// Bytes to the place of the chunk's rows, where there are two; else none.
  Value stage;
  Value chunkIndex;
  bool hasGradient = false, keepsColumns = false;
  RowsOut rowsOut = RowsOut::none; ///< of states that it saves
  /// The tokens of the group that are being worked on, and the only column.
  int64_t firstOfRange = 0, endOfRange = groupTokens;
  std::optional<int64_t> onlyColumn;
  llvm::DenseMap<mlir::Operation *, Values> scanWeights; ///< by quarters
  /// As scans leave them: prev(z)'s share of z, and that of the token's term.
  llvm::DenseMap<mlir::Operation *, std::array<Tile, 2>> scanShares;
  /// What is made when the recurrence is (Tree.cpp).
  llvm::SmallVector<mlir::Operation *> waiting;
  std::vector<NumberStream> numberStreams;
  bool secondExchange = false; ///< which half of the place is next
  /// Where groups share what they scanned.
  llvm::DenseMap<mlir::Operation *, int64_t> groupNumbers;
  // Of this thread's channels: θ in fp64, its cos and sin.
  Values frequencies;
  llvm::SmallVector<std::pair<Value, Value>> steps;
  Value turnsFrom; ///< the first token of the chunk that `turn` is for
  std::pair<Value, Value> turn;
  std::tuple<Value, int64_t, bool, bool> rangeKey; ///< of `rangeTurns`
  llvm::SmallVector<std::pair<Value, Value>> rangeTurns;
  /// In the adjoint of the tree, which fills the cache for instructions: there
  /// whole chunks have no code of their own.
  bool isBehindRecurrence = false;
  Value hiddenZero; ///< of the quarter at hand
  Value sameZero;   ///< of the phase, the same in all lanes

  // Regions of shared memory that the recurrence uses.
  struct Regions {
    int64_t levels = 0;     ///< scaled operands of levels 1, 2, 4, 8
    int64_t wide = 0;       ///< of levels 16 and 32
    int64_t queries = 0;    ///< q to the chunk's start
    int64_t keys = 0;       ///< k to the chunk's end
    int64_t state = 0;      ///< bf16 rows of the state
    int64_t weights = 0;    ///< A, bf16 [64, 64]
    int64_t totals = 0;     ///< fp32 [4, columns]
    int64_t chunkTotal = 0; ///< fp32 [columns]
    int64_t zero = 0;       ///< 0, which the compilers do not know
    int64_t diagonal = 0;   ///< fp32 [columnWarps, 64]
    // Backward alone.
    int64_t weightGradient = 0;   ///< dA, symmetric, bf16 [64, 64]
    int64_t diagonalGradient = 0; ///< fp32 [64]
    int64_t stateProducts = 0;    ///< Σ_v S ∘ dS, fp32 [4, columns]
    int64_t turns = 0; ///< of each thread, cos and sin, where it has a pair
  } regions;
};

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LOWERING_KERNELEMITTER_H
