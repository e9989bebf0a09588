# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A kernel of Triton; a module of its own, for Triton reads its source."""

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def add(x, y, n, block: tl.constexpr):
    i = tl.program_id(0) * block + tl.arange(0, block)
    tl.store(y + i, tl.load(x + i, mask=i < n) + 1, mask=i < n)


def compile_ptx():
    """Bytes of its PTX."""
    signature = {"x": "*fp32", "y": "*fp32", "n": "i32", "block": "constexpr"}
    source = ASTSource(add, signature, {"block": 128})
    return len(triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"])
