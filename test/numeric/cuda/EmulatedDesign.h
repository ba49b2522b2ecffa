//===- EmulatedDesign.h - GPU kernels of a design, in the emulator -*- C++
//-*-===//
#ifndef DECAY_TEST_NUMERIC_CUDA_EMULATEDDESIGN_H
#define DECAY_TEST_NUMERIC_CUDA_EMULATEDDESIGN_H

#include "compiler/target/cuda/Launches.h"
#include "test/numeric/support/Designs.h"
#include "test/numeric/support/Inputs.h"

#include <map>
#include <memory>

namespace decay::test {

/// What kernels of a precision are held to.
struct Standard {
  const char *precision; ///< as decayc has it
  /// RMS(kernel - oracle) / RMS(oracle) that tensors may have.
  double largestForward, largestGradient;
  /// The unit roundoff of tensors with tokens, in units of the oracle's. Every
  /// element must be inside its bound; under bf16 v, d_o and states are off by
  /// a rounding of themselves: as results are linear in them, that is the
  /// absolute recurrence A.
  double rounding;

  bool isBfloat() const { return rounding > 1; }
};
inline constexpr Standard bf16Standard{"bf16", 5e-3, 8e-3, 0x1p16};
inline constexpr Standard fp32Standard{"fp32", 3e-6, 3e-6, 1};
inline constexpr double largestParameter = 1e-6;

/// A mean over fewer numbers says how far their sums cancel, not how well they
/// were computed.
inline constexpr size_t fewestForRms = 16;

/// What comparisons have found so far.
struct Judgement {
  std::vector<std::string> faults;
  double worst = 0;        ///< rms, of what is allowed
  double worstElement = 0; ///< error over its bound; accepted to 4
  std::string worstAt, worstElementAt;
  int64_t tensors = 0, kept = 0; ///< compared; given by forward to backward
  int64_t cutSequences = 0;      ///< launches with more than one segment
};

/// A design as kernels for the GPU and as decay IR.
class EmulatedDesign {
public:
  using HeadDims = std::vector<std::pair<int64_t, int64_t>>; ///< K, V
  /// Null with the reason in `problem` where the design does not compile.
  static std::unique_ptr<EmulatedDesign> compile(const LibraryCase &libraryCase,
                                                 const Standard &standard,
                                                 const HeadDims &headDims,
                                                 std::string &problem);
  /// Off: elements' bounds alone count. Formulas may cancel as they like.
  bool judgesRms = true;
  /// Off: elements must be numbers, no more. The bounds of bf16 know that v is
  /// rounded, but not that what a formula makes of it is, which may be finer.
  bool judgesElements = true;

  /// Random inputs; what has tokens is rounded to the precision.
  NamedFields draw(const Sizes &sizes, Random &random,
                   double parameterNoise) const;

  /// What a launch is given beside its inputs.
  struct Given {
    bool states = false;       ///< of sequences, and their gradients
    int64_t segmentTokens = 0; ///< at which sequences are cut; 0: whole
    /// Backward gets what a forward of whole sequences has kept.
    bool kept = false;
    /// Whether sequences begin with nothing, though what they come to is asked
    /// for: a prompt's first tokens.
    bool fromNothing = false;
  };
  /// One launch of `entry` ("forward" or "backward") against the oracle; what
  /// an entry cannot be given is left out. False: nothing is compared, as λ
  /// leaves its range.
  bool judge(const std::string &entry, const Sizes &sizes, const Given &given,
             const NamedFields &inputs, Judgement &judgement) const;
  /// Whether an entry's kernels are made for sequences that are cut.
  bool canBeCut(const std::string &entry) const;
  /// T launches of step, the state in one place, against the oracle's forward.
  /// False as above.
  bool judgeSteps(const Sizes &sizes, const NamedFields &inputs,
                  Judgement &judgement) const;
  /// Backward with every other gradient left out: the others are as right.
  void judgeSomeGradients(const Sizes &sizes, const NamedFields &inputs,
                          Judgement &judgement) const;
  void judgeInitialisers(const Sizes &sizes, Judgement &judgement) const;
  /// A λ out of its range must be named in the fault slot, and the right one.
  void judgeFault(const Sizes &sizes, const NamedFields &inputs,
                  Judgement &judgement) const;
  /// cu_seqlens that do not rise from 0 to T must be named in the fault slot by
  /// the place of the first that is wrong, and nothing beyond tensors touched.
  void judgeBadSequences(const std::string &entry, const Sizes &sizes,
                         const NamedFields &inputs, int64_t wrongAt,
                         Judgement &judgement) const;

private:
  struct Operand {
    std::string name, shape;
    bool written;
    bool hasTokens() const { return shape.find('T') != std::string::npos; }
    bool isKept() const { return name.starts_with("kept_"); }
    /// Else fp32, as everything is in that precision.
    bool hasPrecision() const {
      return hasTokens() || (isKept() && shape.find('V') != std::string::npos);
    }
  };
  /// An operand's memory. Without bytes: absent.
  struct Tensor {
    std::vector<char> bytes;
    int64_t rowStride = 0, offset = 0;
  };
  using Tensors = std::map<std::string, Tensor>;

  bool isBfloat(const Operand &operand) const {
    return standard.isBfloat() && operand.hasPrecision();
  }
  int64_t bytesOf(const Operand &operand) const {
    return isBfloat(operand) ? 2 : 4;
  }
  NamedFields rounded(NamedFields inputs) const;
  Tensor pack(const Operand &operand, const std::vector<double> &values) const;
  std::vector<double> unpack(const Operand &operand,
                             const Tensor &tensor) const;
  Tensors allocate(const std::string &entry, const Sizes &sizes, bool states,
                   const NamedFields &inputs) const;
  void keep(const Sizes &sizes, bool states, const NamedFields &inputs,
            Tensors &tensors, Judgement &judgement) const;
  cuda::FaultSlot launch(const std::string &entry, const Sizes &sizes,
                         Tensors &tensors, Judgement &judgement,
                         int64_t segmentTokens = 0) const;
  void compare(const std::string &entry, const std::string &where,
               const NamedFields &oracle, const Tensors &got, double largest,
               Judgement &judgement) const;
  void compareElements(const Operand &operand, const std::string &what,
                       const Field &wanted, const std::vector<double> &got,
                       Judgement &judgement) const;

  Standard standard = bf16Standard;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> oracle, kernels;
  std::map<std::string, std::vector<Operand>> operands;
};

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_CUDA_EMULATEDDESIGN_H
