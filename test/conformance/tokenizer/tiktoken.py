"""Token numbers of `decay prepare --tokenizer=gpt2` against tiktoken's: every code point, random Unicode, real text.

    python3 test/conformance/tokenizer/tiktoken.py --decay build/bin/decay --wheels build/wheels/bin [--text FOLDER]
"""
import argparse
import array
import base64
import glob
import importlib.util
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
HEADER_BYTES = 1024
END_OF_TEXT = 50256


def load_peer(wheels):
    """tiktoken's compiled part, with GPT-2's pattern and vocabulary; None where this Python cannot load it."""
    libraries = glob.glob(str(wheels / "_tiktoken*.so"))
    vocabulary = wheels / "gpt2.tiktoken"
    if not libraries or not vocabulary.exists():
        return None
    try:
        spec = importlib.util.spec_from_file_location("_tiktoken", libraries[0])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:
        return None
    ranks = {}
    for line in vocabulary.read_bytes().splitlines():
        spelling, rank = line.split()
        ranks[base64.b64decode(spelling)] = int(rank)
    return module.CoreBPE(ranks, {"<|endoftext|>": END_OF_TEXT}, PATTERN)


def characters():
    return [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def every_code_point(alphabet, count=2048):
    """Each code point after and before a letter, a number, a space and itself."""
    for first in range(0, len(alphabet), count):
        yield "".join(f"a{c}1{c}.{c}{c} {c}  {c}\n" for c in alphabet[first:first + count])


def random_texts(alphabet, count, seed=7):
    """Runs of what the pattern tells apart, and of characters from anywhere."""
    draw = random.Random(seed)
    common = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "'", "'s", "'re", "'LL", "the", " The", "9", "12345", "!", "--", "\u00a0",
              "\u3000", "é", "e\u0301", "λ", "东京", "한국", "👍🏽", "\u200d", "\0", "<|endoftext|>", "a" * 40, " " * 40, "=" * 90]
    for _ in range(count):
        share = draw.choice([0, 0.1, 0.9])
        yield "".join(draw.choice(alphabet) if draw.random() < share else draw.choice(common)
                      for _ in range(draw.randrange(400)))


def texts_below(folders):
    """Real text that is valid UTF-8, as tiktoken needs it."""
    for folder in folders:
        for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file() and "build" not in p.parts):
            try:
                yield path.read_bytes().decode()
            except (UnicodeDecodeError, PermissionError):
                continue


def encode(decay, texts, documents, folder):
    """Both kinds of input through the program: the tokens of all, in order, and the seconds that it took."""
    (folder / "texts").mkdir()
    for number, text in enumerate(texts):
        (folder / "texts" / f"{number:06}.txt").write_bytes(text.encode())
    with open(folder / "texts" / "documents.jsonl", "w") as file:
        for number, document in enumerate(documents):
            file.write(json.dumps({"text": document}, ensure_ascii=number % 2 == 0) + "\n")
    start = time.monotonic()
    subprocess.run([decay, "prepare", folder / "texts", "-o", folder / "data", "--tokenizer=gpt2", "--validation=0", "--test=0", "-q"],
                   check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    tokens = array.array("H")
    for shard in sorted((folder / "data").glob("train-*.bin")):
        tokens.frombytes(shard.read_bytes()[HEADER_BYTES:])
    return tokens, seconds


def differences(found, texts, peer):
    """How many documents differ; the first is shown."""
    count, place = 0, 0
    for text in texts:
        expected = array.array("H", [END_OF_TEXT, *peer.encode_ordinary(text)])
        if found[place:place + len(expected)] != expected:
            count += 1
            if count == 1:
                print(f"first difference in {text[:200]!r}: expected {expected[:40].tolist()}, "
                      f"found {found[place:place + 40].tolist()}")
            end = place + 1
            while end < len(found) and found[end] != END_OF_TEXT:
                end += 1
            place = end
        else:
            place += len(expected)
    return count + (place != len(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decay", type=pathlib.Path, required=True)
    parser.add_argument("--wheels", type=pathlib.Path, required=True)
    parser.add_argument("--text", action="append", default=[], help="a folder of real text")
    chosen = parser.parse_args()
    peer = load_peer(chosen.wheels)
    if peer is None:
        print(f"skipped: tiktoken for this Python or GPT-2's vocabulary is not in {chosen.wheels}; test/support/setup.sh test fetches both")
        return SKIPPED
    alphabet = characters()
    documents = [*every_code_point(alphabet), *random_texts(alphabet, 2000)]
    texts = list(texts_below(chosen.text))
    with tempfile.TemporaryDirectory() as folder:
        found, seconds = encode(chosen.decay.resolve(), texts, documents, pathlib.Path(folder))
    wrong = differences(found, [*texts, *documents], peer)
    size = sum(len(text.encode()) for text in [*texts, *documents])
    print(f"{len(texts)} files and {len(documents)} documents, {size / 1e6:.1f} MB, {len(found)} tokens, {seconds:.2f} s: "
          f"{wrong} differences from tiktoken")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
