# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The context that calls share which name none."""

import threading

from ._native import Context

_lock = threading.Lock()
_context = None


def default_context():
    """One per process, so that all calls share its threads."""
    global _context
    with _lock:
        if _context is None:
            _context = Context()
        return _context
