# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations that make Values: constants are folded, kinds are joined."""

import math
import numbers

from .dtypes import BOOL, BOUNDS, FLOAT, INT, constant_of, kind_of, name_of
from .errors import TraceError
from .expr import Value

# Kinds in the order in which one operand turns into the other's kind.
_ORDER = {BOOL: 0, INT: 1, FLOAT: 2}


def _shift(amount):
    if not isinstance(amount, numbers.Integral) or not 0 <= amount < 63:
        raise TraceError(f"expects a shift by 0 to 62, but got {amount!r}")
    return int(amount)


def lift(value) -> Value:
    """A Value of a number; what is one stays as it is."""
    if isinstance(value, Value):
        return value
    if hasattr(value, "as_value"):
        return value.as_value()
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return Value("const", (), BOOL, bool(value))
    if isinstance(value, numbers.Integral):
        return Value("const", (), INT, int(value))
    if isinstance(value, numbers.Real):
        return Value("const", (), FLOAT, float(value))
    if hasattr(value, "item") and getattr(value, "shape", None) in ((), []):
        return lift(value.item())  # made inside of the function: torch.tensor(3)
    raise TraceError(
        f"expects a number or an expression, but got {type(value).__name__}"
    )


def constant(fill, size, dtype, value) -> Value:
    """What new_full, full_like and their like make of a value: all sizes are ()."""
    if tuple(size if hasattr(size, "__iter__") else (size,)) != ():
        raise TraceError(f"expects a constant of size (), but got {size}")
    return cast(fill, lift(value).dtype_name if dtype is None else name_of(dtype))


def like(value, fill, dtype) -> Value:
    return constant(fill, (), dtype, value)


def is_const(value, *numbers_):
    return value.op == "const" and (not numbers_ or value.data in numbers_)


def cast(value, name):
    """What .to() and .astype() make: an element of the type `name`.

    A read is one of the converted tensor. What is computed keeps its bits, in at least
    32 of them: if it need not fit the type, that is an error here or of the call.
    """
    value, kind = lift(value), kind_of(name)
    if value.op == "const":
        return Value("const", (), kind, constant_of(value.data, name))
    if value.op == "read":
        source = value.data.to(name).read()
        return Value("read", value.args, kind, source, value.name)
    if kind == BOOL:
        return convert(value, kind)
    if kind == INT:
        value = convert(value, INT)
        return Value("narrow", (value,), INT, name) if name in BOUNDS else value
    if value.kind == BOOL:
        return Value("convert", (value,), FLOAT, None if name != "float64" else name)
    if name in ("float16", "bfloat16"):
        raise TraceError(
            f"expects conversions of what is computed to float32 or float64, but got {name}, "
            "which rounds: captured tensors convert before they are read, as bias.half()[kv_idx]"
        )
    if value.kind == FLOAT and (value.of_score or value.precise == (name == "float64")):
        return value
    return Value("convert", (value,), FLOAT, name)


def convert(value, kind):
    """To the kind of another operand: integers that f32 need not hold are of f64."""
    value = lift(value)
    if value.kind == kind:
        return value
    if value.op == "const":
        data = value.data
        return Value("const", (), kind, {INT: int, FLOAT: float, BOOL: bool}[kind](data))
    if kind == BOOL:
        return compare("ne", value, 0)
    return Value("convert", (value,), kind, "float64" if kind == FLOAT and value.wide else None)


def as_bool(value, what):
    if value.kind != BOOL:
        raise TraceError(f"expects bools on both sides of {what}, but got {value.kind}s")
    return value


_FOLD = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "div": lambda a, b: a / b,
    "min": min,
    "max": max,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}


def _fold(op, a, b, kind):
    if op in ("floordiv", "mod", "div") and b.data == 0:
        raise TraceError("expects a divisor, but got 0")
    return Value("const", (), kind, _FOLD[op](a.data, b.data))


# Arithmetic of two bools stays one, as in NumPy and PyTorch: True + True is True.
_OF_BOOLS = {"add": "or", "mul": "and"}


