#!/usr/bin/env python3
"""Checks that the constraints of the attn ops are stated, labelled and tested.

usage: check_constraints.py ROOT

Every `**Cn**` below a heading of an op in docs/attn-spec.md needs a label Cn
above that op in AttnOps.td, a label `// Cn` in the op's verifier, and a test
`@op_cn..` in test/Dialect/Attn/IR/invalid-op.mlir; no such test may name a
constraint that is not stated. Prints one line per mistake.
"""

import pathlib
import re
import sys

VERIFIER = {
    "cascade": "CascadeOp.cpp",
    "coord": "CascadeOp.cpp",
    "einsum": "EinsumVerifier.cpp",
    "select": "SelectOp.cpp",
    "fold": "FoldOp.cpp",
    "view": "AddressOps.cpp",
    "place": "AddressOps.cpp",
}


def read(path):
    return path.read_text(encoding="utf-8")


def stated(spec):
    """Op -> numbers of its constraints."""
    found = {}
    for heading, body in re.findall(r"^## `attn\.(\w+)`\n(.*?)(?=^## |\Z)", spec, re.M | re.S):
        found[heading] = {int(n) for n in re.findall(r"\*\*C(\d+)\*\*", body)}
    if "place" in found and "view" in found:
        found["place"] |= found["view"]
    return {op: numbers for op, numbers in found.items() if numbers}


def labels(text):
    return {int(n) for n in re.findall(r"\bC(\d+)\b", " ".join(re.findall(r"//(.*)", text)))}


def ods_labels(ods, op):
    """Labels in the comment right above the definition of an op."""
    comments = lambda name: "".join(
        re.findall(rf"((?:^//.*\n)+)(?:def|class) {name}\b", ods, re.M)
    )
    own = comments(f"Attn_{op.capitalize()}Op")
    if op in ("view", "place"):
        own += comments("Attn_AddressOp")
    return labels(own)


def main():
    root = pathlib.Path(sys.argv[1])
    spec = stated(read(root / "docs/attn-spec.md"))
    ods = read(root / "include/attn/Dialect/Attn/IR/AttnOps.td")
    mistakes = [f"docs/attn-spec.md states no constraints of {op}" for op in VERIFIER if op not in spec]
    for op, numbers in spec.items():
        verifier = labels(read(root / "lib/Dialect/Attn/IR" / VERIFIER[op]))
        tests = read(root / f"test/Dialect/Attn/IR/invalid-{op}.mlir")
        tested = {int(n) for n in re.findall(rf"@{op}_c(\d+)", tests)}
        for number in sorted(numbers | tested):
            for place, known in (
                ("docs/attn-spec.md", numbers),
                ("AttnOps.td", ods_labels(ods, op)),
                (VERIFIER[op], verifier),
                (f"invalid-{op}.mlir", tested),
            ):
                if number not in known:
                    mistakes.append(f"{op} C{number} is missing in {place}")
    print("\n".join(mistakes))
    return 1 if mistakes else 0


sys.exit(main())
