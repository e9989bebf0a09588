#!/usr/bin/env python3
"""Prints the complete MLIR examples of Markdown files.

usage: extract_mlir.py FILE...

A complete example is a block fenced by ```mlir that starts with `func.func` or
`module`; others are fragments. The blocks are separated by `// -----`, so the
output suits --split-input-file. Fails if a file has none.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```mlir\n((?:func\.func|module)\b.*?)^```$", re.M | re.S)


def main():
    examples = []
    for name in sys.argv[1:]:
        found = BLOCK.findall(pathlib.Path(name).read_text(encoding="utf-8"))
        if not found:
            sys.exit(f"{name}: expects a complete example, but got none")
        examples += found
    print("\n// -----\n\n".join(examples), end="")


main()
