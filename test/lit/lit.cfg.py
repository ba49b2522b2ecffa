# How lit runs the tests of this folder: which files are tests, which tools they call.
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
