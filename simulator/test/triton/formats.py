# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numbers as their bytes lie in a buffer; names of types are Triton's.

Floats of 16 and 8 bits are rounded to nearest even by looking the value up among
all codes of the type, which shares nothing with the simulator's arithmetic.
"""

import numpy as np

INTEGERS = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
NUMPY = INTEGERS | {"u32": np.uint32, "fp32": np.float32, "fp64": np.float64}
# Of each: bits of exponent, bits of fraction, bias, whether there is an infinity
SMALL = {
    "fp16": (5, 10, 15, True),
    "bf16": (8, 7, 127, True),
    "fp8e4nv": (4, 3, 7, False),
    "fp8e5": (5, 2, 15, True),
}
# What ptx-sim calls elements of so many bytes.
BYTES_NAME = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}


def width(kind: str) -> int:
    """Bytes of an element."""
    if kind in SMALL:
        return (1 + SMALL[kind][0] + SMALL[kind][1]) // 8
    return np.dtype(NUMPY[kind]).itemsize


def codes(kind: str) -> np.ndarray:
    """The value of each non-negative code of a small type, in order."""
    exponent_bits, fraction_bits, bias, has_infinity = SMALL[kind]
    code = np.arange(1 << (exponent_bits + fraction_bits))
    exponent = (code >> fraction_bits).astype(np.int64)
    fraction = (code & ((1 << fraction_bits) - 1)).astype(np.float64)
    normal = np.ldexp(1 + fraction / 2**fraction_bits, exponent - bias)
    tiny = np.ldexp(fraction, 1 - bias - fraction_bits)
    value = np.where(exponent == 0, tiny, normal)
    top = (1 << exponent_bits) - 1
    if has_infinity:
        value[exponent == top] = np.where(fraction[exponent == top] == 0, np.inf, np.nan)
    else:
        value[-1] = np.nan
    return value


def encode(values: np.ndarray, kind: str) -> np.ndarray:
    """The elements of a buffer; what is too large for fp8 becomes its largest."""
    values = np.asarray(values)
    if kind in NUMPY:
        return values.astype(NUMPY[kind])
    table = codes(kind)
    finite = table[np.isfinite(table)]
    store = np.uint8 if width(kind) == 1 else np.uint16
    size = np.abs(values.astype(np.float64))
    above = np.clip(np.searchsorted(finite, size), 1, len(finite) - 1)
    low, high = finite[above - 1], finite[above]
    near = np.where(size - low < high - size, above - 1, above)
    even = above - 1 + (above - 1) % 2
    near = np.where(size - low == high - size, even, near)
    if width(kind) == 2:
        limit = finite[-1] + (finite[-1] - finite[-2]) / 2
        near = np.where(size >= limit, len(finite), near)
    sign = np.signbit(values).astype(store) << store(8 * width(kind) - 1)
    return near.astype(store) | sign


def decode(data: bytes, kind: str) -> np.ndarray:
    """The elements of a buffer in f64; integers stay integers."""
    if kind in NUMPY:
        elements = np.frombuffer(data, NUMPY[kind])
        return elements.astype(np.float64) if kind.startswith("fp") else elements
    code = np.frombuffer(data, np.uint8 if width(kind) == 1 else np.uint16)
    sign_bit = 8 * width(kind) - 1
    size = codes(kind)[code & ((1 << sign_bit) - 1)]
    return np.where(code >> sign_bit, -size, size)


def rounded(values: np.ndarray, kind: str) -> np.ndarray:
    """What is left of the values in a type, in f64."""
    return decode(encode(values, kind).tobytes(), kind).reshape(np.shape(values))
