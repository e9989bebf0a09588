# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Integer expressions as text of a cascade and as coefficients."""

from . import expr, ops

# Coordinates of the user's functions, in the order of the ranks of a cascade.
COORDS = ("b", "h", "q", "kv")


def coords_of(value):
    """The coordinates that an expression depends on, in the order of COORDS."""
    found = {v.data for v in expr.walk([value]) if v.op == "coord"}
    return tuple(c for c in COORDS if c in found)


def linear(value):
    """{coordinate: factor, None: constant}, or None if it is no such sum."""
    if value.kind != expr.INT:
        return None
    if value.op == "const":
        return {None: value.data}
    if value.op == "coord":
        return {value.data: 1, None: 0}
    if value.op not in ("add", "sub", "mul"):
        return None
    a, b = (linear(x) for x in value.args)
    if a is None or b is None:
        return None
    if value.op == "mul":
        for one, other in ((a, b), (b, a)):
            if len(one) == 1:
                return {k: v * one[None] for k, v in other.items()}
        return None
    sign = 1 if value.op == "add" else -1
    return {k: a.get(k, 0) + sign * b.get(k, 0) for k in {**a, **b}}


def affine_text(value, space):
    """The expression in the words of attn-spec.md, or None if it is not affine.

    `space.coord` names coordinates; `space.symbol` names integers that are read
    at the query's side, or gives None.
    """
    if value.kind != expr.INT:
        return None
    if value.op == "const":
        return str(value.data) if value.data >= 0 else f"({value.data})"
    if value.op == "coord":
        return space.coord(value.data)
    if value.op == "read":
        return space.symbol(value)
    if value.op not in ("add", "sub", "mul", "floordiv", "mod"):
        return None
    a, b = value.args
    if value.op == "mul" and not (ops.is_const(a) or ops.is_const(b)):
        return None
    if value.op in ("floordiv", "mod") and not ops.is_const(b):
        return None
    left = affine_text(a, space)
    if left is None:
        return None
    if value.op in ("floordiv", "mod"):
        # x // -n is (-x) // n, and x % -n is -((-x) % n).
        if b.data < 0:
            left = f"(0 - {left})"
        text = f"({left} {value.op} {abs(b.data)})"
        return f"(0 - {text})" if b.data < 0 and value.op == "mod" else text
    right = affine_text(b, space)
    if right is None:
        return None
    sign = {"add": "+", "sub": "-", "mul": "*"}[value.op]
    return f"({left} {sign} {right})"
