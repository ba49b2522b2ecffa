"""The rules of the house that are about names and includes, one function each.

    house.py RULE ROOT        prints what breaks RULE as file:line: text; exit code 1 if anything does
"""
import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
import figures as gpu_figures

SOURCE_FOLDERS = ("dsl", "compiler", "runtime", "test", "examples")
SOURCES = (".cpp", ".h", ".c", ".td")

# (folder, what it must not include, what it may nevertheless)
FORBIDDEN_INCLUDES = [
    ("runtime/", r"(mlir|llvm|mlir-c|llvm-c|lld|clang)/", None),
    ("runtime/", r"(compiler|dsl)/", r"compiler/driver/Compile\.h"),
    ("compiler/", r"runtime/", r"runtime/abi/"),
    ("dsl/", r"(runtime|compiler)/", r"(compiler/dialect/decay|runtime/abi)/"),
]

# A target's words -> the folders that may say them.
TARGET_WORDS = [
    (r"\b(avx2|avx512\w*|AVX2|AVX512\w*|x86\w*)\b|\"cpu\"",
     ("compiler/target/cpu/", "runtime/device/cpu/", "runtime/kernels/native/cpu/")),
    (r"\b(cuda|nvvm|ptx|nvgpu)\b", ("compiler/target/cuda/", "runtime/device/cuda/", "runtime/kernels/native/cuda/",
      "runtime/communication/cuda/")),
]

MOST_LINES = 600


def sources(root, suffixes=SOURCES, folders=SOURCE_FOLDERS):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def without_comments(text):
    """Comments become blanks, so that line numbers stay."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0)) if match.group(0)[0] == "/" else match.group(0)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def layers(root):
    for name, text in sources(root):
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
            if not include:
                continue
            for folder, forbidden, allowed in FORBIDDEN_INCLUDES:
                path = include.group(1)
                if name.startswith(folder) and re.match(forbidden, path) and not (allowed and re.match(allowed, path)):
                    yield f"{name}:{number}: {folder} must not include {path}"


def targets(root):
    for name, text in sources(root, folders=("dsl", "compiler", "runtime")):
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for words, folders in TARGET_WORDS:
                found = re.search(words, line)
                if found and not name.startswith(folders):
                    yield f"{name}:{number}: {found.group(0)} is a target's word; it may stand in {', '.join(folders)}"


def passes(root):
    tests = {path.stem for path in (root / "test" / "lit").rglob("*") if path.is_file()}
    for name, text in sources(root, suffixes=(".td",)):
        for found in re.finditer(r'def\s+\w+\s*:\s*Pass<\s*"([^"]+)"', text):
            if found.group(1) not in tests:
                number = text.count("\n", 0, found.start()) + 1
                yield f"{name}:{number}: the pass {found.group(1)} has no test of its name under test/lit"


def length(root):
    for name, text in sources(root, suffixes=SOURCES + (".py", ".sh", ".cmake")):
        lines = text.count("\n")
        if lines > MOST_LINES:
            yield f"{name}:{lines}: more than {MOST_LINES} lines"


def listed(root):
    """Every source stands in a CMakeLists.txt of its folder or of one above it."""
    for name, _ in sources(root, suffixes=(".cpp", ".c")):
        folder = (root / name).parent
        while folder != root:
            lists = folder / "CMakeLists.txt"
            if lists.exists() and pathlib.Path(name).name in lists.read_text(encoding="utf-8"):
                break
            folder = folder.parent
        else:
            yield f"{name}:1: no CMakeLists.txt names it"


def readmes(root):
    for folder in ("dsl", "compiler", "runtime"):
        holding = {(root / name).parent for name, _ in sources(root, folders=(folder,))}
        for path in sorted(holding):
            readme = path / "README.md"
            if not readme.exists() and not (path.parent / "README.md").exists():
                yield f"{path.relative_to(root)}:1: no README.md here or one folder above"
            elif readme.exists() and readme.read_text(encoding="utf-8").count("\n") > 40:
                yield f"{readme.relative_to(root)}:1: longer than 40 lines"


def shown(root):
    """The design that the README shows is the one that the demo trains."""
    example = root / "examples" / "my_decay.decay"
    if not example.exists():
        return
    lines = [line for line in example.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    page = root / "README.md"
    if not page.exists() or "\n".join("    " + line for line in lines) not in page.read_text(encoding="utf-8"):
        yield f"{example.relative_to(root)}:1: README.md does not show this text"


def names(root):
    """A name with blanks or control characters is a slip: a redirection, or a log taken for a path."""
    for folder in SOURCE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if re.search(r"[^!-~]", path.name):
                yield f"{path.parent.relative_to(root).as_posix()}: {path.name!r} is no name for a file"


def figures(root):
    """The README's table of GPU figures is made of the rows that are kept."""
    problem = gpu_figures.stale(root)
    if problem:
        yield f"{gpu_figures.ROWS}:1: {problem}"


RULES = {rule.__name__: rule for rule in (layers, targets, passes, length, listed, readmes, shown, names, figures)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in RULES:
        sys.exit(f"{__doc__}\nrules: {', '.join(RULES)}")
    broken = list(RULES[sys.argv[1]](pathlib.Path(sys.argv[2])))
    print("\n".join(broken) or f"{sys.argv[1]}: kept")
    sys.exit(1 if broken else 0)


main()
