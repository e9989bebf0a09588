# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Errors that name the line of the user's function."""

import functools
import pathlib
import sys

from .._errors import Error

_PACKAGE = str(pathlib.Path(__file__).resolve().parent)


@functools.cache
def _is_in_package(filename) -> bool:
    return str(pathlib.Path(filename).resolve().parent) == _PACKAGE


def _is_ours(frame) -> bool:
    return _is_in_package(frame.f_code.co_filename)


@functools.cache
def is_library(filename) -> bool:
    """Whether a frame is NumPy's or PyTorch's; dispatchers are compiled from text."""
    return "__array_function__" in filename or any(
        f"/{name}/" in filename for name in ("numpy", "torch")
    )


def find_line() -> tuple:
    """File and line of the innermost frame that is neither this package's nor NumPy's."""
    frame = sys._getframe(1)
    while frame is not None and (_is_ours(frame) or is_library(frame.f_code.co_filename)):
        frame = frame.f_back
    if frame is None:
        return ("", 0)
    return (frame.f_code.co_filename, frame.f_lineno)


def bad(what) -> Error:
    return Error("invalid argument", what)


class TraceError(Error):
    """A function does something that no cascade says.

    `filename` and `lineno` are the place in the function.
    """

    def __init__(self, what: str, place=None):
        self.filename, self.lineno = place or find_line()
        self.what = what
        super().__init__(
            "invalid argument", f"{self.filename}:{self.lineno}: {what}"
        )

    def __reduce__(self):
        return type(self), (self.what, (self.filename, self.lineno))
