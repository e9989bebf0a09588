#!/usr/bin/env python3
"""Writes the generated reference pages of dialects and passes.

usage: reference_docs.py [--check] --tblgen=MLIR_TBLGEN ROOT [INCLUDE_DIR...]

Every include/attn/**/*Ops.td gives docs/reference/<name>.md with its ops, types
and attributes; every Passes.td gives a page named after its folder. --check
writes nothing, and fails with the list of pages that differ.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

COMMAND = "ninja -C build mlir-doc"


def find_pages(root):
    """(source, generator, page) of each page."""
    base = root / "include/attn"
    for source in sorted(base.rglob("*.td")):
        if source.name.endswith("Ops.td"):
            dialect = source.stem[: -len("Ops")].lower()
            yield source, ["-gen-dialect-doc", f"-dialect={dialect}"], f"{source.stem}.md"
        elif source.name == "Passes.td":
            parts = [p for p in source.parent.relative_to(base).parts if p != "Dialect"]
            yield source, ["-gen-pass-doc"], "".join(parts) + "Passes.md"


def generate(tblgen, source, generator, includes):
    with tempfile.NamedTemporaryFile(suffix=".md") as page:
        command = [tblgen, *generator, str(source), "-o", page.name]
        command += [f"-I{directory}" for directory in includes]
        subprocess.run(command, check=True)
        text = pathlib.Path(page.name).read_text(encoding="utf-8")
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tblgen", required=True)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("include", nargs="*")
    arguments = parser.parse_args()

    folder = arguments.root / "docs/reference"
    includes = [arguments.root / "include", *arguments.include]
    pages = {
        page: generate(arguments.tblgen, source, generator, includes)
        for source, generator, page in find_pages(arguments.root)
    }
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    stale = sorted(name for name in pages.keys() | present.keys() if pages.get(name) != present.get(name))
    if arguments.check:
        for name in stale:
            print(f"docs/reference/{name} is not up to date; {COMMAND} writes it")
        return 1 if stale else 0

    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in pages:
            (folder / name).write_text(pages[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return 0


sys.exit(main())
