//===- KernelLibrary.h - A compiled design, loaded -------------*- C++ -*-===//
//
// Opens a package, matches it to this machine, and runs its entries. The one
// place where the operands of a call are checked.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_KERNELLIBRARY_H
#define DECAY_RUNTIME_KERNELS_KERNELLIBRARY_H

#include "runtime/kernels/KernelWorkspace.h"
#include "runtime/kernels/Manifest.h"
#include "runtime/kernels/SharedLibrary.h"

#include <memory>
#include <span>

namespace decay::runtime {

enum class KernelRole : uint8_t { Forward, Backward, Step, InitParameters };

/// "forward", "backward", "step", "init_parameters".
std::string_view toString(KernelRole role);

/// A tensor that a caller hands to a call, found by its name. An optional
/// operand is left out by not naming it, or by data = nullptr.
struct KernelOperand {
  std::string_view name;
  void *data = nullptr;
  int64_t elements = 0; ///< that may be touched, counted from data
  int64_t rowStride =
      0; ///< elements between tokens, 0 = dense; only with a T axis
  DecayType type = DECAY_F32;

  static KernelOperand input(std::string_view name, const float *data,
                             int64_t elements, int64_t rowStride = 0) {
    return {name, const_cast<float *>(data), elements, rowStride};
  }
  static KernelOperand output(std::string_view name, float *data,
                              int64_t elements, int64_t rowStride = 0) {
    return {name, data, elements, rowStride};
  }
};

/// What an entry expects, as the package describes it.
struct KernelOperandInfo {
  std::string name;
  TensorShape shape;
  DecayType type = DECAY_F32;
  bool written = false;
  bool optional = false;
  /// Whether forward may leave it for backward.
  bool isKept() const { return name.starts_with("kept_"); }
};

class KernelLibrary {
public:
  /// Opens the package at `path` for this machine, or for `host` (tests ask for
  /// a lesser one). World errors: no such file, not a package, a package of
  /// another ABI version, for another processor, or with a table or manifest
  /// that contradicts itself.
  static Result<KernelLibrary> load(const std::string &path);
  static Result<KernelLibrary> load(const std::string &path,
                                    const DecayHost &host);

  const std::string &path() const { return file; }
  const Manifest &manifest() const { return *description; }
  std::string_view target() const { return package->target; }
  std::string_view variant() const { return package->variant; }
  /// Where operands, cu_seqlens and workspaces lie.
  DecayMemory memory() const {
    return static_cast<DecayMemory>(package->memory);
  }
  /// The manifest's JSON, as the package carries it.
  std::string_view manifestText() const { return package->manifest; }

  bool has(KernelRole role) const { return find(role) != nullptr; }
  /// The operands of an entry in the package's order; empty if there is no such
  /// entry.
  std::span<const KernelOperandInfo> operands(KernelRole role) const;

  /// Scratch memory of a call, for planning. The sizes must be valid (see
  /// checkDims).
  Result<int64_t> workspaceBytes(KernelRole role, const DecayDims &dims,
                                 int64_t workers) const;

  /// Checks the call, grows the workspace to what it needs and runs the entry
  /// on the device. User errors name the design, the entry and the operand: an
  /// operand that is missing, not known, named twice, too small or with a wrong
  /// row stride; sizes that are not positive or too large; cu_seqlens that do
  /// not rise from 0 to T; a layer out of range; more than one token for
  /// `step`; a λ outside [0, 1] with its place. World errors: no memory; a
  /// device of another target than the package's. `init_parameters` reads
  /// neither B nor T: give 1. On device memory the call only begins here, and
  /// what cu_seqlens and λ are is known to readFault.
  Status launch(KernelRole role, std::span<const KernelOperand> operands,
                const DecayDims &dims, KernelWorkspace &workspace,
                Device &device) const;

  /// Waits for the device and says what went wrong in launches with this
  /// workspace since the last call. Errors as launch's. On host memory launch
  /// has said it already.
  Status readFault(KernelRole role, KernelWorkspace &workspace,
                   Device &device) const;

  /// The checks of sizes alone; cu_seqlens' values only in host memory.
  static Status checkDims(KernelRole role, const DecayDims &dims,
                          DecayMemory memory = DECAY_HOST_MEMORY);

private:
  struct Entry {
    const DecayEntry *table = nullptr;
    std::vector<KernelOperandInfo> operands;
  };

  const Entry *find(KernelRole role) const;
  Status readTable();
  Status readEntry(const DecayEntry &table);
  Status bind(const Entry &entry, std::span<const KernelOperand> given,
              const DecayDims &dims, std::span<DecayOperand> bound) const;
  Status checkOperand(const KernelOperandInfo &info, const KernelOperand &given,
                      const DecayDims &dims) const;
  static Status describeFault(int32_t status, const DecayFault &fault);
  Status within(KernelRole role, Status status) const;

  std::string file;
  SharedLibrary handle;
  const DecayPackage *package = nullptr;
  std::shared_ptr<const Manifest> description;
  Entry entries[4]; ///< by role
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_KERNELLIBRARY_H
