"""compute-sanitizer's four tools over a small launch of every entry of packages on a GPU.

    sanitize.py FOLDER... [--tools memcheck,racecheck,initcheck,synccheck] [--only PART] [--limit 150] [--widths 64,128]

Each tool runs `repeat.py --count 1`: whole, cut and packed sequences, with states; of all packages at once and, if that
is not clean, of each. PyTorch's allocator is told to keep nothing, so that each tensor is an allocation of its own. What a
tool reports is shown; a run that does not end in `--limit` seconds, or a machine without compute-sanitizer, is said to be
skipped. Exit code 1 if a tool reports something, 77 if nothing ran.
"""
import argparse
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
PLACES = ["/usr/local/cuda*/bin/compute-sanitizer", "/usr/local/cuda*/compute-sanitizer/compute-sanitizer",
          "/opt/nvidia/*/compute-sanitizer", sys.prefix + "/lib/python*/site-packages/nvidia/*/bin/compute-sanitizer"]
# A line for each launch of ours that a tool finds wrong, and the tool's last line.
SUMMARY = re.compile(r"(ERROR SUMMARY|RACECHECK SUMMARY): (\d+)")


def find_sanitizer():
    found = shutil.which("compute-sanitizer")
    return found or next((path for place in PLACES for path in sorted(glob.glob(place))), None)


def run_tool(program, tool, paths, given):
    """("ok" | "FAILED" | "skipped", lines) of one tool over some packages."""
    repeat = pathlib.Path(__file__).with_name("repeat.py")
    words = [program, "--tool", tool, "--print-limit", "20", sys.executable, str(repeat), *map(str, paths), "--count", "1",
             "--widths", given.widths]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                               env={**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"})
    try:
        text, _ = process.communicate(timeout=given.limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "skipped", [f"not at its end after {given.limit:.0f} s"]
    summary = SUMMARY.search(text)
    if not summary or "repeat: " not in text:
        return "skipped", text.strip().splitlines()[-3:] or [f"it ended with {process.returncode}"]
    if process.returncode == 0 and summary.group(2) == "0":
        return "ok", []
    return "FAILED", [line for line in text.splitlines() if line.startswith("=========") or "FAILED" in line][:20]


def runs_of(program, tool, paths, given):
    """All packages together, as starting costs more than launches; where that fails, each by itself."""
    state, lines = run_tool(program, tool, paths, given)
    if state == "ok" or len(paths) == 1:
        yield paths, state, lines
        return
    for path in paths:
        yield [path], *run_tool(program, tool, [path], given)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--tools", type=lambda text: text.split(","), default=TOOLS)
    parser.add_argument("--only", default="", help="part of a package's path")
    parser.add_argument("--widths", default="64,128")
    parser.add_argument("--limit", type=float, default=150)
    given = parser.parse_args()
    program = find_sanitizer()
    if not program:
        print("sanitize: skipped, compute-sanitizer is not on this machine")
        return 77
    paths = sorted(path for folder in given.folders for path in folder.rglob("*.so")
                   if given.only in str(path) and path.stem != "lambda_times")
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for tool in given.tools:
        for some, state, lines in runs_of(program, tool, paths, given):
            counts[state] += len(some)
            print(f"{state:<8}{tool:<11}{' '.join(f'{path.parent.name}/{path.stem}' for path in some)}", flush=True)
            for line in lines:
                print("        " + line, flush=True)
    print(f"sanitize: {program}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    return 1 if counts["FAILED"] else 0 if counts["ok"] else 77


if __name__ == "__main__":
    sys.exit(main())
