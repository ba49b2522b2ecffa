# How lit runs the tests of this folder: which files are tests, which tools they call.
import ctypes
import os
import shutil

import lit.formats

config.name = "decay"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".decay", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.decay_build, "test", "lit")


def llvm_tool(name):
    found = shutil.which(name + "-22") or shutil.which(name, path=config.llvm_tools)
    if not found:
        lit_config.fatal(f"{name} of LLVM 22 is missing")
    return found


tools = os.path.join(config.decay_build, "bin")
config.environment["PATH"] = os.pathsep.join([tools, config.environment.get("PATH", "")])
for tool in ("FileCheck", "count", "not", "llvm-nm", "llvm-readelf", "split-file"):
    config.substitutions.append((rf"\b{tool}\b(?=\s)", llvm_tool(tool)))

try:
    ctypes.CDLL("libcuda.so.1")
except OSError:
    config.available_features.add("no-gpu")

# What assembles kernels for GPUs: the one asked for, the set-up's, or one that the compiler finds itself.
wheels = os.path.join(config.decay_build, "wheels", "bin")
usual = os.pathsep.join([config.environment["PATH"], "/usr/local/cuda/bin"])
if os.environ.get("DECAY_PTXAS"):
    config.environment["DECAY_PTXAS"] = os.environ["DECAY_PTXAS"]
    config.available_features.add("ptxas")
elif os.path.exists(os.path.join(wheels, "ptxas")):
    config.environment["DECAY_PTXAS"] = wheels
    config.available_features.add("ptxas")
elif shutil.which("ptxas", path=usual):
    config.available_features.add("ptxas")
else:
    lit_config.note("no ptxas: tests that need it are left out (test/support/setup.sh fetches it)")
