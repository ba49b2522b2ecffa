"""Every design becomes machine code for GPUs, and what its kernels take of a multiprocessor.

    resources.py DECAYC [--full] [--only PART]

Compiles the library's designs with --report, which assembles them by ptxas: each with a decay for each channel and for each
head and with a shared k where it allows that, its variants as they are, and positions with two designs. --full: every
combination of settings that becomes other kernels. Settings that the design refuses are left out. Prints registers, shared
memory, spilled bytes and blocks per multiprocessor of each kernel. Exit code 1 if a design is not compiled, lacks a kernel
for one of its head dims, or has one that fits on no multiprocessor or spills more than it may; 77 without ptxas.
"""
import argparse
import itertools
import json
import re
import subprocess
import sys

AXES = ("granularity", "sharing", "position", "compat")
ENTRIES = ("forward", "backward", "step")
PLAIN = {"granularity": "vector", "sharing": "off", "position": "none", "compat": "published"}
WITH_POSITIONS = [("hgrn2", "vector"), ("simple_decay", "scalar")]
# Bytes that a thread may store to and load from local memory, in a kernel of thousands of instructions; and where all tokens
# of a group are needed at once: by scans, by rotations, and by the sum over channels of the gradient of tpe's one λ.
MOST_SPILLS, MOST_SPILLS_OF_GROUPS = 704, 3584
WITH_SCANS = ("lightnet", "lssp")


def run(decayc, design, settings, *flags):
    return subprocess.run([decayc, design, "--target=cuda", *flags] + [f"--{axis}={value}" for axis, value in settings.items()],
                          capture_output=True, text=True, check=False)


def library(decayc):
    """Each design with the values that its axes allow."""
    listed = subprocess.run([decayc, "--list", "--json"], capture_output=True, text=True, check=True).stdout
    for design in json.loads(listed):
        allowed = {setting["name"]: [value.strip() for value in setting["allowed"].split(",")]
                   for setting in design["settings"] if setting["name"] in AXES}
        yield design["design"], design["base"], allowed


def combinations(allowed):
    for values in itertools.product(*allowed.values()):
        yield dict(zip(allowed, values))


def usual(design, is_variant, settings):
    """Whether a case is among those that are tested each time."""
    other = {axis for axis, value in settings.items() if value != PLAIN[axis]}
    if is_variant or "compat" in other:
        return not other
    if settings["position"] in ("rope", "lrpe_cosine"):
        return (design, settings["granularity"]) in WITH_POSITIONS and settings["sharing"] == "off"
    return settings["position"] == "none"


def cases(given):
    seen = {}
    for design, base, allowed in library(given.decayc):
        for settings in combinations(allowed):
            # A design that has decays for each head alone is as it is.
            plain = {axis: PLAIN[axis] if len(values) > 1 else values[0] for axis, values in allowed.items()}
            name = " ".join([design] + [value if axis == "granularity" else f"{axis}={value}" for axis, value in settings.items()
                                        if value != plain[axis]])
            if given.only not in name or not (given.full or usual(design, bool(base), {
                    axis: PLAIN[axis] if value == plain[axis] else value for axis, value in settings.items()})):
                continue
            chunks = run(given.decayc, design, settings, "--emit=chunk")
            if chunks.returncode == 1:
                continue
            # All but the first line, which says the settings, and the operands' names.
            text = re.sub(r'name = "\w+"', "", chunks.stdout.partition("\n")[2])
            if chunks.returncode != 0 or text not in seen:
                seen[text] = name
                yield name, design, settings


def kernels(report):
    """The rows of a report, as dictionaries."""
    lines = report.splitlines()
    names = lines[0].split()
    return [dict(zip(names, line.split())) for line in lines[1:] if len(line.split()) == len(names)]


def faults(rows, design, settings):
    by_groups = design in (*WITH_SCANS, "tpe") or settings["position"] in ("rope", "lrpe_cosine")
    most = MOST_SPILLS_OF_GROUPS if by_groups else MOST_SPILLS
    wanted = [f"decay_{entry}_{D}_{D}" for entry in ENTRIES for D in (64, 128)
              if D == 64 or settings["position"] != "lrpe_cosine"]
    found = [row["kernel"] for row in rows]
    yield from (f"no kernel {name}" for name in wanted if name not in found)
    for row in rows:
        if int(row["blocks/SM"]) < 1:
            yield f"{row['kernel']} fits on no multiprocessor"
        if int(row["spills"]) > most:
            yield f"{row['kernel']} spills {row['spills']} bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("decayc")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    count = failed = 0
    for name, design, settings in cases(given):
        made = run(given.decayc, design, settings, "--report")
        if "needs ptxas, which is not here" in made.stderr:
            print("no ptxas: test/support/setup.sh fetches it, or DECAY_PTXAS names it")
            return 77
        rows = kernels(made.stdout) if made.returncode == 0 else []
        wrong = list(faults(rows, design, settings)) if rows else [made.stderr.strip()]
        count, failed = count + 1, failed + bool(wrong)
        print(f"{'FAILED' if wrong else 'ok    '} {name}")
        for line in wrong:
            print(f"    {line}")
        for row in rows:
            print(f"    {row['kernel']:30s} {row['registers']:>4s} registers {row['shared']:>7s} shared {row['spills']:>5s} "
                  f"spilled {row['blocks/SM']:>3s} blocks/SM", flush=True)
    print(f"{count} designs and settings, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
