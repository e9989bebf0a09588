# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of shuffles, layouts that are exchanged, and atomics."""

import numpy as np

from cases import Case, Output, Scalar, case, integers, normal


def _transpose(kind: str, rows: int, columns: int) -> Case:
    x = normal(kind, rows, columns)
    arguments = {
        "x": x,
        "out": Output(kind, x.values.T.copy()),
        "M": Scalar("i32", rows),
        "N": Scalar("i32", columns),
    }
    grid = (-(-rows // 64), -(-columns // 32))
    return Case("transpose", arguments, {"BLOCK_M": 64, "BLOCK_N": 32}, grid)


case("transpose-f32")(lambda: _transpose("fp32", 100, 50))
case("transpose-f16")(lambda: _transpose("fp16", 128, 96))
case("transpose-e5m2")(lambda: _transpose("fp8e5", 128, 64))


def _sort(kind: str, columns: int, down: bool, warps: int) -> Case:
    x = integers(kind, -100, 100, 8, columns)
    want = np.sort(x.values, axis=1)[:, :: -1 if down else 1]
    arguments = {"x": x, "out": Output(kind, want.copy())}
    constants = {"N": columns, "M": 4, "DOWN": down}
    return Case("sort_rows", arguments, constants, (2,), {"num_warps": warps})


case("sort-i32")(lambda: _sort("i32", 64, False, 4))
case("sort-f32-down")(lambda: _sort("fp32", 256, True, 2))
case("sort-i8")(lambda: _sort("i8", 32, False, 1))
case("sort-f16")(lambda: _sort("fp16", 128, False, 4))


@case("scan")
def _scan() -> Case:
    rows, columns = 4, 256
    x = normal("fp32", rows, columns)
    linear = np.zeros((rows, columns))
    before = np.zeros(rows)
    for i in range(columns):
        before = x.values[:, i] * 0.5 * before + x.values[:, i]
        linear[:, i] = before
    maxima = np.maximum.accumulate(x.values[:, ::-1], axis=1)[:, ::-1]
    arguments = {
        "x": x,
        "sums": Output("fp32", np.cumsum(x.values, axis=1), 1e-5),
        "maxima": Output("fp32", maxima.copy()),
        "linear": Output("fp32", linear, 1e-5),
    }
    return Case("scan", arguments, {"M": rows, "N": columns})


def _gather(rows: int, columns: int, warps: int) -> Case:
    x = normal("fp32", rows, columns)
    index = integers("i32", 0, columns - 1, rows, columns)
    want = np.take_along_axis(x.values, index.values, axis=1)
    arguments = {"x": x, "index": index, "out": Output("fp32", want)}
    constants = {"M": rows, "N": columns}
    return Case("gather", arguments, constants, options={"num_warps": warps})


case("gather")(lambda: _gather(4, 64, 4))
case("gather-rows-of-a-warp")(lambda: _gather(8, 32, 1))


@case("rearrange")
def _rearrange() -> Case:
    x = normal("fp16", 16, 64)
    even, odd = x.values[:, ::2], x.values[:, 1::2]
    want = np.stack([odd, np.float16(even) + np.float16(odd)], axis=2).reshape(16, 64)
    arguments = {
        "x": x,
        "out": Output("fp16", want),
        "flipped": Output("fp16", x.values[:, ::-1].copy()),
    }
    return Case("rearrange", arguments, {"M": 16, "N": 64})


@case("histogram")
def _histogram() -> Case:
    count, bins = 1500, 32
    x = integers("i32", 0, bins - 1, count)
    want = np.bincount(x.values, minlength=bins)
    arguments = {
        "x": x,
        "out": Output("i32", want, start=np.zeros(bins)),
        "count": Scalar("i32", count),
    }
    return Case("histogram", arguments, {"BINS": bins, "BLOCK": 512}, (3,))


def _by_cell(values: np.ndarray, cells: int) -> list[np.ndarray]:
    return [values[cell::cells] for cell in range(cells)]


@case("atomics-f32")
def _atomics() -> Case:
    count, cells = 1000, 48
    x = integers("fp32", -512, 512, count)
    x.values = x.values / 64.0  # sums of these are exact in any order
    groups = _by_cell(x.values, cells)
    arguments = {
        "x": x,
        "sums": Output(
            "fp32", np.array([g.sum() for g in groups]) + 1, start=np.ones(cells)
        ),
        "largest": Output(
            "fp32", np.array([g.max() for g in groups]), start=np.full(cells, -np.inf)
        ),
        "smallest": Output(
            "fp32", np.array([g.min() for g in groups]), start=np.full(cells, np.inf)
        ),
        "wide": Output("i64", np.array([int((x.values * 64).sum())]), start=np.zeros(1)),
        "count": Scalar("i32", count),
    }
    return Case("atomics", arguments, {"CELLS": cells, "BLOCK": 256}, (4,))


@case("atomics-i32")
def _atomics_int() -> Case:
    count, cells = 1000, 32
    x = integers("i32", -(2**31), 2**31 - 1, count)
    groups = _by_cell(x.values, cells)
    wide = _by_cell(x.values.astype(np.uint32), cells)

    def start(value: int) -> np.ndarray:
        return np.full(cells, value, np.int64)

    def fold(operation: np.ufunc) -> np.ndarray:
        return np.array([operation.reduce(g) for g in groups])

    arguments = {
        "x": x,
        "both": Output("i32", fold(np.bitwise_and), start=start(-1)),
        "either": Output("i32", fold(np.bitwise_or), start=start(0)),
        "odd": Output("i32", fold(np.bitwise_xor), start=start(0)),
        "largest": Output("u32", np.array([g.max() for g in wide]), start=start(0)),
        "count": Scalar("i32", count),
    }
    return Case("atomics_int", arguments, {"CELLS": cells, "BLOCK": 256}, (4,))


@case("tickets")
def _tickets() -> Case:
    """Who draws which number is open, so the order of the rows is."""
    programs, block = 6, 64
    want = np.repeat(np.arange(programs), block).reshape(programs, block)
    arguments = {
        "out": Output("i32", want, sorted_rows=True),
        "counter": Output("i32", np.array([programs]), start=np.zeros(1)),
    }
    return Case("tickets", arguments, {"BLOCK": block}, (programs,))
