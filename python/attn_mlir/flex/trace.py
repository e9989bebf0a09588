# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One call of a user's function with expressions in place of numbers."""

import traceback

from . import expr, ops
from .affine import COORDS
from .capture import Captured
from .errors import TraceError, _is_ours


def coordinates():
    return tuple(expr.Value("coord", (), expr.INT, name) for name in COORDS)


def trace_mask(function, lifter):
    """The condition of a mask_mod as an expression."""
    result = _call(function, lifter, coordinates())
    if result.kind == expr.FLOAT:
        raise TraceError(
            "expects a mask_mod that gives a bool, but got a float", _place(function)
        )
    return result if result.kind == expr.BOOL else ops.compare("ne", result, 0)


def trace_score(function, lifter):
    """The score of a score_mod as an expression."""
    score = expr.Value("score", (), expr.FLOAT)
    return ops.convert(_call(function, lifter, (score, *coordinates())), expr.FLOAT)


def _place(function):
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(function), 0)


def _call(function, lifter, arguments):
    if not callable(function):
        raise TraceError(
            f"expects a function, but got {type(function).__name__}", ("", 0)
        )
    try:
        result = lifter.lift(function, "the function")(*arguments)
        if isinstance(result, Captured):
            result = result.as_value()
        return ops.lift(result)
    except TraceError as error:
        if error.lineno and _is_user_line(error.filename):
            raise
        raise TraceError(error.what, _place(function)) from error
    except Exception as error:
        # The innermost line of the user's: below it is a library that refused.
        lines = [
            (frame.f_code.co_filename, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not _is_ours(frame) and not _is_library(frame.f_code.co_filename)
        ]
        raise TraceError(
            f"cannot be traced: {type(error).__name__}: {error}",
            lines[-1] if lines else _place(function),
        ) from error


def _is_user_line(filename):
    return bool(filename) and not _is_library(filename)


def _is_library(filename):
    return any(f"/{name}/" in filename for name in ("numpy", "torch"))
