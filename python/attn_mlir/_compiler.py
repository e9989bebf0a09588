# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the compiler is, and calls to it."""

import os
import pathlib
import warnings

from . import _native
from ._errors import Error


def _library() -> str:
    """ATTN_JIT_LIBRARY, else beside the package, else the loader's path."""
    named = os.environ.get("ATTN_JIT_LIBRARY")
    if named:
        return named
    beside = pathlib.Path(__file__).parent / "libattnjit.so"
    return str(beside) if beside.exists() else "libattnjit.so"


class CompileWarning(UserWarning):
    """What the compiler has to say of a program that it compiles all the same."""


def _check_text(**given):
    for name, value in given.items():
        if not isinstance(value, str):
            raise Error("invalid argument", f"expects {name} as str, but got {value!r}")


def compile_quietly(text, targets="cpu", *, entry=None, rows=0, tile=0, cache_dir=None):
    """compile() without warnings of Python."""
    _check_text(text=text, targets=targets)
    return _native.compile(_library(), text, targets, entry, rows, tile, cache_dir)


def compile(text, targets="cpu", *, entry=None, rows=0, tile=0, cache_dir=None):
    """Compiles the text of cascades to a bundle.

    `targets`, separated by commas: "cpu" (this machine), "x86-64-v2" ..
    "x86-64-v4", chips as "sm_80". `entry`: the only function to take. `rows` and
    `tile`: most packed rows of a work item and keys of a tile, 0: chosen.
    `cache_dir`: a folder of bundles that is shared by processes; what lies in it
    is run.

    Returns a `Compiled` with `bundle` (bytes), `diagnostics` and `origin`. What it
    warns of is a CompileWarning too: above all values that are held in memory as a
    whole, with their size, because no one-pass form or no kernel was found. Error
    (invalid argument) has all diagnostics with line and column; unavailable
    without a compiler. Releases the GIL.
    """
    made = compile_quietly(
        text, targets, entry=entry, rows=rows, tile=tile, cache_dir=cache_dir
    )
    for line in made.diagnostics.splitlines():
        if "warning: " in line:
            warnings.warn(line, CompileWarning, stacklevel=2)
    return made


def describe(text):
    """What the text of cascades asks for, as lines for people; nothing is compiled.

    For each cascade the passes over each rank that is reduced, and what is read and
    written: formulas and, where all lengths are static, bytes beside their lower
    bounds. Error (invalid argument) has all diagnostics; unavailable without a
    compiler.
    """
    _check_text(text=text)
    return _native.describe(_library(), text)


def classify_tiles(text, ranks, points, tile, values):
    """Classes of the tiles of `points` (rows, columns) along two ranks, as bytes.

    0: no point of the mask, 1: some, 2: all; row by row. `values`: other ranks and
    the symbols of the mask, by name. See attnjit_classify_tiles.
    """
    return _native.classify_tiles(_library(), text, ranks, points, tile, values)


def compiler_version():
    """Version of the compiler and of LLVM; None where there is no compiler."""
    try:
        return _native.compiler_version(_library())
    except Error as error:
        if error.status == "unavailable":
            return None
        raise
