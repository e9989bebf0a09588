# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One call of a user's function with expressions in place of numbers."""

import traceback

from . import expr, ops
from .affine import COORDS
from .errors import TraceError, _is_ours, is_library


def coordinates():
    return tuple(expr.Value("coord", (), expr.INT, name) for name in COORDS)


def trace_mask(function, lifter):
    """The condition of a mask_mod as an expression."""
    result = _call(function, lifter, coordinates())
    if result.kind == expr.FLOAT:
        raise TraceError(
            "expects a mask_mod that gives a bool, but got a float", place_of(function)
        )
    return result if result.kind == expr.BOOL else ops.compare("ne", result, 0)


def trace_score(function, lifter):
    """The score of a score_mod as an expression."""
    score = expr.Value("score", (), expr.FLOAT)
    return ops.convert(_call(function, lifter, (score, *coordinates())), expr.FLOAT)


def place_of(function):
    """File and first line of a function, as far as Python has them."""
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(function), 0)


def _call(function, lifter, arguments):
    try:
        result = lifter.lift(function, "the function")(*arguments)
    except TraceError as error:
        if error.filename and not is_library(error.filename):
            raise
        raise TraceError(error.what, place_of(function)) from error
    except Exception as error:
        # The innermost line of the user's: below it is a library that refused.
        lines = [
            (frame.f_code.co_filename, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not _is_ours(frame) and not is_library(frame.f_code.co_filename)
        ]
        raise TraceError(
            f"cannot be traced: {type(error).__name__}: {error}",
            lines[-1] if lines else place_of(function),
        ) from error
    try:
        return ops.lift(result)
    except TraceError as error:
        raise TraceError(f"{error.what} as what the function returns", place_of(function)) from error
