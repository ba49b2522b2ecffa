"""What add_decay_kernels has made in a folder is what it was asked for.

    packages.py FOLDER TARGET DESIGN... [-- NAME=VALUE...]
"""
import json
import pathlib
import sys


def main():
    folder, target, *rest = sys.argv[1:]
    designs, settings = (rest[:rest.index("--")], rest[rest.index("--") + 1:]) if "--" in rest else (rest, [])
    for design in designs:
        manifest = json.loads((pathlib.Path(folder) / f"{design}.json").read_text(encoding="utf-8"))
        found = {setting["name"]: setting["value"] for setting in manifest["settings"]}
        assert manifest["design"] == design and manifest["target"] == target, manifest
        for setting in settings:
            name, value = setting.split("=")
            assert found[name] == value, f"{design}: {name} is {found[name]}, expected {value}"
        endings = [".so", ".h"] + ([".ptx"] if target == "cuda" else [])
        for ending in endings:
            path = pathlib.Path(folder) / (design + ending)
            assert path.stat().st_size > 0, path
    print(f"{len(designs)} packages for {target} are as asked")


main()
