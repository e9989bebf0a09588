#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Computes with PyTorch and compiles with libattnjit in one process, in turn.

    beside_torch.py LIBATTNJIT TEXT FIRST

FIRST, "torch" or "attnjit", is loaded and used first. Prints "equal" if both give
the same the second time as the first.
"""

import sys

from beside_triton import use_attnjit


def use_torch():
    import torch

    x = torch.arange(64, dtype=torch.float32).reshape(1, 1, 8, 8) / 64
    out = torch.nn.functional.conv1d(x[0], x[0])
    # What the tracer of PyTorch loads as well.
    traced = torch.jit.trace(lambda y: (y @ y.transpose(-1, -2)).softmax(-1), x)
    return float(out.sum()) + float(traced(x).sum())


def main():
    library, path, first = sys.argv[1:]
    with open(path, "rb") as file:
        text = file.read()
    steps = [use_torch, lambda: use_attnjit(library, text)]
    if first == "attnjit":
        steps.reverse()
    results = [step() for step in steps * 2]
    print("equal" if results[:2] == results[2:] and all(results) else results)


main()
