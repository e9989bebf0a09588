# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of NumPy and PyTorch on Values, by their names."""

import math

from . import expr, ops
from .errors import TraceError

_FUNCTIONS = {
    "where": ops.where,
    "exp": lambda x: ops.unary("exp", x),
    "exp2": lambda x: ops.power(2.0, x),
    "log": lambda x: ops.unary("log", x),
    "log2": lambda x: ops.unary("log", x) / math.log(2),
    "log1p": lambda x: ops.unary("log", 1 + ops.convert(x, expr.FLOAT)),
    "sqrt": lambda x: ops.unary("sqrt", x),
    "tanh": lambda x: ops.unary("tanh", x),
    "sigmoid": lambda x: ops.lift(x).sigmoid(),
    "floor": lambda x: ops.unary("floor", x) if ops.lift(x).kind == expr.FLOAT else ops.lift(x),
    "full_like": lambda x, fill_value, dtype=None, **_: ops.like(x, fill_value, dtype),
    "ones_like": lambda x, dtype=None, **_: ops.like(x, 1, dtype),
    "zeros_like": lambda x, dtype=None, **_: ops.like(x, 0, dtype),
    "abs": ops.absolute,
    "absolute": ops.absolute,
    "fabs": ops.absolute,
    "neg": lambda x: -ops.lift(x),
    "negative": lambda x: -ops.lift(x),
    "square": lambda x: ops.lift(x) * x,
    "clamp": ops.clamp,
    "clip": ops.clamp,
    "minimum": lambda a, b: ops.extreme("min", a, b),
    "maximum": lambda a, b: ops.extreme("max", a, b),
    "logical_and": lambda a, b: ops.logic("and", a, b),
    "logical_or": lambda a, b: ops.logic("or", a, b),
    "logical_not": ops.negate,
    "bitwise_and": lambda a, b: ops.logic("and", a, b),
    "bitwise_or": lambda a, b: ops.logic("or", a, b),
    "bitwise_not": ops.negate,
    "invert": ops.negate,
    "logical_xor": lambda a, b: ops.lift(a) ^ b,
    "bitwise_xor": lambda a, b: ops.lift(a) ^ b,
    "add": lambda a, b: ops.arithmetic("add", a, b),
    "subtract": lambda a, b: ops.arithmetic("sub", a, b),
    "sub": lambda a, b: ops.arithmetic("sub", a, b),
    "rsub": lambda a, b: ops.arithmetic("sub", b, a),
    "multiply": lambda a, b: ops.arithmetic("mul", a, b),
    "mul": lambda a, b: ops.arithmetic("mul", a, b),
    "divide": ops.divide,
    "true_divide": ops.divide,
    "div": ops.divide,
    "floor_divide": lambda a, b: ops.arithmetic("floordiv", a, b),
    "remainder": lambda a, b: ops.arithmetic("mod", a, b),
    "mod": lambda a, b: ops.arithmetic("mod", a, b),
    "power": ops.power,
    "pow": ops.power,
    "less": lambda a, b: ops.compare("lt", a, b),
    "lt": lambda a, b: ops.compare("lt", a, b),
    "less_equal": lambda a, b: ops.compare("le", a, b),
    "le": lambda a, b: ops.compare("le", a, b),
    "greater": lambda a, b: ops.compare("lt", b, a),
    "gt": lambda a, b: ops.compare("lt", b, a),
    "greater_equal": lambda a, b: ops.compare("le", b, a),
    "ge": lambda a, b: ops.compare("le", b, a),
    "equal": lambda a, b: ops.compare("eq", a, b),
    "eq": lambda a, b: ops.compare("eq", a, b),
    "not_equal": lambda a, b: ops.compare("ne", a, b),
    "ne": lambda a, b: ops.compare("ne", a, b),
}


def call_function(name, method, inputs, options):
    """A function of NumPy or PyTorch, by its name."""
    # Operators of tensors arrive as __add__, __radd__, ..
    bare = name.strip("_")
    if name.startswith("__") and hasattr(expr.Value, name):
        return getattr(ops.lift(inputs[0]), name)(*inputs[1:])
    function = _FUNCTIONS.get(bare)
    if function is None or method != "__call__":
        raise TraceError(f"expects a function that can be traced, but got {name}")
    options = {
        {"a_min": "low", "min": "low", "a_max": "high", "max": "high"}.get(k, k): v
        for k, v in options.items()
    }
    try:
        return function(*inputs, **options)
    except TypeError as error:
        raise TraceError(f"{name}: {error}") from error
