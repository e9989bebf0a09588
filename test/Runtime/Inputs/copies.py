# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""copies.py LIBRARY FOLDER: opens 8 copies of the library, made in the folder, and has
a call of each fail, in two threads each: every thread finds the message of its own
failure, and "" before it."""

import ctypes
import os
import shutil
import sys
import threading


def use(library, wrong, seen):
    seen.append(library.attnrt_last_message())
    for _ in range(2):
        assert library.attnrt_page_pool_create(wrong, None) != 0
        seen.append(library.attnrt_last_message())


def main():
    library, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    libraries = []
    for number in range(8):
        copy = os.path.join(folder, f"libattnrt-{number}.so")
        shutil.copy(library, copy)
        libraries.append(ctypes.CDLL(copy))
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
