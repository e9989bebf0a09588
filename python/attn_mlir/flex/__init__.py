# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions written for FlexAttention as cascades: see flex()."""

from .errors import TraceError
from .flex import Flex, flex

__all__ = ["Flex", "TraceError", "flex"]
