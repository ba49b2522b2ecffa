"""Times designs on a GPU beside an installed flash-linear-attention, and the errors of both gates' gradients.

    compare_peers.py --packages FOLDER [--peers chunk_gla,...] [--shapes B,T,H,D;...] [--directions forward,...]
                     [--limit 170] [--json FILE] [--only speed|gates]

A piece is one peer at one shape, in a process of its own: our design, then the peer, each forward and with backward; or
the gates' gradients. A piece that has not ended after `--limit` seconds, in its compiler or autotuner, is ended, and what
it had measured counts. Pieces share Triton's cache, so that a later run goes on from there. Lines come as they are
measured; ratios stand at the end. A floor is what moving each of our tensors once takes at the card's copy bandwidth,
measured in the piece. Events around calls, after warm-up (and the peer's autotuning): queued one after the other or, at
small shapes, each awaited, so that launches count there; buffers in turn that are together four times the L2 cache; median
and quartiles of 20. FOLDER holds packages: what `decayc DESIGN --target=cuda -o
FOLDER` makes of simple_decay, tnl and, with --granularity=scalar, mamba2, or test/numeric/card/make_packages.py; without
it they are compiled. Exit code 1 if a gradient of ours is off by more than 5e-3, or a required ratio was measured and is
missed.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

FIRST = "16,2048,16,128"
SHAPES = f"{FIRST};1,2048,8,64"
ALL_SHAPES = f"{FIRST};1,2048,8,64;32,2048,12,64;16,2048,16,64;8,2048,32,64;1,65536,16,128"
PEERS = ["chunk_gla", "chunk_lightning_attn", "chunk_simple_gla"]
GATE_LIMIT = 5e-3
# How many times as long the peer must take, by peer, shape and direction; the last shape is "no slower".
REQUIRED = {("chunk_gla", (16, 2048, 16, 128), "forward_backward"): 5.0,
            ("chunk_lightning_attn", (16, 2048, 16, 128), "forward_backward"): 2.5,
            **{(peer, (1, 2048, 8, 64), direction): 1.0
               for peer in PEERS for direction in ("forward", "forward_backward")}}


def shapes_of(text):
    return [tuple(int(size) for size in shape.split(",")) for shape in text.split(";")]


def pieces_of(given):
    """(title, arguments of the piece's process), the most wanted first."""
    if given.only != "gates":
        for shape in given.shapes:
            for peer in given.peers:
                yield f"{peer} at {shape}", ["--piece", peer, "--shapes", ",".join(map(str, shape))]
    if given.only != "speed":
        yield "gates' gradients", ["--piece", "gates"]


def measure_piece(given):
    """In a piece's process: a line of JSON for each row."""
    import peers  # PyTorch, in this process alone

    rows = peers.gate_rows(given) if given.piece == "gates" else (
        peers.speed_rows(given, given.piece, given.shapes[0], given.directions))
    for row in rows:
        print(json.dumps(row), flush=True)


def run_piece(words, limit):
    """Yields the rows of a piece as they come; at the end None, or why there are no more."""
    environment = {"TRITON_CACHE_AUTOTUNING": "1", "TRITON_CACHE_DIR": str(pathlib.Path.home() / ".triton" / "cache"),
                   **os.environ}
    # A group of its own, as compilers have children. Errors go where ours go.
    piece = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    ended = threading.Event()

    def end():
        ended.set()
        os.killpg(piece.pid, signal.SIGKILL)

    clock = threading.Timer(limit, end)
    clock.start()
    try:
        for line in piece.stdout:
            if line.startswith("{"):
                yield json.loads(line)
            else:  # what a peer's import says
                print(line, end="", file=sys.stderr)
    finally:
        code = piece.wait()
        clock.cancel()
    if ended.is_set():
        yield f"ended after {limit:.0f} s"
    elif code:
        yield f"ended with {code}"


def print_row(row):
    of = row.get("peer") or row["design"]
    start = f"{of:<22}{', '.join(map(str, row['shape'][:4])):<22}{row['direction']:<18}"
    if "error" in row:
        print(start + row["error"], flush=True)
    elif "relative_rms" in row:
        print(f"{start}mean |log λ| {row['mean_log_decay']:<8}relative rms {row['relative_rms']:.2e}", flush=True)
    else:
        print(f"{start}{row['ms']:9.3f}{row['lower_ms']:9.3f}{row['upper_ms']:9.3f}{row['floor_ms']:9.3f}"
              f"{row['ms'] / row['floor_ms']:7.2f}", flush=True)


def summary(rows):
    """Prints ratios and says what is missed."""
    missed = []
    times = {(row.get("peer", ""), row["design"], tuple(row["shape"][:4]), row["direction"]): row["ms"]
             for row in rows if "ms" in row}
    print(f"\n{'peer over ours':<44}{'direction':<18}{'ratio':>8}{'required':>10}")
    for (peer, design, shape, direction), ms in times.items():
        ours = times.get(("", design, shape, direction))
        if peer and ours:
            required = REQUIRED.get((peer, shape, direction))
            print(f"{peer + ' ' + ', '.join(map(str, shape)):<44}{direction:<18}{ms / ours:8.2f}{required or '':>10}")
            if required and ms / ours < required:
                missed.append(f"{peer} at {shape}, {direction}: {ms / ours:.2f}, required {required}")
    gates = [row for row in rows if "relative_rms" in row]
    if gates:
        print(f"\n{'mean |log λ|':<16}{'ours':>12}{'chunk_gla':>12}   relative rms of the gate's gradient")
    for ours in (row for row in gates if "peer" not in row):
        mean = ours["mean_log_decay"]
        theirs = [row["relative_rms"] for row in gates if "peer" in row and row["mean_log_decay"] == mean]
        print(f"{mean:<16}{ours['relative_rms']:12.2e}" + (f"{theirs[0]:12.2e}" if theirs else f"{'-':>12}"))
        if not ours["relative_rms"] <= GATE_LIMIT:
            missed.append(f"the gate's gradient at mean |log λ| {mean}: {ours['relative_rms']:.2e}, required {GATE_LIMIT}")
    return missed


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    parser.add_argument("--decayc")
    parser.add_argument("--packages", type=pathlib.Path)
    parser.add_argument("--peers", type=words, default=PEERS)
    parser.add_argument("--shapes", type=lambda text: shapes_of(ALL_SHAPES if text == "all" else text),
                        default=shapes_of(SHAPES), help=f"default {SHAPES}; all: {ALL_SHAPES}")
    parser.add_argument("--directions", type=words, default=["forward_backward", "forward"])
    parser.add_argument("--gate-shape", type=lambda text: shapes_of(text)[0], default=(1, 1024, 2, 64))
    parser.add_argument("--only", choices=["speed", "gates"])
    parser.add_argument("--limit", type=float, default=170, help="seconds of a piece")
    parser.add_argument("--json", type=pathlib.Path, help="rows are added as they come")
    parser.add_argument("--commit", default="", help="for rows, where there is no repository")
    parser.add_argument("--device", default="cuda", help="cpu: only the gates' gradients, of ours")
    parser.add_argument("--piece", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    given = options()
    if given.piece:
        return measure_piece(given)
    print(f"{'implementation':<22}{'B, T, H, D':<22}{'direction':<18}{'ms':>9}{'lower':>9}{'upper':>9}{'floor':>9}{'over':>7}",
          flush=True)
    rows, seen = [], set()
    own = [word for name in ("decayc", "packages", "commit", "device") if getattr(given, name)
           for word in ("--" + name, str(getattr(given, name)))]
    own += ["--directions", ",".join(given.directions), "--gate-shape", ",".join(map(str, given.gate_shape))]
    for title, words in pieces_of(given):
        for row in run_piece([sys.executable, __file__, *own, *words], given.limit):
            if isinstance(row, str):
                print(f"{title}: {row}", flush=True)
                continue
            if row.get("card") and row["card"] not in seen:
                seen.add(row["card"])
                print(f"{row['card']}, copy {row['copy_gb_s']} GB/s, PyTorch {row['torch']}", flush=True)
            print_row(row)
            rows.append(row)
            if given.json:
                with given.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    missed = summary(rows)
    for line in missed:
        print("missed: " + line)
    return 1 if missed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
