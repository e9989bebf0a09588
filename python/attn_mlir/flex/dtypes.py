# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types of elements as users name them: of NumPy, PyTorch, Python, or as text."""

import math
import struct

from .errors import TraceError

INT, FLOAT, BOOL = "integer", "float", "bool"

# Integers that do not hold all numbers that kernels compute with, which have 32 bits.
BOUNDS = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign, bits in (("", 8), ("", 16), ("u", 8), ("u", 16), ("u", 32), ("u", 64))
}
_NAMES = {*BOUNDS, "bool", "int32", "int64", "float16", "bfloat16", "float32", "float64"}
# Methods of PyTorch's tensors.
METHODS = {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16",
    "int": "int32", "long": "int64", "short": "int16", "char": "int8", "byte": "uint8",
    "bool": "bool",
}
_SHORT = {"int": "int64", "float": "float64", "bool_": "bool"}  # Python's own types
# Mantissa's bits that f32 has and a narrow type has not.
_DROPPED = {"float16": 13, "bfloat16": 16}


def name_of(dtype) -> str:
    """"int64" of NumPy's int64, PyTorch's torch.int64, "int64" and int."""
    name = str(dtype)
    if name.startswith("torch."):
        name = name.removeprefix("torch.")
    elif isinstance(dtype, type) and dtype in (bool, int, float):
        name = _SHORT.get(dtype.__name__, dtype.__name__)
    elif dtype is not None:
        import numpy as np

        try:
            name = np.dtype(dtype).name
        except TypeError:  # of a library that NumPy does not know
            name = name.rsplit(".", 1)[-1]
    if name not in _NAMES:
        raise TraceError(f"expects a type of {', '.join(sorted(_NAMES))}, but got {dtype}")
    return name


def known_name(dtype) -> str:
    """The same of a tensor; what no kernel reads keeps its name."""
    try:
        return name_of(dtype)
    except TraceError:
        return str(dtype).rsplit(".", 1)[-1]


def kind_of(name) -> str:
    if name == "bool":
        return BOOL
    return INT if name[0] in "iu" else FLOAT


def is_dtype(value) -> bool:
    return isinstance(value, type) or "dtype" in type(value).__name__.lower()


def requested(places, dtype=None):
    """The name that .to(*places, dtype=) asks for, or None if it is about devices."""
    for place in places:
        if hasattr(place, "dtype_name"):
            return place.dtype_name
        if hasattr(place, "dtype") and hasattr(place, "shape") and not is_dtype(place):
            dtype = place.dtype
        elif is_dtype(place):
            dtype = place
    return None if dtype is None else name_of(dtype)


def constant_of(number, name):
    """A number of Python as an element of a type; TraceError if that is another one."""
    kind = kind_of(name)
    if kind == BOOL:
        return bool(number)
    if kind == INT:
        number = int(number)
        low, high = BOUNDS.get(name, (-math.inf, math.inf))
        if not low <= number <= high:
            raise TraceError(f"expects a number from {low} to {high} as {name}, but got {number}")
        return number
    number = float(number)
    if name == "float64" or not math.isfinite(number):
        return number
    try:
        near = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        near = math.copysign(math.inf, number)
    if name == "float32":
        return near
    if near != number or not _is_exact(number, name):
        raise TraceError(f"expects a number that {name} holds, but got {number!r}: use float32")
    return number


def _is_exact(number, name):
    if struct.unpack("I", struct.pack("f", number))[0] % 2 ** _DROPPED[name]:
        return False
    if name == "bfloat16":
        return True
    try:
        return struct.unpack("e", struct.pack("e", number))[0] == number
    except OverflowError:
        return False