def arithmetic(op, a, b):
    a, b = lift(a), lift(b)
    if a.kind == BOOL and b.kind == BOOL:
        if op in _OF_BOOLS:
            return logic(_OF_BOOLS[op], a, b)
        if op == "sub":
            raise TraceError("expects numbers on both sides of -, but got bools: use ^")
    kind = max(a.kind, b.kind, INT, key=_ORDER.get)
    a, b = convert(a, kind), convert(b, kind)
    if op in ("floordiv", "mod") and is_const(b, 0):
        raise TraceError("expects a divisor, but got 0")
    if a.op == "const" and b.op == "const":
        return _fold(op, a, b, kind)
    if op in ("add", "sub") and is_const(b, 0):
        return a
    if op == "add" and is_const(a, 0):
        return b
    if op in ("mul", "floordiv") and kind == INT and is_const(b, 1):
        return a
    if kind == FLOAT and op in ("floordiv", "mod"):
        down = Value("floor", (divide(a, b),), FLOAT)
        return down if op == "floordiv" else a - down * b
    return Value(op, (a, b), kind)


def divide(a, b):
    a, b = convert(a, FLOAT), convert(b, FLOAT)
    if a.op == "const" and b.op == "const":
        return _fold("div", a, b, FLOAT)
    return Value("div", (a, b), FLOAT)


def power(a, b):
    a, b = lift(a), lift(b)
    if b.op == "const" and b.data == int(min(max(b.data, 0), 8)):
        a = convert(a, FLOAT) if b.kind == FLOAT else a
        out = lift(1 if a.kind != FLOAT else 1.0)
        for _ in range(int(b.data)):
            out = a if is_const(out, 1) else out * a
        return out
    if a.op == "const" and a.data > 0:
        return unary("exp", convert(b, FLOAT) * math.log(a.data))
    if b.op == "const" and b.data == 0.5:
        return unary("sqrt", a)
    raise TraceError(
        "expects a power with a constant exponent from 0 to 8, or with a positive "
        "constant base"
    )


_CONST_UNARY = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "floor": math.floor,
}


def unary(op, value):
    value = convert(value, FLOAT)
    if value.op == "const":
        return lift(float(_CONST_UNARY[op](value.data)))
    return Value(op, (value,), FLOAT)


def absolute(value):
    value = lift(value)
    if value.op == "const":
        return lift(abs(value.data))
    return Value("abs", (value,), value.kind)


def extreme(op, a, b):
    a, b = lift(a), lift(b)
    kind = max(a.kind, b.kind, INT, key=_ORDER.get)
    a, b = convert(a, kind), convert(b, kind)
    if a.op == "const" and b.op == "const":
        return _fold(op, a, b, kind)
    return Value(op, (a, b), kind)


def clamp(value, low=None, high=None):
    value = lift(value)
    if low is not None:
        value = extreme("max", value, low)
    return value if high is None else extreme("min", value, high)


def compare(op, a, b):
    a, b = lift(a), lift(b)
    if a.kind == BOOL and b.kind == BOOL and op in ("eq", "ne"):
        for one, other in ((a, b), (b, a)):
            if one.op == "const":
                return other if one.data == (op == "eq") else negate(other)
        same = (a & b) | (~a & ~b)
        return same if op == "eq" else ~same
    kind = max(a.kind, b.kind, INT, key=_ORDER.get)
    a, b = convert(a, kind), convert(b, kind)
    if a.op == "const" and b.op == "const":
        return _fold(op, a, b, BOOL)
    return Value(op, (a, b), BOOL)


def logic(op, a, b):
    sign = "&" if op == "and" else "|"
    a, b = as_bool(lift(a), sign), as_bool(lift(b), sign)
    for one, other in ((a, b), (b, a)):
        if one.op == "const":
            return other if one.data == (op == "and") else one
    return Value(op, (a, b), BOOL)


def negate(value):
    value = lift(value)
    if value.kind != BOOL:
        raise TraceError(f"expects a bool after ~, but got {value.kind}")
    if value.op == "const":
        return lift(not value.data)
    return value.args[0] if value.op == "not" else Value("not", (value,), BOOL)


def where(condition, a, b):
    condition = lift(condition)
    if condition.kind != BOOL:
        condition = compare("ne", condition, 0)
    a, b = lift(a), lift(b)
    if condition.op == "const":
        return a if condition.data else b
    if a.kind == BOOL and b.kind == BOOL:
        return (condition & a) | (~condition & b)
    kind = max(a.kind, b.kind, key=_ORDER.get)
    return Value("where", (condition, convert(a, kind), convert(b, kind)), kind)
