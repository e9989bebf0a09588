# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Expressions that a traced function builds.

A `Value` is a scalar at one point (b, h, q_idx, kv_idx): an operation, its
operands and a kind. The functions are called once with Values; operators and
functions of NumPy and PyTorch on them build a tree. Integers divide as in Python:
`//` rounds down and `%` has the sign of the divisor.
"""

from . import dtypes
from .dtypes import BOOL, FLOAT, INT, requested
from .errors import TraceError, find_line

# Integers of f32 have 24 bits.
_EXACT = 2**24

class Value:
    """A node. `op` is what it does, `args` its operands, `data` what else it needs."""

    # `name`: what a tensor that is read is called in messages. `coords`: the coordinates
    # that it depends on. `form`: what affine.linear keeps.
    # `of_score`: whether the score is part of it. `precise`: whether what is of f64 is.
    # `wide`: whether an integer need not be one of f32.
    __slots__ = (
        "op", "args", "kind", "data", "place", "name", "coords", "form", "of_score", "precise", "wide"
    )
    # Of NumPy's scalars and arrays on the left-hand side.
    __array_priority__ = 1000

    def __init__(self, op, args, kind, data=None, name=""):
        self.op, self.args, self.kind, self.data = op, tuple(args), kind, data
        self.name = name
        self.place = find_line()
        self.coords = frozenset((data,) if op == "coord" else ()).union(*(a.coords for a in self.args))
        self.form = ()
        parts = () if op == "read" else self.args
        self.of_score = op == "score" or any(a.of_score for a in parts)
        self.precise = self._is_precise(parts)
        self.wide = kind == INT and self._is_wide(parts)

    def _is_precise(self, parts):
        if self.op == "convert" and self.data is not None:
            return self.data == "float64"
        if self.op == "read":
            return self.data.dtype == "float64"
        return any(a.precise for a in parts)

    def _is_wide(self, parts):
        if self.op == "read":
            return self.data.dtype in ("int32", "int64")
        if self.op == "const":
            return abs(self.data) >= _EXACT
        if self.op == "convert":
            return parts[0].kind == FLOAT
        if self.op == "mul" and not any(a.op == "const" and abs(a.data) <= 16 for a in parts):
            return True
        if self.op == "mod" and parts[1].op == "const":
            return parts[1].wide
        return any(a.wide for a in parts)

    @property
    def dtype_name(self):
        """The type that .to() and .type_as() another value take of this one."""
        if self.op == "read":
            return self.data.dtype
        if self.kind == FLOAT:
            return "float64" if self.precise and not self.of_score else "float32"
        return "int64" if self.kind == INT else "bool"

    # Identity: a comparison of Values is a condition, not an answer.
    __hash__ = object.__hash__

    # Arithmetic
    def __add__(self, other):
        return ops.arithmetic("add", self, other)

    def __radd__(self, other):
        return ops.arithmetic("add", other, self)

    def __sub__(self, other):
        return ops.arithmetic("sub", self, other)

    def __rsub__(self, other):
        return ops.arithmetic("sub", other, self)

    def __mul__(self, other):
        return ops.arithmetic("mul", self, other)

    def __rmul__(self, other):
        return ops.arithmetic("mul", other, self)

    def __floordiv__(self, other):
        return ops.arithmetic("floordiv", self, other)

    def __rfloordiv__(self, other):
        return ops.arithmetic("floordiv", other, self)

    def __mod__(self, other):
        return ops.arithmetic("mod", self, other)

    def __rmod__(self, other):
        return ops.arithmetic("mod", other, self)

    def __truediv__(self, other):
        return ops.divide(self, other)

    def __rtruediv__(self, other):
        return ops.divide(other, self)

    def __pow__(self, other):
        return ops.power(self, other)

    def __rpow__(self, other):
        return ops.power(other, self)

    def __neg__(self):
        return ops.arithmetic("sub", 0, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return ops.absolute(self)

    def __lshift__(self, other):
        return self * (1 << ops._shift(other))

    def __rshift__(self, other):
        return self // (1 << ops._shift(other))

    # Comparisons
    def __lt__(self, other):
        return ops.compare("lt", self, other)

    def __le__(self, other):
        return ops.compare("le", self, other)

    def __gt__(self, other):
        return ops.compare("lt", other, self)

    def __ge__(self, other):
        return ops.compare("le", other, self)

    def __eq__(self, other):
        return ops.compare("eq", self, other)

    def __ne__(self, other):
        return ops.compare("ne", self, other)

    # Logic
    def __and__(self, other):
        return ops.logic("and", self, other)

    __rand__ = __and__

    def __or__(self, other):
        return ops.logic("or", self, other)

    __ror__ = __or__

    def __xor__(self, other):
        return ops.compare("ne", ops.as_bool(self, "^"), ops.as_bool(ops.lift(other), "^"))

    __rxor__ = __xor__

    def __invert__(self):
        return ops.negate(self)

    # What would need the value while tracing
    def __bool__(self):
        raise TraceError(
            "expects an expression, but got Python's if, and, or, not or a chained "
            "comparison on one: use &, |, ~ and where"
        )

    def _no_number(self, *_):
        raise TraceError(
            "expects an expression, but got a use that needs its value (an index of "
            "a list, range, int() or float()): captured tensors can be indexed, and "
            ".float() converts"
        )

    __index__ = __int__ = __float__ = __len__ = __iter__ = _no_number
    __contains__ = __getitem__ = _no_number

    # Methods of tensors
    def abs(self):
        return ops.absolute(self)

    def logical_and(self, other):
        return ops.logic("and", self, other)

    def logical_or(self, other):
        return ops.logic("or", self, other)

    def logical_not(self):
        return ops.negate(self)

    def exp(self):
        return ops.unary("exp", self)

    def log(self):
        return ops.unary("log", self)

    def sqrt(self):
        return ops.unary("sqrt", self)

    def tanh(self):
        return ops.unary("tanh", self)

    def sigmoid(self):
        return 1 / (1 + ops.unary("exp", -self))

    def pow(self, other):
        return ops.power(self, other)

    def to(self, *places, dtype=None, **_):
        """A type may stand anywhere among devices and layouts, or be that of a value."""
        name = requested(places, dtype)
        return self if name is None else ops.cast(self, name)

    def type(self, dtype, **_):
        return ops.cast(self, dtypes.name_of(dtype))

    astype = type

    def type_as(self, other):
        return self.to(other)

    def clamp(self, min=None, max=None):
        return ops.clamp(self, min, max)

    clip = clamp

    def where(self, condition, other):
        return ops.where(condition, self, other)

    # What constants are made like: a point is a tensor without axes.
    device = "cpu"

    def new_full(self, size, fill_value, *, dtype=None, **_):
        return ops.constant(fill_value, size, dtype, self)

    def new_ones(self, size, *, dtype=None, **_):
        return ops.constant(1, size, dtype, self)

    def new_zeros(self, size, *, dtype=None, **_):
        return ops.constant(0, size, dtype, self)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(f"expects a method that can be traced, but got .{name}")

    # Functions of NumPy and PyTorch
    def __array__(self, *_, **__):
        raise TraceError("expects functions that can be traced, but got NumPy's array()")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return functions.call_function(ufunc.__name__, method, inputs, options)

    def __array_function__(self, function, types, inputs, options):
        return functions.call_function(function.__name__, "__call__", inputs, options)

    @classmethod
    def __torch_function__(cls, function, types, inputs=(), options=None):
        name = getattr(function, "__name__", str(function))
        return functions.call_function(name, "__call__", inputs, options or {})


def _converter(name):
    return lambda self, *_, **__: self.to(dtype=name)


def add_converters(kind):
    """Methods .float(), .long() and so on of a class that has .to()."""
    for method, name in dtypes.METHODS.items():
        setattr(kind, method, _converter(name))
    return kind


add_converters(Value)


def walk(roots, args_of=lambda value: value.args):
    """Every node once, operands first: the innermost fault is the cause."""
    seen = set()

    def go(value):
        if id(value) in seen:
            return
        seen.add(id(value))
        for arg in args_of(value):
            yield from go(arg)
        yield value

    for root in roots:
        yield from go(root)


# Values are made by functions that need the class.
from . import functions, ops  # noqa: E402
