# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of kernels that treat elements and rows."""

import math

import numpy as np

from cases import Case, Input, Output, Scalar, Scratch, case, integers, normal
from formats import codes, rounded


@case("add-f32")
def _add() -> Case:
    x, y = normal("fp32", 1000), normal("fp32", 1000, seed=2)
    want = (x.values.astype(np.float32) + y.values.astype(np.float32)).astype(float)
    out = Output("fp32", want)
    return Case(
        "add",
        {"x": x, "y": y, "out": out, "count": Scalar("i32", 1000)},
        {"BLOCK": 256},
        (4,),
    )


@case("add-f16")
def _add_half() -> Case:
    x, y = normal("fp16", 4096), normal("fp16", 4096, seed=2)
    out = Output("fp16", rounded(x.values + y.values, "fp16"))
    return Case(
        "add",
        {"x": x, "y": y, "out": out, "count": Scalar("i32", 4096)},
        {"BLOCK": 1024},
        (4,),
    )


def _convert(source: str, target: str, archs: tuple[int, ...]) -> Case:
    """Every finite number of a small type, or many floats near each of them."""
    if source == "fp32":
        finite = codes(target)[np.isfinite(codes(target))]
        x = np.concatenate([finite, (finite[1:] + finite[:-1]) / 2])
        x = x.astype(np.float32).astype(float)
        x = np.concatenate([x, np.nextafter(x.astype(np.float32), np.float32(0)), -x])
    else:
        x = codes(source)[np.isfinite(codes(source))]
        x = np.concatenate([x, -x])
    block = 1024 if x.size > 1024 else 128
    x = np.resize(x, -(-x.size // block) * block)
    # 8-bit targets saturate; the numbers here are in range but for one half step.
    want = rounded(x, target)
    arguments = {"x": Input(source, x), "out": Output(target, want)}
    return Case("convert", arguments, {"BLOCK": block}, (x.size // block,), archs=archs)


for _name, _source, _target, _archs in [
    ("f32-f16", "fp32", "fp16", (80, 90)),
    ("f32-bf16", "fp32", "bf16", (80, 90)),
    ("f32-e5m2", "fp32", "fp8e5", (80, 90)),
    ("f32-e4m3", "fp32", "fp8e4nv", (90,)),
    ("f16-f32", "fp16", "fp32", (80, 90)),
    ("bf16-f32", "bf16", "fp32", (80, 90)),
    ("e5m2-f16", "fp8e5", "fp16", (80, 90)),
    ("e5m2-bf16", "fp8e5", "bf16", (80, 90)),
    ("e5m2-f32", "fp8e5", "fp32", (80, 90)),
    ("e4m3-f16", "fp8e4nv", "fp16", (90,)),
    ("e4m3-bf16", "fp8e4nv", "bf16", (90,)),
    ("e4m3-f32", "fp8e4nv", "fp32", (90,)),
]:
    case(f"convert-{_name}")(
        lambda source=_source, target=_target, archs=_archs: _convert(source, target, archs)
    )


@case("functions")
def _functions() -> Case:
    count = 500
    # In order, so that the numbers of a row of the result have about one size.
    v = rounded(np.sort(np.random.default_rng(3).uniform(0.01, 12, count)), "fp32")
    rows = [
        np.exp(v), np.log(v), np.sqrt(v), 1 / np.sqrt(v), np.sin(v), np.cos(v),
        np.vectorize(math.erf)(v), 1 / v, 1 / (1 + np.exp(-v)), np.tanh(v), v**1.5,
        np.log1p(v), np.floor(v) + np.ceil(v), np.fmod(v, 0.75),
    ]  # fmt: skip
    want = np.stack(rows).reshape(-1, 10)
    out = Output("fp32", want, 1e-6)
    return Case(
        "functions",
        {"x": Input("fp32", v), "out": out, "count": Scalar("i32", count)},
        {"BLOCK": 128},
        (4,),
    )


def _integers(kind: str, bits: int) -> Case:
    count = 300
    low, high = -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1
    x = integers(kind, low, high, count)
    y = integers(kind, low // 2 ** (bits // 2), high // 2 ** (bits // 2), count, seed=2)
    y.values[y.values == 0] = 3
    a, b = [int(i) for i in x.values], [int(i) for i in y.values]

    def wrap(value: int) -> int:
        return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

    def quotient(i: int, j: int) -> int:  # towards zero
        return abs(i) // abs(j) * (1 if (i < 0) == (j < 0) else -1)

    forms = [
        lambda i, j: i + j,
        lambda i, j: i * j,
        quotient,
        lambda i, j: i - j * quotient(i, j),
        lambda i, j: i & ~j,
        lambda i, j: i ^ j,
        lambda i, j: i >> 3,
        lambda i, j: i << 2,
        min,
        lambda i, j: abs(i),
        lambda i, j: max(i, j) - min(i, j),
    ]
    want = [[wrap(form(i, j)) for i, j in zip(a, b)] for form in forms]
    out = Output(kind, np.array(want))
    return Case(
        "integers",
        {"x": x, "y": y, "out": out, "count": Scalar("i32", count)},
        {"BLOCK": 128},
        (3,),
    )


for _kind, _bits in [("i8", 8), ("i16", 16), ("i32", 32), ("i64", 64)]:
    case(f"integers-{_kind}")(lambda kind=_kind, bits=_bits: _integers(kind, bits))


def _philox(seed: int, offset: np.ndarray) -> np.ndarray:
    """The first word of Philox 4x32 with 10 rounds, counter (offset, 0, 0, 0)."""
    words = [offset.astype(np.uint64)] + [np.zeros(offset.shape, np.uint64)] * 3
    key = [seed & 0xFFFFFFFF, seed >> 32]
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first = words[0] * np.uint64(0xD2511F53)
        second = words[2] * np.uint64(0xCD9E8D57)
        high = np.uint64(32)
        words = [
            (second >> high) ^ words[1] ^ np.uint64(key[0]),
            second & mask,
            (first >> high) ^ words[3] ^ np.uint64(key[1]),
            first & mask,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return words[0].astype(np.uint32)


@case("dropout")
def _dropout() -> Case:
    count, seed, probability = 1000, 123, 0.5
    x = normal("fp32", count)
    word = _philox(seed, np.arange(count)).view(np.int32).astype(np.int64)
    word = np.where(word < 0, -word - 1, word)
    random = rounded(word * 4.6566127342e-10, "fp32")
    assert np.all(np.abs(random - probability) > 1e-4)
    kept = np.where(random > probability, x.values / (1 - probability), 0)
    arguments = {
        "x": x,
        "out": Output("fp32", kept, 1e-6),
        "keep": Output("fp32", random, 1e-6),
        "count": Scalar("i32", count),
        "probability": Scalar("fp32", probability),
        "seed": Scalar("i32", seed),
    }
    return Case("dropout", arguments, {"BLOCK": 256}, (4,))


def _softmax(kind: str, rows: int, columns: int, warps: int, stages: int) -> Case:
    x = normal(kind, rows, columns, scale=3)
    e = np.exp(x.values - x.values.max(axis=1, keepdims=True))
    out = Output(kind, e / e.sum(axis=1, keepdims=True), 2e-6 if kind == "fp32" else 1e-2)
    block = 1 << (columns - 1).bit_length()
    return Case(
        "softmax",
        {
            "x": x,
            "out": out,
            "stride": Scalar("i32", columns),
            "rows": Scalar("i32", rows),
            "columns": Scalar("i32", columns),
        },
        {"BLOCK": block, "STAGES": stages},
        (3,),
        {"num_warps": warps},
    )


case("softmax-f32")(lambda: _softmax("fp32", 23, 781, 8, 4))
case("softmax-f16")(lambda: _softmax("fp16", 17, 512, 4, 2))
case("softmax-one-warp")(lambda: _softmax("bf16", 10, 64, 1, 3))


@case("layer-norm")
def _layer_norm() -> Case:
    rows, columns, epsilon = 7, 1151, 1e-5
    x = normal("fp16", rows, columns, scale=2)
    weight, bias = normal("fp16", columns, seed=2), normal("fp16", columns, seed=3)
    mean = x.values.mean(axis=1)
    scale = 1 / np.sqrt(x.values.var(axis=1) + epsilon)
    want = (x.values - mean[:, None]) * scale[:, None] * weight.values + bias.values
    arguments = {
        "x": x,
        "out": Output("fp16", want, 1e-3),
        "weight": weight,
        "bias": bias,
        "mean_out": Output("fp32", mean, 1e-5),
        "scale_out": Output("fp32", scale, 1e-5),
        "columns": Scalar("i32", columns),
        "epsilon": Scalar("fp32", epsilon),
    }
    return Case("layer_norm", arguments, {"BLOCK": 512}, (rows,), {"num_warps": 8})


@case("locks")
def _locks() -> Case:
    """Programs wait for each other's locks, as in the backward layer norm."""
    rows, columns, groups = 20, 200, 3
    x = normal("fp32", rows, columns)
    want = np.stack([x.values[g::groups].sum(axis=0) for g in range(groups)])
    arguments = {
        "x": x,
        "out": Output("fp32", want, 1e-5),
        "locks": Scratch("i32", groups),
        "counts": Scratch("i32", groups),
        "rows": Scalar("i32", rows),
        "columns": Scalar("i32", columns),
    }
    return Case("column_sums_locked", arguments, {"GROUPS": groups, "BLOCK": 256}, (rows,))


@case("extremes")
def _extremes() -> Case:
    rows, columns = 9, 300
    # Few values, so that there are ties: the first place counts.
    x = integers("fp32", -20, 20, rows, columns)
    x.values = x.values.astype(float)
    arguments = {
        "x": x,
        "maximum": Output("fp32", x.values.max(axis=1)),
        "place": Output("i32", x.values.argmax(axis=1)),
        "minimum": Output("i32", x.values.argmin(axis=1)),
        "rows": Scalar("i32", rows),
        "columns": Scalar("i32", columns),
    }
    return Case("extremes", arguments, {"BLOCK": 512}, (rows,), {"num_warps": 2})
