"""Writes UnicodeClasses.inc: the letters, numbers and white space of the Unicode version that tiktoken knows.

    pip install unicodedata2==16.0.0
    python3 generate_unicode.py > UnicodeClasses.inc
"""
import sys

import unicodedata2 as unicodedata

# The property White_Space; str.isspace() also takes four control characters.
SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def class_of(code):
    if code in SPACES:
        return "Space"
    category = unicodedata.category(chr(code))[0]
    return {"L": "Letter", "N": "Number"}.get(category, "Other")


def main():
    rows, first, current = [], 0, class_of(0)
    for code in range(1, sys.maxunicode + 2):
        kind = class_of(code) if code <= sys.maxunicode else None
        if kind != current:
            if current != "Other":
                rows.append(f"{{0x{first:05X}, 0x{code - 1:05X}, {current}}},")
            first, current = code, kind
    print(f"// Made by generate_unicode.py from Unicode {unicodedata.unidata_version}: first, last, class.")
    for i in range(0, len(rows), 3):
        print(" ".join(rows[i : i + 3]))


main()
