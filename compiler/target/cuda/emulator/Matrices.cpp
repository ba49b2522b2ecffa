//===- Matrices.cpp - ldmatrix, stmatrix, mma.sync ------------------------===//
#include "compiler/target/cuda/emulator/Elementwise.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace decay::cuda::emulator {
namespace {

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

/// 8 rows of 8 elements of 16 bits.
using Tile = uint16_t[8][8];

/// Where the two elements of a lane's register are.
struct Pair {
  unsigned row[2], column[2];
};
Pair pairOf(unsigned lane, bool transposed) {
  const unsigned g = lane / 4, c = lane % 4 * 2;
  return transposed ? Pair{{c, c + 1}, {g, g}} : Pair{{g, g}, {c, c + 1}};
}

/// The immediate: whether tiles are transposed. access.parts: how many.
struct MatrixRows {
  MatrixRows(Machine &machine, const Instruction &instruction, Slot pointer)
      : machine(machine), instruction(instruction),
        pointers(machine.lanes<uint32_t>(pointer)) {}

  /// The row that a lane points to; null after a fault.
  char *row(unsigned warp, unsigned tile, unsigned row,
            Machine::Direction direction) {
    const unsigned lane = tile * 8 + row, t = warp * 32 + lane;
    const uint32_t offset = pointers[t];
    touched.offsets[lane] = offset;
    touched.shared |= uint32_t(1) << lane;
    if (!machine.isAligned(instruction, t, offset, 16))
      return nullptr;
    return machine.accessShared(instruction, t, offset, direction);
  }
  void finish(unsigned warp) {
    machine.account(instruction, touched);
    touched.shared = 0;
    machine.ordering().syncWarp(warp);
  }

private:
  Machine &machine;
  const Instruction &instruction;
  const uint32_t *pointers;
  WarpAccess touched;
};

void loadMatrix(Machine &machine, const Instruction &instruction) {
  const unsigned tiles = instruction.access.parts;
  MatrixRows rows(machine, instruction, machine.slot(instruction, tiles));
  machine.forWholeWarps(instruction, [&](unsigned warp) {
    for (unsigned m = 0; m < tiles; ++m) {
      Tile tile;
      std::memset(tile, 0xff, sizeof tile);
      for (unsigned r = 0; r < 8; ++r)
        if (char *row = rows.row(warp, m, r, Machine::Direction::read))
          std::memcpy(tile[r], row, 16);
      uint32_t *result = machine.lanes<uint32_t>(instruction, m) + warp * 32;
      for (unsigned lane = 0; lane < 32; ++lane) {
        const Pair at = pairOf(lane, instruction.immediate != 0);
        result[lane] = tile[at.row[0]][at.column[0]] |
                       static_cast<uint32_t>(tile[at.row[1]][at.column[1]])
                           << 16;
      }
    }
    rows.finish(warp);
  });
}

void storeMatrix(Machine &machine, const Instruction &instruction) {
  const unsigned tiles = instruction.access.parts;
  MatrixRows rows(machine, instruction, machine.slot(instruction, tiles));
  machine.forWholeWarps(instruction, [&](unsigned warp) {
    for (unsigned m = 0; m < tiles; ++m) {
      Tile tile;
      const uint32_t *source =
          machine.lanes<uint32_t>(instruction, m) + warp * 32;
      for (unsigned lane = 0; lane < 32; ++lane) {
        const Pair at = pairOf(lane, instruction.immediate != 0);
        tile[at.row[0]][at.column[0]] = static_cast<uint16_t>(source[lane]);
        tile[at.row[1]][at.column[1]] =
            static_cast<uint16_t>(source[lane] >> 16);
      }
      for (unsigned r = 0; r < 8; ++r)
        if (char *row = rows.row(warp, m, r, Machine::Direction::write))
          std::memcpy(row, tile[r], 16);
    }
    rows.finish(warp);
  });
}

template <typename Op>
llvm::Error decodeMatrix(Decoder &decoder, Op op, Slots slots,
                         Handler handler) {
  if (op.getEltType() != NVVM::LdStMatrixEltType::B16 ||
      op.getShape().getM() != 8 || op.getShape().getN() != 8)
    return unsupported(op, "other than 8 by 8 of 16 bits");
  const auto tiles = static_cast<uint8_t>(slots.size());
  slots.push_back(decoder.slotOf(op.getPtr()));
  Instruction &instruction = decoder.emit(op, handler, slots);
  instruction.access = {Space::shared, tiles, 16, 16, 16};
  instruction.immediate = op.getLayout() == NVVM::MMALayout::col;
  return llvm::Error::success();
}

llvm::Error decodeLoadMatrix(Decoder &decoder, NVVM::LdMatrixOp op) {
  return decodeMatrix(decoder, op, decoder.define(op.getRes()), loadMatrix);
}

llvm::Error decodeStoreMatrix(Decoder &decoder, NVVM::StMatrixOp op) {
  Slots slots;
  for (Value source : op.getSources())
    slots.push_back(decoder.slotOf(source));
  return decodeMatrix(decoder, op, slots, storeMatrix);
}

//===----------------------------------------------------------------------===//
// mma.sync of 16 by 8
//===----------------------------------------------------------------------===//

/// bfloat16: two to a register, neighbours along k.
struct BrainElements {
  static constexpr unsigned perRegister = 2;
  static float element(uint32_t bits, unsigned i) {
    return Brain::get(bits >> (16 * i) & 0xffff);
  }
};
/// tf32: the machine looks at the upper 19 bits.
struct TensorFloatElements {
  static constexpr unsigned perRegister = 1;
  static float element(uint32_t bits, unsigned) {
    return llvm::bit_cast<float>(bits & 0xffffe000);
  }
};

template <unsigned depth> struct Product {
  float a[16][depth], b[depth][8], c[16][8];
  void multiply() {
    for (unsigned i = 0; i < 16; ++i) {
      float sum[8];
      std::copy_n(c[i], 8, sum);
      for (unsigned k = 0; k < depth; ++k)
        for (unsigned j = 0; j < 8; ++j)
          sum[j] += a[i][k] * b[k][j];
      std::copy_n(sum, 8, c[i]);
    }
  }
};

/// Slots: 4 results, the registers of A, of B, 4 of C.
template <typename Elements, unsigned depth>
void multiplyWarp(Machine &machine, const Instruction &instruction,
                  unsigned warp) {
  constexpr unsigned per = Elements::perRegister;
  constexpr unsigned bCount = depth / (4 * per), aCount = 2 * bCount;
  Product<depth> product;
  const uint32_t *operands[aCount + bCount + 4];
  for (unsigned i = 0; i < std::size(operands); ++i)
    operands[i] = machine.lanes<uint32_t>(instruction, 4 + i) + warp * 32;
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, k = lane % 4 * per;
    for (unsigned i = 0; i < per; ++i) {
      for (unsigned r = 0; r < aCount; ++r)
        product.a[g + r % 2 * 8][k + r / 2 * 4 * per + i] =
            Elements::element(operands[r][lane], i);
      for (unsigned r = 0; r < bCount; ++r)
        product.b[k + r * 4 * per + i][g] =
            Elements::element(operands[aCount + r][lane], i);
    }
    for (unsigned r = 0; r < 4; ++r)
      product.c[g + r / 2 * 8][lane % 4 * 2 + r % 2] =
          llvm::bit_cast<float>(operands[aCount + bCount + r][lane]);
  }
  product.multiply();
  for (unsigned r = 0; r < 4; ++r) {
    uint32_t *result = machine.lanes<uint32_t>(instruction, r) + warp * 32;
    for (unsigned lane = 0; lane < 32; ++lane)
      result[lane] = llvm::bit_cast<uint32_t>(
          product.c[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2]);
  }
}

