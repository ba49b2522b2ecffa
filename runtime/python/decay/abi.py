"""runtime/abi/DecayPackage.h in ctypes, field by field; what the fields mean stands there."""
import ctypes

ABI_VERSION = 3
QUERY_SYMBOL = "decay_package_query"
TYPES = ("fp32", "bf16")  # by DecayType
TYPE_BYTES = {"fp32": 4, "bf16": 2}
READ, WRITE = 0, 1
HOST_MEMORY, DEVICE_MEMORY = 0, 1
MOST_EXTENT = 2**31 - 1

# DecayStatus: the caller's errors are a range.
OK, LAMBDA_OUT_OF_RANGE, WORKSPACE_TOO_SMALL, FIRST_OF_CALLER, LAST_OF_CALLER, LAST_OF_DEVICE = 0, 1, 2, 3, 9, 12

I64 = ctypes.c_int64


class Dims(ctypes.Structure):
    _fields_ = [(name, I64) for name in ("B", "T", "H", "K", "V", "sequences")] + [
        ("cu_seqlens", ctypes.c_void_p), ("layer", I64), ("layers", I64), ("position", I64), ("seed", ctypes.c_uint64)]


class Operand(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("row_stride", I64)]


class OperandInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("shape", ctypes.c_char_p), ("type", ctypes.c_int32),
                ("access", ctypes.c_int32), ("optional", ctypes.c_int32)]


class Fault(ctypes.Structure):
    _fields_ = [(name, I64) for name in ("sequence", "token", "head", "channel")] + [
        ("value", ctypes.c_double), ("operand", I64), ("message", ctypes.c_char * 256)]


Task = ctypes.CFUNCTYPE(None, ctypes.c_void_p, I64, I64)
Run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, I64, Task, ctypes.c_void_p)


class TaskRunner(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("workers", I64), ("run", Run)]


WorkspaceBytes = ctypes.CFUNCTYPE(I64, ctypes.POINTER(Dims), I64)
Launch = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(Operand), ctypes.POINTER(Dims), ctypes.c_void_p, I64,
                          ctypes.c_void_p, ctypes.POINTER(Fault))
ReadFault = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(Fault))


class Entry(ctypes.Structure):
    _fields_ = [("role", ctypes.c_char_p), ("operand_count", ctypes.c_int32), ("operands", ctypes.POINTER(OperandInfo)),
                ("workspace_bytes", WorkspaceBytes), ("launch", Launch), ("read_fault", ReadFault)]


class PackageTable(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("memory", ctypes.c_int32)] + [
        (name, ctypes.c_char_p) for name in ("design", "hash", "target", "variant", "manifest")] + [
        ("entry_count", ctypes.c_int32), ("entries", ctypes.POINTER(Entry))]


class Host(ctypes.Structure):
    _fields_ = [("has_avx2_fma", ctypes.c_uint32), ("has_avx512", ctypes.c_uint32)]


def this_host():
    """What a package asks of the machine."""
    flags = set()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("flags"):
                flags = set(line.split(":")[1].split())
                break
    v3 = {"avx2", "fma", "bmi1", "bmi2", "f16c"} <= flags
    v4 = v3 and {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags
    return Host(int(v3), int(v4))
