# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention that is compiled from cascades of Einsums.

    compile(text) -> bytes of a bundle      where libattnjit is there
    describe(text) -> passes and bytes
    Context().load(bytes) -> Bundle         checked once, as a whole
    bundle.kernel(entry) -> Kernel          an entry on a device
    kernel.schedule() -> Schedule           room for steps
    schedule.update(arguments)              once per step: sizes, lengths, plans
    schedule.run(arguments + results)       once per layer: in place

    flex(score_mod=.., mask_mod=..)         all of that from two functions
    PagePool(pages, page), PageTable        page tables for engines that have none

Tensors are NumPy's, PyTorch's or anything with DLPack; none is copied. What fails
raises Error and leaves everything as it was.
"""

from ._compiler import CompileWarning, compile, compiler_version, describe
from ._errors import Error
from ._native import (
    Argument,
    Bundle,
    Compiled,
    Context,
    Kernel,
    PagePool,
    PageTable,
    Problem,
    Schedule,
    Tensor,
)
from .flex import Flex, TraceError, flex

__all__ = [
    "Argument",
    "Bundle",
    "CompileWarning",
    "Compiled",
    "Context",
    "Error",
    "Flex",
    "Kernel",
    "PagePool",
    "PageTable",
    "Problem",
    "Schedule",
    "Tensor",
    "TraceError",
    "compile",
    "compiler_version",
    "describe",
    "flex",
]
