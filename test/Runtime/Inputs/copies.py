# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Opens all libraries and has a call of each fail, in two threads each: every
thread finds the message of its own failure, and "" before it."""

import ctypes
import sys
import threading


def use(library, wrong, seen):
    seen.append(library.attnrt_last_message())
    for _ in range(2):
        assert library.attnrt_page_pool_create(wrong, None) != 0
        seen.append(library.attnrt_last_message())


def main():
    libraries = [ctypes.CDLL(path) for path in sys.argv[1:]]
    for library in libraries:
        library.attnrt_last_message.restype = ctypes.c_char_p
        messages = []
        for _ in range(2):
            seen = []
            thread = threading.Thread(target=use, args=(library, None, seen))
            thread.start()
            thread.join()
            assert seen[0] == b"" and seen[1] and seen[1] == seen[2], seen
            messages.append(seen[1])
        assert messages[0] == messages[1], messages
        assert library.attnrt_last_message() == b""


main()
