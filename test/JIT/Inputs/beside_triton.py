#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles with Triton and with libattnjit in one process, in turn.

    beside_triton.py LIBATTNJIT TEXT FIRST [WORK]

FIRST, "triton" or "attnjit", is loaded and used first. Prints "equal" if both give
as much the second time as the first. With WORK, the folder of the simulator's
tests with Triton, the program runs itself by the interpreter there.
"""

import ctypes
import os
import pathlib
import subprocess
import sys


class Options(ctypes.Structure):
    """The first fields of attnjit_options, as an older header would have them."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("targets", ctypes.c_char_p)]  # fmt: skip


def use_triton():
    import triton_add

    return triton_add.compile_ptx()


def use_attnjit(library, text):
    jit = ctypes.CDLL(library, mode=ctypes.RTLD_LOCAL)
    jit.attnjit_result_size.restype = ctypes.c_uint64
    jit.attnjit_last_message.restype = ctypes.c_char_p
    jit.attnjit_result_size.argtypes = [ctypes.c_void_p]
    jit.attnjit_result_release.argtypes = [ctypes.c_void_p]
    # 1: ATTNJIT_NO_MEMORY_CACHE.
    options = Options(ctypes.sizeof(Options), 1, b"cpu,sm_80")
    result = ctypes.c_void_p()
    status = jit.attnjit_compile(text, ctypes.c_uint64(len(text)), ctypes.byref(options),
                                 ctypes.byref(result))  # fmt: skip
    if status:
        sys.exit(jit.attnjit_last_message().decode())
    size = jit.attnjit_result_size(result)
    jit.attnjit_result_release(result)
    return size


def main():
    library, path, first, *work = sys.argv[1:]
    if work:
        tools = pathlib.Path(__file__).parents[3] / "simulator/test/triton"
        sys.path.insert(0, str(tools))
        from packages import prepare

        python = prepare(pathlib.Path(work[0]))
        # Nothing out of Triton's cache: its LLVM is to work.
        environment = dict(os.environ, TRITON_ALWAYS_COMPILE="1")
        command = [str(python), __file__, library, path, first]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    with open(path, "rb") as file:
        text = file.read()
    steps = [use_triton, lambda: use_attnjit(library, text)]
    if first == "attnjit":
        steps.reverse()
    sizes = [step() for step in steps * 2]
    print("equal" if sizes[:2] == sizes[2:] and all(sizes) else sizes)


if __name__ == "__main__":
    main()
