# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Integer expressions as text of a cascade and as coefficients."""

from . import expr, ops

# Coordinates of the user's functions, in the order of the ranks of a cascade.
COORDS = ("b", "h", "q", "kv")


# Factors, letters of a text and divisions beyond which an expression is data: the
# compiler takes 256 operators, an expression that shares parts is written out, and MLIR
# looks at a division twice for each one around it.
LARGEST_FACTOR, LONGEST, MOST_DIVISIONS = 2**31 - 1, 400, 8


def coords_of(value):
    """The coordinates that an expression depends on, in the order of COORDS."""
    return tuple(c for c in COORDS if c in value.coords)


def linear(value):
    """{coordinate: factor, None: constant}, or None if it is no such sum."""
    if value.form == ():  # an expression may stand in many places: looked at once
        value.form = _linear(value)
    return value.form


def _linear(value):
    if value.kind != expr.INT:
        return None
    if value.op == "const":
        return {None: value.data}
    if value.op == "coord":
        return {value.data: 1, None: 0}
    if value.op not in ("add", "sub", "mul"):
        return None
    a, b = (linear(x) for x in value.args)
    return None if a is None or b is None else _joined(value.op, a, b)


def _joined(op, a, b):
    """The sum, difference or product of two forms, or None for a product of variables."""
    if op == "mul":
        for one, other in ((a, b), (b, a)):
            if len(one) == 1:
                return {k: v * one[None] for k, v in other.items()}
        return None
    sign = 1 if op == "add" else -1
    return {k: a.get(k, 0) + sign * b.get(k, 0) for k in {**a, **b}}


class Affine:
    """Integer expressions of one cascade in the words of attn-spec.md.

    `space.coord` says of which ranks a coordinate is the sum; `space.symbol` names
    integers that are read at the query's side, or gives None.
    """

    def __init__(self, space):
        self.space = space
        self._known = {}  # id of a value -> (value, form): the value keeps its id

    def form(self, value):
        """{text of a term: factor, None: constant}, or None if it is not affine."""
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._checked(value))
        return self._known[id(value)][1]

    def _checked(self, value):
        form = self._compute(value) if value.kind == expr.INT else None
        if form is None:
            return None
        form = {k: n for k, n in form.items() if n or k is None}
        text = text_of(form)
        divisions = text.count("floordiv") + text.count("mod")
        fits = all(abs(n) <= LARGEST_FACTOR for n in form.values())
        return form if fits and len(text) <= LONGEST and divisions <= MOST_DIVISIONS else None

    def _compute(self, value):
        if value.op == "const":
            return {None: value.data}
        if value.op == "coord":
            return self.space.coord(value.data) | {None: 0}
        if value.op == "read":
            name = self.space.symbol(value)
            return name and {name: 1, None: 0}
        if value.op not in ("add", "sub", "mul", "floordiv", "mod"):
            return None
        a, b = value.args
        if value.op in ("floordiv", "mod") and not ops.is_const(b):
            return None
        left = self.form(a)
        right = None if left is None else self.form(b)
        if right is None:
            return None
        if value.op in ("add", "sub", "mul"):
            return _joined(value.op, left, right)
        # x // -n is (-x) // n, and x % -n is -((-x) % n).
        sign = 1 if b.data > 0 else -1
        text = text_of({k: sign * n for k, n in left.items()})
        return {f"{_atom(text)} {value.op} {abs(b.data)}": sign if value.op == "mod" else 1, None: 0}


def text_of(form):
    """Text of a form of Affine: what is added first."""
    out = ""
    for term, factor in sorted(form.items(), key=lambda item: (item[0] is None, item[1] < 0)):
        if term is None:
            if not factor and out:
                continue
            part = str(abs(factor))
        else:
            part = term if abs(factor) == 1 else f"{abs(factor)} * {_atom(term)}"
        if out:
            out += f" {'-' if factor < 0 else '+'} {part}"
        else:
            out = f"0 - {part}" if factor < 0 else part
    return out


def _atom(text):
    return text if text.isidentifier() else f"({text})"
