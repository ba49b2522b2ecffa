"""The README's table of figures of GPU kernels, from the rows that `decay bench kernels --json` gave.

    figures.py ROOT [--write]

Prints the table, or writes it between the README's markers. Rows are test/perf/results/gpu_kernels.jsonl; a table for each
card; of several for one design, shape and direction on a card the last counts. `house.figures` sees that the README has what they say.
"""
import json
import pathlib
import sys

ROWS = "test/perf/results/gpu_kernels.jsonl"
BEGIN, END = "<!-- gpu_kernels: test/perf/figures.py -->", "<!-- gpu_kernels end -->"
DIRECTIONS = {"forward": "forward", "forward_backward": "forward + backward", "step": "step"}
# One design at all shapes, the others where the first shape says enough.
MAIN, COMMON_SHAPE = "simple_decay", (16, 2048, 16, 128, 128)


def read_rows(root):
    lines = (root / ROWS).read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "ms" in row]


def variant(row):
    """The design with the settings that are not its first ones."""
    words = [row["granularity"]] if row["granularity"] != "vector" else []
    words += ["shared k"] if row.get("sharing") else []
    words += [row["position"]] if row.get("position", "none") != "none" else []
    return row["design"] + (f" ({', '.join(words)})" if words else "")


def shown(key):
    name, shape = key
    return name == MAIN or shape == COMMON_SHAPE


def label(shape):
    *sizes, K, V = shape
    return ", ".join(map(str, sizes + ([K] if K == V else [K, V])))


def tables(rows):
    by_card = {}
    for row in rows:
        by_card.setdefault(row["card"], []).append(row)
    return "\n\n".join(map(table, by_card.values())) or "None are kept yet."


def table(rows):
    cells = {}
    for row in rows:
        cells.setdefault((variant(row), tuple(row["shape"])), {})[row["direction"]] = row
    last = rows[-1]
    commit = f", commit {last['commit']}" if "commit" in last else ""
    lines = [f"{last['card']}, driver {last['driver']}, {last['copy_gb_s']:.0f} GB/s copied, {last['date']}{commit}: "
             "milliseconds, and times what moving each tensor once takes.", "",
             "| design | B, T, H, D | " + " | ".join(DIRECTIONS.values()) + " |",
             "| --- | --- |" + " --- |" * len(DIRECTIONS)]
    for key in sorted(filter(shown, cells), key=lambda key: (key[0] != MAIN, key[0])):
        found = [cells[key].get(direction) for direction in DIRECTIONS]
        texts = [f"{row['ms']:#.3g}, {row['ms'] / row['floor_ms']:.2f} x" if row else "" for row in found]
        lines.append(f"| {key[0]} | {label(key[1])} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def split(page):
    """What stands before, between and behind the markers; None without them."""
    before, begin, rest = page.partition(BEGIN + "\n")
    between, end, behind = rest.partition("\n" + END)
    return (before, between, behind) if begin and end else None


def stale(root):
    """What is wrong with the README, or None."""
    if not (root / ROWS).exists():
        return None
    page = root / "README.md"
    parts = split(page.read_text(encoding="utf-8")) if page.exists() else None
    if parts is None:
        return f"README.md has no place '{BEGIN}' for the rows"
    if parts[1] != tables(read_rows(root)):
        return "README.md shows another table than the rows make: python3 test/perf/figures.py . --write"
    return None


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    made = tables(read_rows(root))
    if len(sys.argv) == 2:
        print(made)
        return
    page = root / "README.md"
    parts = split(page.read_text(encoding="utf-8"))
    if parts is None:
        sys.exit(f"README.md lacks the markers {BEGIN} and {END}")
    page.write_text(f"{parts[0]}{BEGIN}\n{made}\n{END}{parts[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
