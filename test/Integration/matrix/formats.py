"""Rounding to the element types of caches, and how .npy files hold them."""

import numpy as np


def decode_e4m3(codes):
    """f8E4M3FN: no infinities, NaN is 0x7f and 0xff."""
    codes = codes.astype(np.int32)
    exponent, fraction = (codes >> 3) & 15, codes & 7
    normal = np.ldexp(8.0 + fraction, exponent - 10)
    size = np.where(exponent > 0, normal, np.ldexp(1.0 * fraction, -9))
    size = np.where(codes & 127 == 127, np.nan, size)
    return np.where(codes & 128, -size, size)


# The sizes that e4m3 has, by code, and the borders between them.
SIZES = decode_e4m3(np.arange(127))
MIDDLES = (SIZES[1:] + SIZES[:-1]) / 2


def encode_e4m3(values):
    """Nearest, ties away from zero; sizes past 448 become 448."""
    sizes = np.searchsorted(MIDDLES, abs(np.nan_to_num(values)), side="right")
    codes = np.where(np.isnan(values), 127, sizes)
    return (codes | np.where(np.signbit(values), 128, 0)).astype(np.uint8)


def encode_bf16(values):
    """Nearest, ties to even."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def decode_bf16(codes):
    return (codes.astype(np.uint32) << 16).view(np.float32)


def encode(values, dtype):
    """What a file holds: u2 for bf16, u1 for e4m3."""
    if dtype == "bf16":
        return encode_bf16(values)
    if dtype == "e4m3":
        return encode_e4m3(values)
    return values.astype(np.float16)


def narrowed(values, dtype):
    """`values` as they are after rounding, in f64."""
    codes = encode(np.asarray(values, dtype=np.float64), dtype)
    decode = {"bf16": decode_bf16, "e4m3": decode_e4m3}.get(dtype, lambda x: x)
    return decode(codes).astype(np.float64)
