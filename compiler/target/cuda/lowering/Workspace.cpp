//===- Workspace.cpp - Memory of a launch, and sums over tokens -----------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"
#include "compiler/target/cuda/lowering/Segments.h"

namespace decay::cuda {

using ir::Axis;

void KernelEmitter::planWorkspace() {
  workspace = {{"fault", *parseExtent("1"), faultSlotBytes}};
  planSavedStates();
  kernel.walk([&](chunk::RecurrenceGradientOp op) {
    if (shape.precision == Precision::fp32)
      return;
    workspace.push_back(
        {columnsPart.str(), *parseExtent(hasSegments ? "N H G" : "N H"),
         keptColumnStreams(op) * columnPairBytes() * shape.threads()});
  });
  for (auto operand : kernel.getOperands().getAsRange<mlir::DictionaryAttr>()) {
    if (!operand.get("reduce"))
      continue;
    llvm::StringRef axes = operand.getAs<mlir::StringAttr>("shape").getValue();
    std::string items = axes.contains('H') ? "N " : "N H ";
    if (hasSegments)
      items += "G ";
    workspace.push_back({operand.getAs<mlir::StringAttr>("name").str(),
                         *parseExtent(items + axes.str()), floatBytes});
  }
  if (hasSegments)
    llvm::append_range(workspace, segmentParts(kernel, shape));
}

/// Streams whose columns are kept, as below: none where there is but one λ for
/// all channels, or where two columns a thread have registers enough.
int64_t KernelEmitter::keptColumnStreams(chunk::RecurrenceGradientOp op) const {
  auto lambda = mlir::cast<chunk::TileType>(op.getLambda().getType());
  if (shape.columnsPerThread > 1 || !lambda.has(Axis::Channel))
    return 0;
  auto reads = op->getBlock()->getOps<chunk::ReadOp>();
  return llvm::count_if(reads, [](chunk::ReadOp read) {
    chunk::TileType type = read.getType();
    return type.has(Axis::Token) && type.has(Axis::Channel);
  });
}

/// Of one stream's columns, in a thread.
int64_t KernelEmitter::columnPairBytes() const {
  return groupTokens * shape.columnsPerThread * bfloatBytes;
}

/// Where this thread keeps its part of a chunk's raw columns while the matrix
/// products need its registers: the second-level cache has them again sooner
/// than local memory would, and they are asked for in time.
Value KernelEmitter::columnsPlace() {
  Value item = itemOfSequence();
  if (hasSegments)
    item = code.add(code.mul(item, code.truncate(field(LaunchField::Segments))),
                    segment);
  auto part = llvm::find_if(workspace, [](const WorkspacePart &candidate) {
    return candidate.name == columnsPart;
  });
  Value offset =
      code.add(code.mul(code.extend(item), code.wide(part->bytesPerElement)),
               code.extend(code.mul(thread, 16)));
  return code.at(workspacePart(columnsPart), offset);
}

void KernelEmitter::keepPairs(const Values &pairs, int64_t stream) {
  int64_t start = stream * columnPairBytes() * shape.threads();
  for (size_t first = 0; first < pairs.size(); first += 4) {
    Value words = code.join(llvm::ArrayRef(pairs).slice(first, 4));
    int64_t place = start + static_cast<int64_t>(first) * 4 * shape.threads();
    code.store(words, code.at(keptColumns, place));
  }
}

/// What keepPairs kept of all streams.
void KernelEmitter::loadPairs(mlir::Block &body) {
  int64_t start = 0;
  for (auto read : body.getOps<chunk::ReadOp>()) {
    Tile &made = tile(read.getResult());
    for (size_t first = 0; first < made.pairs.size(); first += 4) {
      int64_t place = start + static_cast<int64_t>(first) * 4 * shape.threads();
      Value words =
          code.load(code.vector(4, code.i32()), code.at(keptColumns, place));
      llvm::copy(code.split(words), made.pairs.begin() + first);
    }
    if (!made.pairs.empty())
      start += columnPairBytes() * shape.threads();
  }
}

/// The number that an extent is in this launch, i64.
Value KernelEmitter::extentOf(const Extent &extent) {
  auto product = [&](const Product &terms) {
    Value made = code.wide(terms.number);
    for (size_t axis = 0; axis < extentAxes.size(); ++axis)
      for (int power = 0; power < terms.powers[axis]; ++power) {
        Value size;
        if (extentAxes[axis] == 'S') {
          Value slots = code.divide(
              code.mul(field(LaunchField::B), field(LaunchField::T)),
              code.wide(slotTokens));
          size = code.add(slots, field(LaunchField::N));
        } else if (extentAxes[axis] == 'J') {
          size = code.add(field(LaunchField::Segments), code.wide(-1));
        } else {
          static constexpr std::pair<char, LaunchField> fields[] = {
              {'B', LaunchField::B},      {'T', LaunchField::T},
              {'H', LaunchField::H},      {'K', LaunchField::K},
              {'V', LaunchField::V},      {'N', LaunchField::N},
              {'L', LaunchField::Layers}, {'G', LaunchField::Segments}};
          for (auto [letter, which] : fields)
            if (letter == extentAxes[axis])
              size = field(which);
        }
        made = code.mul(made, size);
      }
    return made;
  };
  Value outer = product(extent.outer);
  Value inner = code.add(product(extent.inner), code.wide(extent.divisor - 1));
  return code.mul(outer, code.divide(inner, code.wide(extent.divisor)));
}

/// The start of a part of the workspace.
Value KernelEmitter::workspacePart(llvm::StringRef name) {
  Value offset = code.wide(0);
  for (const WorkspacePart &part : workspace) {
    if (part.name == name)
      return code.at(field(LaunchField::Workspace), offset);
    Value bytes =
        code.mul(extentOf(part.elements), code.wide(part.bytesPerElement));
    Value units =
        code.divide(code.add(bytes, code.wide(workspaceAlignment - 1)),
                    code.wide(workspaceAlignment));
    offset = code.add(offset, code.mul(units, code.wide(workspaceAlignment)));
  }
  llvm_unreachable("parts are planned before they are used");
}

void KernelEmitter::emitFill(chunk::FillOp op) {
  auto type = mlir::cast<chunk::TileType>(op.getResult().getType());
  Tile made = assigned(op.getResult());
  bool isState = made.kind == Tile::Kind::state;
  int64_t columns = type.has(Axis::Channel) ? shape.columnsPerThread : 1;
  made.numbers.assign(isState ? shape.stateNumbers() : columns, code.number(0));
  tiles[op.getResult()] = made;
}

/// Each group adds up its own tokens; the groups meet behind the sweep.
void KernelEmitter::emitAccumulate(chunk::AccumulateOp op) {
  // A group's later tokens add to what its first ones left.
  bool isFirst = firstOfRange == 0 && onlyColumn.value_or(0) == 0 && !isSecond;
  Tile made = tile(isFirst ? op.getAccumulator() : Value(op.getResult()));
  int64_t kept = columnIndex;
  for (auto [index, sum] : llvm::enumerate(made.numbers)) {
    columnIndex = static_cast<int64_t>(index);
    if (onlyColumn && *onlyColumn != columnIndex)
      continue;
    Values numbers = masked(ownNumbers(tile(op.getTile())), 0);
    numbers = Values(
        llvm::ArrayRef(numbers).slice(firstOfRange, endOfRange - firstOfRange));
    while (numbers.size() > 1) {
      Values sums;
      for (size_t each = 0; each < numbers.size(); each += 2)
        sums.push_back(code.fadd(numbers[each], numbers[each + 1]));
      numbers = sums;
    }
    Value more = code.fadd(sum, numbers.front());
    // What both columns share is counted with the first.
    bool isShared = isSecond && !op.getType().has(Axis::Channel);
    sum = isShared ? code.choose(isSecond, sum, more) : more;
  }
  columnIndex = kept;
  made.isPartial = true;
  tiles[op.getResult()] = made;
}

void KernelEmitter::sumGroups(Tile &partial) {
  code.barrier();
  forColumns([&] { shareTotal(ownOf(partial.numbers)); });
  code.barrier();
  Values sums = perColumn([&] {
    Value sum;
    for (int64_t other = 0; other < groupCount; ++other) {
      Value part = code.loadShared(code.f32(), code.shiftLeft(column, 2),
                                   regions.totals +
                                       other * shape.columns() * floatBytes);
      sum = sum ? code.fadd(sum, part) : part;
    }
    return sum;
  });
  sums.resize(partial.numbers.size());
  partial.numbers = sums;
  partial.isPartial = false;
}

} // namespace decay::cuda