template <typename Elements, unsigned depth>
void multiply(Machine &machine, const Instruction &instruction) {
  machine.forWholeWarps(instruction, [&](unsigned warp) {
    multiplyWarp<Elements, depth>(machine, instruction, warp);
    machine.ordering().syncWarp(warp);
  });
}

struct MultiplyRow {
  NVVM::MMATypes type;
  int depth;
  Handler handler;
};
const MultiplyRow multiplyRows[] = {
    {NVVM::MMATypes::bf16, 16, multiply<BrainElements, 16>},
    {NVVM::MMATypes::bf16, 8, multiply<BrainElements, 8>},
    {NVVM::MMATypes::tf32, 8, multiply<TensorFloatElements, 8>},
    {NVVM::MMATypes::tf32, 4, multiply<TensorFloatElements, 4>}};

llvm::Error decodeMultiply(Decoder &decoder, NVVM::MmaOp op) {
  const Kinds results = *scalarsOf(op.getRes().getType());
  const NVVM::MMAShapeAttr shape = op.getShape();
  for (const MultiplyRow &row : multiplyRows) {
    if (op.getMultiplicandAPtxType() != row.type ||
        op.getMultiplicandBPtxType() != row.type || shape.getM() != 16 ||
        shape.getN() != 8 || shape.getK() != row.depth ||
        results != Kinds(4, ScalarKind::f32))
      continue;
    Slots slots = decoder.define(op.getRes());
    for (Value operand : op->getOperands())
      slots.push_back(decoder.slotOf(operand));
    decoder.emit(op, row.handler, slots);
    return llvm::Error::success();
  }
  return unsupported(op, "of this shape and these types");
}

} // namespace

llvm::ArrayRef<Construct> matrixConstructs() {
  static const Construct table[] = {
      construct<NVVM::LdMatrixOp, decodeLoadMatrix>(),
      construct<NVVM::StMatrixOp, decodeStoreMatrix>(),
      construct<NVVM::MmaOp, decodeMultiply>()};
  return table;
}

} // namespace decay::cuda::emulator
