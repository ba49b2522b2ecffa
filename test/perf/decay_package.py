"""A compiled package from Python, by ctypes: runtime/abi/DecayPackage.h and a pool of threads."""
import ctypes
import json
import queue
import threading

import numpy

ABI_VERSION = 2
I64 = ctypes.c_int64
AXES = "BTHKVNLW"


class Dims(ctypes.Structure):
    _fields_ = [(name, I64) for name in ("B", "T", "H", "K", "V", "sequences")] + [
        ("cu_seqlens", ctypes.POINTER(I64)), ("layer", I64), ("layers", I64), ("position", I64),
        ("seed", ctypes.c_uint64)]


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


class Entry(ctypes.Structure):
    _fields_ = [("role", ctypes.c_char_p), ("operand_count", ctypes.c_int32), ("operands", ctypes.POINTER(OperandInfo)),
                ("workspace_bytes", ctypes.CFUNCTYPE(I64, ctypes.POINTER(Dims), I64)),
                ("launch", ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(Operand), ctypes.POINTER(Dims),
                                            ctypes.c_void_p, I64, ctypes.c_void_p, ctypes.POINTER(Fault))),
                ("read_fault", ctypes.c_void_p)]


class PackageTable(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("memory", ctypes.c_int32)] + [
        (name, ctypes.c_char_p) for name in ("design", "hash", "target", "variant", "manifest")] + [
        ("entry_count", ctypes.c_int32), ("entries", ctypes.POINTER(Entry))]


class Host(ctypes.Structure):
    _fields_ = [("has_avx2_fma", ctypes.c_uint32), ("has_avx512", ctypes.c_uint32)]


def this_host():
    flags = set()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("flags"):
                flags = set(line.split(":")[1].split())
                break
    v3 = {"avx2", "fma", "bmi1", "bmi2", "f16c"} <= flags
    v4 = v3 and {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags
    return Host(int(v3), int(v4))


class Pool:
    """Workers that take the indices of a call from one counter. A foreign call lets go of Python's lock."""

    def __init__(self, workers):
        self.workers = workers
        self.inbox = [queue.SimpleQueue() for _ in range(workers - 1)]
        self.done = queue.SimpleQueue()
        for worker in range(1, workers):
            threading.Thread(target=self._serve, args=(worker,), daemon=True).start()
        self.runner = TaskRunner(None, workers, Run(self._run))

    def _serve(self, worker):
        while True:
            task, closure, indices = self.inbox[worker - 1].get()
            for index in indices:
                task(closure, index, worker)
            self.done.put(None)

    def _run(self, _, count, task, closure):
        indices = iter(range(count))  # next() on it is atomic
        for box in self.inbox:
            box.put((task, closure, indices))
        for index in indices:
            task(closure, index, 0)
        for _ in self.inbox:
            self.done.get()


class Package:
    """A package's entries as functions of dictionaries of contiguous float32 numpy arrays."""

    def __init__(self, path, workers=1):
        self.library = ctypes.CDLL(path)
        query = self.library.decay_package_query
        query.restype = ctypes.POINTER(PackageTable)
        query.argtypes = [ctypes.c_uint32, ctypes.POINTER(Host)]
        table = query(ABI_VERSION, this_host())
        if not table:
            raise RuntimeError(f"{path}: not for this processor or of another interface version")
        self.table = table.contents
        self.manifest = json.loads(self.table.manifest)
        self.variant = self.table.variant.decode()
        self.entries = {self.table.entries[i].role.decode(): self.table.entries[i]
                        for i in range(self.table.entry_count)}
        self.pool = Pool(workers)
        self.workspace = numpy.zeros(0, numpy.uint8)

    def operands(self, role):
        entry = self.entries[role]
        return [entry.operands[i] for i in range(entry.operand_count)]

    def shape(self, info, dims):
        sizes = {"B": dims.B, "T": dims.T, "H": dims.H, "K": dims.K, "V": dims.V, "L": dims.layers,
                 "N": dims.sequences or dims.B, "W": dims.K * self.manifest["state_width"]}
        return tuple(sizes[axis] for axis in info.shape.decode().split())

    def outputs(self, role, dims, leave_out=()):
        """New arrays for what the role writes."""
        return {info.name.decode(): numpy.empty(self.shape(info, dims), numpy.float32)
                for info in self.operands(role) if info.access == 1 and info.name.decode() not in leave_out}

    def _memory(self, size):
        if self.workspace.size < size + 64:
            self.workspace = numpy.zeros(size + 64, numpy.uint8)
        return (self.workspace.ctypes.data + 63) // 64 * 64

    def launch(self, role, tensors, dims):
        """Runs a role on arrays by name; optional operands that are not named are absent."""
        entry, infos = self.entries[role], self.operands(role)
        operands = (Operand * len(infos))()
        for place, info in zip(operands, infos):
            tensor = tensors.get(info.name.decode())
            if tensor is None:
                if not info.optional:
                    raise RuntimeError(f"{role}: {info.name.decode()} is missing")
                continue
            if tensor.shape != self.shape(info, dims) or tensor.dtype != numpy.float32 or not tensor.flags.c_contiguous:
                raise RuntimeError(f"{role}: {info.name.decode()} must be dense float32 {self.shape(info, dims)}")
            place.data = tensor.ctypes.data
        size = entry.workspace_bytes(dims, self.pool.workers)
        fault = Fault()
        status = entry.launch(operands, dims, self._memory(size), size, ctypes.addressof(self.pool.runner), fault)
        if status:
            raise RuntimeError(f"{role}: status {status} at {fault.sequence, fault.token, fault.head, fault.channel}")
