# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The one exception type of the package."""


class Error(RuntimeError):
    """What failed, in the words of the library that refused.

    `status` is the name of a code of attnrt/status.h ("invalid argument",
    "resource exhausted", "not found", "unavailable", "incompatible", "corrupt",
    ..), `message` the text without it.
    """

    def __init__(self, status: str, message: str):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message

    def __reduce__(self):
        return type(self), (self.status, self.message)
