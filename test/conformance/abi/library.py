#!/usr/bin/env python3
"""Compiles designs that between them use every construct, and runs the suite on their packages.

    library.py DECAYC ABI_CONFORMANCE FOLDER
"""
import pathlib
import shutil
import subprocess
import sys

DESIGNS = [
    ["gla"],
    ["gla_original", "granularity=scalar", "position=rope"],
    ["hgrn2", "sharing=on", "position=lrpe_cosine"],
    ["lightnet", "granularity=scalar"],
    ["lightnet", "sharing=on", "compat=authors"],
    ["lssp"],
    ["mamba2", "position=tpe"],
    ["simple_decay", "sharing=on", "p=0.5"],
    ["tnl", "position=lrpe_cosine"],
    ["tnl_l"],
]


def main():
    decayc, suite, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    packages = []
    for name, *settings in DESIGNS:
        home = folder / "_".join([name, *settings]).replace("=", "_")
        flags = [word for setting in settings for word in ("--set", setting)]
        done = subprocess.run([decayc, name, *flags, "-o", home], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{name} {settings} does not compile:\n{done.stderr}")
        package = home.with_suffix(".so")
        (home / f"{name}.so").rename(package)  # the suite names its tests after the file
        packages.append(str(package))
    sys.exit(subprocess.run([suite, "--gtest_brief=1", *packages]).returncode)


main()
