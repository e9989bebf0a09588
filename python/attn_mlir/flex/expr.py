# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Expressions that a traced function builds.

A `Value` is a scalar at one point (b, h, q_idx, kv_idx): an operation, its
operands and a kind. The functions are called once with Values; operators and
functions of NumPy and PyTorch on them build a tree. Integers divide as in Python:
`//` rounds down and `%` has the sign of the divisor.
"""

import math
import numbers

from .errors import TraceError, find_line

INT, FLOAT, BOOL = "integer", "float", "bool"

# Kinds in the order in which one operand turns into the other's kind.
_ORDER = {BOOL: 0, INT: 1, FLOAT: 2}


def kind_of_dtype(name: str) -> str:
    """Of NumPy's "int64", PyTorch's "torch.int64" and DLPack's "i64"."""
    name = name.rsplit(".", 1)[-1]
    if name in ("bool", "bool_"):
        return BOOL
    return INT if name[0] in "iu" else FLOAT


class Value:
    """A node. `op` is what it does, `args` its operands, `data` what else it needs."""

    __slots__ = ("op", "args", "kind", "data", "place")
    # Of NumPy's scalars and arrays on the left-hand side.
    __array_priority__ = 1000

    def __init__(self, op, args, kind, data=None):
        self.op, self.args, self.kind, self.data = op, tuple(args), kind, data
        self.place = find_line()

    # Identity: a comparison of Values is a condition, not an answer.
    __hash__ = object.__hash__

    def key(self):
        """Equal for equal expressions."""
        data = self.data if self.op != "read" else id(self.data)
        return (self.op, self.kind, data, tuple(a.key() for a in self.args))

    # Arithmetic
    def __add__(self, other):
        return arithmetic("add", self, other)

    def __radd__(self, other):
        return arithmetic("add", other, self)

    def __sub__(self, other):
        return arithmetic("sub", self, other)

    def __rsub__(self, other):
        return arithmetic("sub", other, self)

    def __mul__(self, other):
        return arithmetic("mul", self, other)

    def __rmul__(self, other):
        return arithmetic("mul", other, self)

    def __floordiv__(self, other):
        return arithmetic("floordiv", self, other)

    def __rfloordiv__(self, other):
        return arithmetic("floordiv", other, self)

    def __mod__(self, other):
        return arithmetic("mod", self, other)

    def __rmod__(self, other):
        return arithmetic("mod", other, self)

    def __truediv__(self, other):
        return divide(self, other)

    def __rtruediv__(self, other):
        return divide(other, self)

    def __pow__(self, other):
        return power(self, other)

    def __rpow__(self, other):
        return power(other, self)

    def __neg__(self):
        return arithmetic("sub", 0, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return absolute(self)

    def __lshift__(self, other):
        return self * (1 << _shift(other))

    def __rshift__(self, other):
        return self // (1 << _shift(other))

    # Comparisons
    def __lt__(self, other):
        return compare("lt", self, other)

    def __le__(self, other):
        return compare("le", self, other)

    def __gt__(self, other):
        return compare("lt", other, self)

    def __ge__(self, other):
        return compare("le", other, self)

    def __eq__(self, other):
        return compare("eq", self, other)

    def __ne__(self, other):
        return compare("ne", self, other)

    # Logic
    def __and__(self, other):
        return logic("and", self, other)

    __rand__ = __and__

    def __or__(self, other):
        return logic("or", self, other)

    __ror__ = __or__

    def __xor__(self, other):
        return compare("ne", as_bool(self, "^"), as_bool(lift(other), "^"))

    __rxor__ = __xor__

    def __invert__(self):
        return negate(self)

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
        return absolute(self)

    def logical_and(self, other):
        return logic("and", self, other)

    def logical_or(self, other):
        return logic("or", self, other)

    def logical_not(self):
        return negate(self)

    def exp(self):
        return unary("exp", self)

    def log(self):
        return unary("log", self)

    def sqrt(self):
        return unary("sqrt", self)

    def tanh(self):
        return unary("tanh", self)

    def sigmoid(self):
        return 1 / (1 + unary("exp", -self))

    def pow(self, other):
        return power(self, other)

    def float(self):
        return convert(self, FLOAT)

    half = bfloat16 = double = float

    def int(self):
        return convert(self, INT)

    long = int

    def bool(self):
        return self if self.kind == BOOL else compare("ne", self, 0)

    def to(self, dtype=None, *_, **__):
        kind = kind_of_dtype(getattr(dtype, "__name__", None) or str(dtype))
        return self.bool() if kind == BOOL else convert(self, kind)

    type = astype = to

    def clamp(self, min=None, max=None):
        return clamp(self, min, max)

    clip = clamp

    def where(self, condition, other):
        return where(condition, self, other)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(f"expects a method that can be traced, but got .{name}")

    # Functions of NumPy and PyTorch
    def __array__(self, *_, **__):
        raise TraceError("expects functions that can be traced, but got NumPy's array()")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_function(ufunc.__name__, method, inputs, options)

    def __array_function__(self, function, types, inputs, options):
        return call_function(function.__name__, "__call__", inputs, options)

    @classmethod
    def __torch_function__(cls, function, types, inputs=(), options=None):
        name = getattr(function, "__name__", str(function))
        return call_function(name, "__call__", inputs, options or {})


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


def is_const(value, *numbers_):
    return value.op == "const" and (not numbers_ or value.data in numbers_)


def convert(value, kind):
    value = lift(value)
    if value.kind == kind:
        return value
    if value.op == "const":
        data = value.data
        return Value("const", (), kind, int(data) if kind == INT else float(data))
    if kind == BOOL:
        return compare("ne", value, 0)
    return Value("convert", (value,), kind)


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


def arithmetic(op, a, b):
    a, b = lift(a), lift(b)
    # True + True is 2, as in Python and in tensors of integers.
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
    if b.op == "const" and isinstance(b.data, int) and 0 <= b.data <= 8:
        out = lift(1 if a.kind != FLOAT else 1.0)
        for _ in range(b.data):
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


_FUNCTIONS = {
    "where": where,
    "exp": lambda x: unary("exp", x),
    "exp2": lambda x: power(2.0, x),
    "log": lambda x: unary("log", x),
    "log2": lambda x: unary("log", x) / math.log(2),
    "log1p": lambda x: unary("log", 1 + convert(x, FLOAT)),
    "sqrt": lambda x: unary("sqrt", x),
    "tanh": lambda x: unary("tanh", x),
    "sigmoid": lambda x: lift(x).sigmoid(),
    "floor": lambda x: unary("floor", x) if lift(x).kind == FLOAT else lift(x),
    "abs": absolute,
    "absolute": absolute,
    "fabs": absolute,
    "neg": lambda x: -lift(x),
    "negative": lambda x: -lift(x),
    "square": lambda x: lift(x) * x,
    "clamp": clamp,
    "clip": clamp,
    "minimum": lambda a, b: extreme("min", a, b),
    "maximum": lambda a, b: extreme("max", a, b),
    "logical_and": lambda a, b: logic("and", a, b),
    "logical_or": lambda a, b: logic("or", a, b),
    "logical_not": negate,
    "bitwise_and": lambda a, b: logic("and", a, b),
    "bitwise_or": lambda a, b: logic("or", a, b),
    "bitwise_not": negate,
    "invert": negate,
    "logical_xor": lambda a, b: lift(a) ^ b,
    "bitwise_xor": lambda a, b: lift(a) ^ b,
    "add": lambda a, b: arithmetic("add", a, b),
    "subtract": lambda a, b: arithmetic("sub", a, b),
    "sub": lambda a, b: arithmetic("sub", a, b),
    "rsub": lambda a, b: arithmetic("sub", b, a),
    "multiply": lambda a, b: arithmetic("mul", a, b),
    "mul": lambda a, b: arithmetic("mul", a, b),
    "divide": divide,
    "true_divide": divide,
    "div": divide,
    "floor_divide": lambda a, b: arithmetic("floordiv", a, b),
    "remainder": lambda a, b: arithmetic("mod", a, b),
    "mod": lambda a, b: arithmetic("mod", a, b),
    "power": power,
    "pow": power,
    "less": lambda a, b: compare("lt", a, b),
    "lt": lambda a, b: compare("lt", a, b),
    "less_equal": lambda a, b: compare("le", a, b),
    "le": lambda a, b: compare("le", a, b),
    "greater": lambda a, b: compare("lt", b, a),
    "gt": lambda a, b: compare("lt", b, a),
    "greater_equal": lambda a, b: compare("le", b, a),
    "ge": lambda a, b: compare("le", b, a),
    "equal": lambda a, b: compare("eq", a, b),
    "eq": lambda a, b: compare("eq", a, b),
    "not_equal": lambda a, b: compare("ne", a, b),
    "ne": lambda a, b: compare("ne", a, b),
}


def call_function(name, method, inputs, options):
    """A function of NumPy or PyTorch, by its name."""
    # Operators of tensors arrive as __add__, __radd__, ..
    bare = name.strip("_")
    if name.startswith("__") and hasattr(Value, name):
        return getattr(lift(inputs[0]), name)(*inputs[1:])
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
