# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which values floats can have, from those of what they are made of.

Ranges are rounded outwards by more than kernels, in f32, are off: conversions of them
to integers may be indices. An end may be infinite; None is anything, and nan.
"""

import math

from . import dtypes

_SLACK = 1e-6  # relative, of one operation
_SLACK_OF_FUNCTIONS = 1e-5  # such as log: relative and absolute


def of(value, ranges):
    """(least, largest) of a float; `ranges` gives those of its operands."""
    if value.op == "const":
        return None if math.isnan(value.data) else _held((value.data, value.data))
    if value.op == "read":
        return _ends(ranges.contents.array(value.data))
    parts = [ranges.of(a) for a in value.args]
    if value.op in ("min", "max"):
        return least_or_largest(value.op, *parts)
    if value.op == "where":
        parts = parts[1:]
    if None in parts or not parts:
        return None
    made = _MAKERS[value.op](*parts) if value.op in _MAKERS else None
    if made is None or any(math.isnan(x) for x in made):
        return None
    exact = value.op in ("where", "abs", "floor")
    return made if exact else _wider(*made)


def least_or_largest(op, a, b):
    """Of min and max: a range even where that of one of the two is unknown."""
    (a, b), (c, d) = ((-math.inf, math.inf) if part is None else part for part in (a, b))
    low, high = (min(a, c), min(b, d)) if op == "min" else (max(a, c), max(b, d))
    return None if (low, high) == (-math.inf, math.inf) else (low, high)


def truncated(found):
    """Of the integers that floats of a range become; those of infinite ends saturate."""
    if found is None or found == (-math.inf, math.inf):
        return None
    return tuple(x if math.isinf(x) else int(x) for x in found)


def _ends(array):
    if not array.size:
        return (0.0, 0.0)
    low, high = float(array.min()), float(array.max())
    return None if math.isnan(low) or math.isnan(high) else _held((low, high))


def _held(ends):
    """Of numbers that are there: exact where f32 holds them."""
    held = all(math.isinf(end) or dtypes.constant_of(end, "float32") == end for end in ends)
    return ends if held else _wider(*ends)


def _wider(low, high, slack=0.0):
    relative = max(_SLACK, slack)
    return (low - abs(low) * relative - slack, high + abs(high) * relative + slack)


def _products(x, y):
    found = [a * b for a in x for b in y]
    return None if any(map(math.isnan, found)) else (min(found), max(found))


def _quotients(x, y):
    if y[0] <= 0 <= y[1]:
        return None
    found = [a / b for a in x for b in y]
    return None if any(map(math.isnan, found)) else (min(found), max(found))


def _abs(x):
    ends = [abs(end) for end in x]
    return (0.0 if x[0] <= 0 <= x[1] else min(ends), max(ends))


def _rising(function, least=-math.inf):
    """Of a function that rises from `least` on, where it is -inf or 0, and is nan below."""
    def of_range(x):
        if x[1] < least:
            return None
        try:
            return _wider(*(function(max(end, least)) for end in x), _SLACK_OF_FUNCTIONS)
        except OverflowError:
            return None

    return of_range


def _log(x):
    return math.log(x) if x > 0 else -math.inf


def _floor(x):
    return x if math.isinf(x) else float(math.floor(x))


_MAKERS = {
    "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "sub": lambda x, y: (x[0] - y[1], x[1] - y[0]),
    "mul": _products,
    "div": _quotients,
    "where": lambda x, y: (min(x[0], y[0]), max(x[1], y[1])),
    "abs": _abs,
    "floor": _rising(_floor),
    "exp": _rising(math.exp),
    "log": _rising(_log, 0.0),
    "sqrt": _rising(math.sqrt, 0.0),
    "tanh": _rising(math.tanh),
    "convert": lambda x: (float(x[0]), float(x[1])),
}
