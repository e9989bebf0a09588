# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a case is: a kernel, its arguments, and what must come out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formats import rounded


@dataclass
class Input:
    """A buffer with values; `values` are rounded to the type already."""

    kind: str
    values: np.ndarray


@dataclass
class Output:
    """A buffer that nobody has written, or that starts with `start`.

    Each row (the last axis) may differ from `want` by `tolerance` times the
    largest number of that row, or times `least` if that is more, for rows of
    numbers that cancel; tolerance 0 asks for the exact numbers.
    `sorted_rows`: the order of the rows is open.
    """

    kind: str
    want: np.ndarray
    tolerance: float = 0.0
    start: np.ndarray | None = None
    least: float = 1e-30
    sorted_rows: bool = False


@dataclass
class Scratch:
    """A buffer that starts with zeros; what it holds afterwards is not looked at."""

    kind: str
    count: int


@dataclass
class Scalar:
    """A number that is passed by value."""

    kind: str
    value: int | float


@dataclass
class Descriptor:
    """A tensor map of a buffer, boxes of `box` elements; strides are dense."""

    buffer: Input | Output
    box: list[int]


Argument = Input | Output | Scratch | Scalar | Descriptor


@dataclass
class Case:
    """One kernel with its arguments, by name; `constants` go into the PTX.

    `file` is beside this one, or "library:path" of a library of packages.py.

    Findings that match one of `accepts` are right, but no harm.
    """

    kernel: str
    arguments: dict[str, Argument]
    constants: dict[str, Any]
    grid: tuple[int, ...] = (1,)
    options: dict[str, Any] = field(default_factory=dict)
    archs: tuple[int, ...] = (80, 90)
    file: str = "kernels.py"
    accepts: tuple[str, ...] = ()


# Built only when it runs, for its inputs and its reference are large.
CASES: dict[str, Callable[[], Case]] = {}


def case(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Enters a function that makes a case."""

    def enter(make: Callable[[], Case]) -> Callable[[], Case]:
        CASES[name] = make
        return make

    return enter


def normal(kind: str, *shape: int, seed: int = 1, scale: float = 1.0) -> Input:
    """Normally distributed numbers of a type."""
    random = np.random.default_rng([seed, *shape])
    return Input(kind, rounded(random.standard_normal(shape) * scale, kind))


def integers(kind: str, low: int, high: int, *shape: int, seed: int = 1) -> Input:
    """Integers from low to high, both included."""
    random = np.random.default_rng([seed, *shape])
    return Input(kind, random.integers(low, high, shape, endpoint=True))
