#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Computes with PyTorch and compiles with libattnjit in one process, in turn.

    beside_torch.py LIBATTNJIT TEXT FIRST [triton]

FIRST, "torch" or "attnjit", is loaded and used first. With "triton" a kernel of
Triton, which has an LLVM and an MLIR of its own, is compiled between the two. Prints
"equal" if all give the same the second time as the first.
"""

import os
import sys

from beside_triton import use_attnjit, use_triton


def use_torch():
    import torch

    x = torch.arange(64, dtype=torch.float32).reshape(1, 1, 8, 8) / 64
    out = torch.nn.functional.conv1d(x[0], x[0])
    # What the tracer of PyTorch loads as well.
    traced = torch.jit.trace(lambda y: (y @ y.transpose(-1, -2)).softmax(-1), x)
    return float(out.sum()) + float(traced(x).sum())


def main():
    library, path, first, *more = sys.argv[1:]
    with open(path, "rb") as file:
        text = file.read()
    steps = [use_torch, lambda: use_attnjit(library, text)]
    if more == ["triton"]:
        # Nothing out of Triton's cache: its LLVM is to work.
        os.environ["TRITON_ALWAYS_COMPILE"] = "1"
        steps.insert(1, use_triton)
    if first == "attnjit":
        steps.reverse()
    results = [step() for step in steps * 2]
    half = len(steps)
    print("equal" if results[:half] == results[half:] and all(results) else results)


main()
