"""From a design's name or file to its package, by an installed decayc; packages are kept in the user's cache folder."""
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings


class DesignError(ValueError):
    """The design or one of its settings is wrong; the message is the compiler's, with place and caret."""


def find_decayc(decayc=None):
    """The compiler: the argument, else what DECAYC names, else decayc on the PATH."""
    for source, path in (("decayc=", decayc), ("DECAYC", os.environ.get("DECAYC"))):
        if path:
            found = shutil.which(os.fspath(path))
            if not found:
                raise FileNotFoundError(f"{source} says {os.fspath(path)}, which is no program")
            return found
    found = shutil.which("decayc")
    if not found:
        raise FileNotFoundError("decayc is not on the PATH: give decayc=, set DECAYC, or load a package (.so) that is "
                                "compiled already")
    return found


def cache_folder():
    """DECAY_CACHE, else `decay` in the user's folder for caches."""
    chosen = os.environ.get("DECAY_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(chosen or os.path.join(home, "decay"))


@functools.lru_cache(maxsize=None)
def _digest_of(path, modified, size):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def _fingerprint(decayc):
    """Of the compiler itself: a version number would not change with each of its sources."""
    status = os.stat(decayc)
    return _digest_of(decayc, status.st_mtime_ns, status.st_size)


def _value(setting):
    return {True: "on", False: "off"}[setting] if isinstance(setting, bool) else str(setting)


def _source(design):
    """The text of a design's file; a library's name stands for itself, its text is a part of the compiler."""
    path, _, _ = design.partition(".decay")
    if path == design:
        return design
    name = path + ".decay"
    try:
        return pathlib.Path(name).read_text(encoding="utf-8") + design[len(name):]
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no design file {name}") from None


def compile_design(design, target="cpu", decayc=None, precision=None, **settings):
    """The path of the package of a library design, `file.decay` or `file.decay:name`, compiled unless it is in the cache.

    Settings are decayc's: granularity="scalar", sharing=True, p=0.9. precision: "fp32" or "bf16", of tensors with tokens;
    None: the target's usual one. Raises DesignError for a wrong design or setting,
    FileNotFoundError without a compiler or a file, RuntimeError when the compiler cannot do its work. The compiler's
    warnings are Python's.
    """
    decayc = find_decayc(decayc)
    design = os.fspath(design)
    flags = [f"{name}={_value(value)}" for name, value in sorted(settings.items())]
    key = hashlib.sha256(json.dumps([_source(design), flags, target, precision, _fingerprint(decayc)]).encode()).hexdigest()
    home = cache_folder() / key[:32]
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as made:
            _run(decayc, design, target, precision, flags, made)
            try:
                os.rename(made, home)
                os.mkdir(made)  # for the context to remove
            except OSError:
                if not home.is_dir():  # else another process was first, with the same package
                    raise
    return str(next(home.glob("*.so")))


def _run(decayc, design, target, precision, flags, folder):
    words = [decayc, design, f"--target={target}", "-o", folder]
    if precision:
        words.append(f"--precision={precision}")
    for flag in flags:
        words += ["--set", flag]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 1:
        raise DesignError(f"{design} does not compile:\n{done.stderr.strip()}")
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr.strip()}")
    if done.stderr.strip():
        warnings.warn(done.stderr.strip(), stacklevel=2)
