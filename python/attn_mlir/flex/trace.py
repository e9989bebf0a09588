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


def evaluate(value, coords, score=None):
    """The value of an expression over arrays of NumPy that broadcast together.

    `coords`: b, h, q and kv, integer arrays. For plots of masks and for tests: it
    shares nothing with the compiler.
    """
    import numpy as np

    known = dict(zip(COORDS, coords))
    done = {}

    def go(v):
        if id(v) not in done:
            done[id(v)] = compute(v)
        return done[id(v)]

    def compute(v):
        if v.op == "const":
            return v.data
        if v.op == "coord":
            return known[v.data]
        if v.op == "score":
            return score
        args = [go(a) for a in v.args]
        if v.op == "read":
            # Points that no row sees may lead outside; they are masked later.
            array = np.asarray(v.data)
            inside = tuple(np.clip(i, 0, n - 1) for i, n in zip(args, array.shape))
            return array[inside]
        return _NUMPY[v.op](np, v, *args)

    return go(value)


_NUMPY = {
    "add": lambda np, v, a, b: a + b,
    "sub": lambda np, v, a, b: a - b,
    "mul": lambda np, v, a, b: a * b,
    "div": lambda np, v, a, b: a / b,
    "floordiv": lambda np, v, a, b: np.floor_divide(a, b),
    "mod": lambda np, v, a, b: np.mod(a, b),
    "min": lambda np, v, a, b: np.minimum(a, b),
    "max": lambda np, v, a, b: np.maximum(a, b),
    "lt": lambda np, v, a, b: np.less(a, b),
    "le": lambda np, v, a, b: np.less_equal(a, b),
    "eq": lambda np, v, a, b: np.equal(a, b),
    "ne": lambda np, v, a, b: np.not_equal(a, b),
    "and": lambda np, v, a, b: np.logical_and(a, b),
    "or": lambda np, v, a, b: np.logical_or(a, b),
    "not": lambda np, v, a: np.logical_not(a),
    "where": lambda np, v, c, a, b: np.where(c, a, b),
    "abs": lambda np, v, a: np.abs(a),
    "exp": lambda np, v, a: np.exp(a),
    "log": lambda np, v, a: np.log(a),
    "sqrt": lambda np, v, a: np.sqrt(a),
    "tanh": lambda np, v, a: np.tanh(a),
    "floor": lambda np, v, a: np.floor(a),
    "convert": lambda np, v, a: np.asarray(a).astype(
        np.float64 if v.kind == expr.FLOAT else np.int64
    ),
}

