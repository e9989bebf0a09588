# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Triton, and packages whose Triton kernels are run: fetched, never installed
beyond the work folder, never part of this tree."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

TRITON = "3.9.0"
# Libraries of Triton kernels by others: attention after Triton's own tutorial,
# and kernels for the training of language models.
LIBRARIES = {"flag_gems": "5.0.2", "liger_kernel": "0.8.5"}


class Missing(Exception):
    """A package cannot be had; `is_wanted` says that this was asked for."""

    def __init__(self, message: str, is_wanted: bool = False) -> None:
        super().__init__(message)
        self.is_wanted = is_wanted


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        last = (result.stderr + result.stdout).strip().splitlines()[-1:] or [""]
        raise Missing(f"cannot run '{' '.join(command[1:])}': {last[0]}")


def _begin(folder: Path, what: str) -> bool:
    """Whether a folder has to be filled; empties what an earlier try left."""
    if (folder / "complete").exists():
        return False
    if os.environ.get("ATTN_NO_NETWORK"):
        raise Missing(f"{folder} does not hold {what}, and ATTN_NO_NETWORK is set", True)
    shutil.rmtree(folder, ignore_errors=True)
    return True


PIP = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]


def prepare(work: Path) -> Path:
    """The interpreter that has Triton; installs it where it is missing."""
    home = work / f"triton-{TRITON}"
    python = home / "bin" / "python"
    if _begin(home, f"triton {TRITON}"):
        print(f"triton: installing triton {TRITON} into {home}: downloads about 290 MB, "
              "1.1 GB on disk", flush=True)  # fmt: skip
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), *PIP, "--only-binary=:all:", f"triton=={TRITON}"])
        (home / "complete").touch()
    return python


def kernels_of(library: str, path: str, python: Path, work: Path) -> Path:
    """A file that holds the Triton functions of a file of a library, and nothing
    of what the library needs beside Triton."""
    version = LIBRARIES[library]
    home = work / f"{library}-{version}"
    if _begin(home, f"{library} {version}"):
        print(f"triton: fetching {library} {version} into {home}: at most 3 MB", flush=True)
        _run([str(python), *PIP, "--only-binary=:all:", "--no-deps", f"--target={home}",
              f"{library}=={version}"])  # fmt: skip
        (home / "complete").touch()
    target = work / f"{library}_{Path(path).stem}.py"
    target.write_text(extract((home / library / path).read_text()))
    return target


def _is_triton(node: ast.AST) -> bool:
    """Whether an import is of Triton."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "triton"
    return isinstance(node, ast.Import) and all(
        alias.name.split(".")[0] == "triton" for alias in node.names
    )


def _outside_functions(tree: ast.AST) -> list[ast.AST]:
    """The statements of a module, also those in its if and try."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        found += [node, *_outside_functions(node)]
    return found


def extract(text: str) -> str:
    """Imports of Triton, its constants and its functions, as they stand in a
    module, without other decorators."""
    tree = ast.parse(text)
    parts: list[str] = []
    known: set[str] = set()
    for node in _outside_functions(tree):
        if _is_triton(node):
            names = {alias.asname or alias.name for alias in node.names}
            if not names & known:  # else one way of several to the same name
                parts.append(ast.unparse(node))
            known |= names
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            if ast.unparse(node.value).startswith("tl.constexpr("):
                parts.append(ast.unparse(node))
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(d).split("(")[0] for d in node.decorator_list]
            if "triton.jit" in decorators:
                parts.append("@triton.jit\n" + (ast.get_source_segment(text, node) or ""))
    return "\n\n".join(parts) + "\n"
