"""Compiles the packages that the checks on a GPU want.

    make_packages.py FOLDER [--decayc PROGRAM] [--target cuda|cpu] [--precision bf16|fp32] [--jobs 2] [--full] [--only NAME-SETTING-VALUE,...]

Every design and variant of the library at its defaults, with its other granularity and with shared k; positions and the
authors' form of some; lambda_times in both granularities. --full: every value of every setting of each, others at their
defaults. A package goes to FOLDER/NAME-SETTING/NAME.so; one that is there with the same contents is kept.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ALWAYS = ("granularity", "sharing")
# Of the other settings, by design; of all designs with --full.
SOME = [("simple_decay", "position=rope"), ("mamba2", "position=lrpe_cosine"), ("tnl", "position=rope"),
        ("hgrn2", "position=tpe"), ("lssp", "position=lrpe_cosine"), ("lightnet", "compat=authors"),
        ("mamba2", "compat=authors"), ("tnl_l", "compat=authors")]
DESIGN = re.compile(r"^  (\w+)(?: \(variant of \w+\))?: ")
SETTING = re.compile(r"(\w+) ([\w|]+\|[\w|]+)")


def library(decayc):
    """{design: {setting: other values than its default}}, from `decayc --list`."""
    designs, name = {}, None
    for line in subprocess.run([decayc, "--list"], text=True, capture_output=True, check=True).stdout.splitlines():
        found = DESIGN.match(line)
        if found:
            name = found.group(1)
            designs[name] = {}
        elif name:
            designs[name].update({setting: values.split("|")[1:] for setting, values in SETTING.findall(line)})
    return designs


def wanted(decayc, full):
    """(design or file, settings)"""
    for design, settings in library(decayc).items():
        yield design, []
        for setting, values in settings.items():
            for value in values:
                if full or setting in ALWAYS or (design, f"{setting}={value}") in SOME:
                    yield design, [f"{setting}={value}"]
        if "sharing" in settings and "granularity" in settings:
            yield design, ["granularity=scalar", "sharing=on"]
    for settings in ([], ["granularity=scalar"]):
        yield str(HERE / "lambda_times.decay"), settings


def name_of(design, settings):
    return "-".join([pathlib.Path(design).stem, *(setting.replace("=", "-") for setting in settings)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--decayc", default="build/bin/decayc")
    parser.add_argument("--target", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--precision", choices=["bf16", "fp32"], help="the default: the target's")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", type=lambda text: text.split(","), help="folders' names")
    given = parser.parse_args()

    def make(item):
        design, settings = item
        name = name_of(design, settings)
        words = [given.decayc, design, f"--target={given.target}", "-o", str(given.folder / name)]
        if given.precision:
            words.append(f"--precision={given.precision}")
        for setting in settings:
            words += ["--set", setting]
        done = subprocess.run(words, text=True, capture_output=True, check=False)
        for text in (given.folder / name).glob("*.ptx"):
            text.unlink()  # to read, and as large as the rest
        return name, done

    items = [item for item in wanted(given.decayc, given.full) if not given.only or name_of(*item) in given.only]
    if given.only and len(items) < len(given.only):
        parser.error(f"of {', '.join(given.only)} there are only {', '.join(name_of(*item) for item in items)}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for name, done in pool.map(make, items):
            if "[sharing-needs-vector]" in done.stderr:
                print(f"none   {name}: the language has no such form", flush=True)
                continue
            failed += done.returncode != 0
            print(f"{'FAILED' if done.returncode else 'ok    '} {name}", flush=True)
            if done.returncode:
                print(done.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
