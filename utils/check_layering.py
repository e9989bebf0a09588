#!/usr/bin/env python3
"""Checks that every include follows the one-way order of docs/layering.txt.

usage: check_layering.py ROOT

Each line of the table reads `layer: the layers it may include`; a layer may
always include itself. A file of include/ and lib/ belongs to the layer with the
longest path that prefixes it; runtime/include/ counts as the layer `attnrt`,
all else below runtime/ as the layer `runtime` (or a longer one), jit/include/ and jit/ as `attnjit`
and `jit`, simulator/ as `simulator`. Beyond the table:
  - a source or header below a layered folder belongs to some layer;
  - the runtime and the simulator include no LLVM, MLIR or CUDA header and
    nothing of attn/.
Prints one line per violation and fails when there is any.
"""

import pathlib
import posixpath
import re
import sys

SUFFIXES = {".h", ".hpp", ".c", ".cc", ".cpp", ".inc", ".td", ".def"}
INCLUDE = re.compile(r'^\s*#?\s*include\s+["<]([^">]+)[">]')
FOREIGN_TO_RUNTIME = ("llvm", "llvm-c", "mlir", "mlir-c", "lld", "clang", "attn", "attn-c")
# attnrt/cuda.h is our own.
FOREIGN_FILES = re.compile(r"(^|(?<!attnrt)/)(cuda|cudart|nv\w*)\.h$|^cuda")


def read_table(path):
    table = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        layer, colon, rest = line.partition(":")
        if not colon or layer.strip() in table:
            sys.exit(f"{path}:{number}: expects one `layer: layers` per layer, but got '{line}'")
        table[layer.strip()] = set(rest.split())
    for layer, allowed in table.items():
        for name in allowed - set(table):
            sys.exit(f"{path}: layer {layer} names {name}, which is no layer")
    return table


def find_layer(table, name):
    hits = [layer for layer in table if name == layer or name.startswith(layer + "/")]
    return max(hits, key=len, default=None)


def include_name(relative):
    """The path by which a file would be included; lib/ mirrors include/attn/."""
    for prefix, instead in (
        ("include/", ""),
        ("lib/", "attn/"),
        ("runtime/include/", ""),
        ("runtime/", "runtime/"),
        ("jit/include/", ""),
        ("simulator/", "simulator/"),
    ):
        if relative.startswith(prefix):
            return instead + relative[len(prefix) :]
    return relative


def check(root):
    table = read_table(root / "docs/layering.txt")
    # A layer that exports headers only; the code behind them may use them.
    table.setdefault("runtime", set()).add("attnrt")
    for top in ("include", "lib", "runtime", "jit", "simulator"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            relative = file.relative_to(root).as_posix()
            here = find_layer(table, include_name(relative))
            if here is None:
                yield f"{relative}: belongs to no layer of docs/layering.txt"
                continue
            is_alone = top in ("runtime", "simulator")
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                header = match[1]
                name = header
                if ".." in header.split("/"):
                    name = include_name(posixpath.normpath(f"{posixpath.dirname(relative)}/{header}"))
                there = find_layer(table, name)
                foreign = name.split("/")[0] in FOREIGN_TO_RUNTIME or FOREIGN_FILES.search(name)
                if is_alone and foreign:
                    yield f"{relative}:{number}: the {top} must not include {header}"
                elif there and there != here and there not in table[here]:
                    yield f"{relative}:{number}: {here} must not include {header} ({there})"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    violations = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(violations), end="\n" if violations else "")
    return 1 if violations else 0


sys.exit(main())
