#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gives libattnjit text that nobody would write: each is compiled or refused.

    hostile_text.py LIBATTNJIT deep
    hostile_text.py LIBATTNJIT mutate SEED COUNT FILE...

`deep`: brackets, regions, expressions and chains of 10 and 100 KB. `mutate`: COUNT
random changes of the files, the same for the same SEED. Texts are compiled by a
process of their own; one that ends or hangs it is written to the working folder and
its name printed. Prints how many texts were compiled and how many refused.
"""

import ctypes
import os
import pathlib
import random
import re
import signal
import subprocess
import sys

LIMIT = 120  # seconds for a text, on a machine with other work
INVALID_ARGUMENT, NOT_FOUND = 1, 6  # attnrt/status.h


class Options(ctypes.Structure):
    """The first fields of attnjit_options, as an older header would have them."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("targets", ctypes.c_char_p)]  # fmt: skip


class Compiler:
    def __init__(self, library):
        self.jit = ctypes.CDLL(library)
        self.jit.attnjit_last_message.restype = ctypes.c_char_p
        self.jit.attnjit_result_diagnostics.restype = ctypes.c_char_p
        self.jit.attnjit_result_diagnostics.argtypes = [ctypes.c_void_p]
        self.jit.attnjit_result_release.argtypes = [ctypes.c_void_p]
        self.options = Options(ctypes.sizeof(Options), 3, b"cpu,sm_80")  # no cache, one thread

    def compile(self, text, only_describe):
        """"" or the message; raises if the library does not keep to its contract."""
        result = ctypes.c_void_p()
        length = ctypes.c_uint64(len(text))
        if only_describe:
            status = self.jit.attnjit_describe(text, length, ctypes.byref(result))
        else:
            status = self.jit.attnjit_compile(text, length, ctypes.byref(self.options), ctypes.byref(result))
        lines = self.jit.attnjit_result_diagnostics(result).decode(errors="replace").splitlines()
        self.jit.attnjit_result_release(result)
        if status == 0:
            return ""
        message = self.jit.attnjit_last_message().decode(errors="replace")
        if status not in (INVALID_ARGUMENT, NOT_FOUND):
            raise ValueError(f"status {status}: {message}")
        errors = [line for line in lines if re.match(r"(\d+:\d+: )?error: .", line)]
        if not errors or not message:
            raise ValueError(f"no error in {lines}, and the message '{message}'")
        return message


def work(library):
    """The process that compiles: a line in (flags and a path), a line out."""
    compiler = Compiler(library)
    for line in sys.stdin:
        describe, path = line.rstrip("\n").split(" ", 1)
        signal.alarm(LIMIT)
        message = compiler.compile(pathlib.Path(path).read_bytes(), describe == "1")
        signal.alarm(0)
        print(message.replace("\n", " "), flush=True)


class Worker:
    def __init__(self, library):
        self.library, self.child, self.failures = library, None, 0

    def compile(self, name, text, only_describe=False):
        """As Compiler.compile; None if the process did not survive it."""
        if self.child is None:
            command = [sys.executable, __file__, self.library, "work"]
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE, text=True)  # fmt: skip
        path = pathlib.Path(f"hostile-{name}.mlir").absolute()
        path.write_bytes(text)
        self.child.stdin.write(f"{int(only_describe)} {path}\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if answer.endswith("\n"):
            path.unlink()
            return answer.rstrip("\n")
        said = self.child.communicate()[1].strip().splitlines()[-1:]
        print(f"{path}: ended the process by {self.child.returncode} {' '.join(said)}", flush=True)
        self.child, self.failures = None, self.failures + 1
        return None


def function(body, attributes=""):
    return f"func.func @f(%x: tensor<8xf32>, %c: i1) -> tensor<8xf32> {attributes} {{\n{body}return %x : tensor<8xf32>\n}}\n"


def attribute(text):
    return f"func.func private @f() attributes {{a = {text}}}\n"


def affine_map(text):
    return attribute(f"affine_map<(d0) -> ({text})>")


def cascade(where="m <= 3", index="m"):
    return (
        "func.func @f(%x: tensor<8xf32>) -> tensor<f32> {\n  %o = attn.cascade ranks(m) -> tensor<f32> {\n"
        f"    %a = attn.einsum %x[{index}] -> [] reduce add(m) where ({where}) : (tensor<8xf32>) -> tensor<f32>\n"
        "    attn.yield %a : tensor<f32>\n  }\n  return %o : tensor<f32>\n}\n"
    )


def nested(before, inside, after, size):
    count = size // (len(before) + len(after))
    return before * count + inside + after * count


def too_deep(size):
    """Must be refused as too deep."""
    for left, right in ("[]", "()", "{}", "<>"):
        yield f"open{left}", left * size
        yield f"closed{left}", nested(left, "", right, size)
        yield f"attribute{left}", attribute(left * size)
    yield "arrays", attribute(nested("[", "", "]", size))
    yield "dictionaries", attribute(nested("{a=", "1", "}", size))
    yield "tuples", attribute(nested("tuple<", "i1", ">", size))
    yield "tuples apart", attribute(nested("tuple <", "i1", "> ", size))
    yield "functions", attribute(nested("() -> (", "i1", ")", size))
    yield "elements", attribute(f"dense<{nested('[', '1', ']', size)}> : tensor<1xi32>")
    yield "modules", nested("module {", "", "}", size)
    yield "regions", function(nested("scf.if %c {", "", "}", size))
    yield "generic", nested('"builtin.module"() ({', "", "}) : () -> ()", size)
    yield "locations", "module {} loc(" + "callsite(" * (size // 9)
    yield "map brackets", affine_map(nested("(", "d0", ")", size))
    yield "map minus", affine_map("-" * size + "d0")
    yield "map sum", affine_map("1" + "+1" * (size // 2))
    yield "map mod", affine_map("d0" + "".join(f" mod {10**8 - i}" for i in range(size // 14)))
    yield "set brackets", cascade(nested("(", "m", ")", size) + " <= 9")
    yield "set minus", cascade("-" * size + "m <= 9")
    yield "set sum", cascade("m" + "+m" * (size // 2) + " <= 9")
    yield "set division", cascade("m" + " floordiv 2" * (size // 11) + " <= 9")
    yield "set nested division", cascade(nested("(", "m", " + 1) floordiv 3", size) + " <= 9")
    yield "index minus", cascade(index="-" * size + "m")
    yield "index sum", cascade(index="m" + "+1" * (size // 2))
    count = size // 16
    yield "aliases", "".join(f"#a{i + 1} = [#a{i}]\n" for i in range(count)).join(["#a0 = [1]\n", attribute(f"#a{count}")])


def long_chains(size):
    """Long, not deep: compiled or refused, and soon."""
    yield "and", cascade(" and ".join(f"m <= {i}" for i in range(size // 12)))
    yield "less", cascade(" and ".join(f"m < {i}" for i in range(size // 12)))
    yield "or", cascade(") or (".join(f"m <= {i}" for i in range(size // 14)))
    yield "dims", attribute(f"affine_map<({', '.join(f'd{i}' for i in range(size // 8))}) -> ()>")
    yield "ranks", f"func.func @f() {{ attn.cascade ranks({', '.join(f'r{i}' for i in range(size // 8))}) {{}} return }}"
    yield "minus of a number", attribute("- " * 200 + "1")
    steps = "".join(f"%s{i + 1} = arith.addf %s{i}, %s0 : f32\n" for i in range(size // 38))
    einsum = "attn.einsum %x[m] -> [m] : (tensor<8xf32>) -> tensor<8xf32> {\n^bb0(%s0: f32):\n"
    yield "scalars", function(
        "%o = attn.cascade ranks(m) -> tensor<8xf32> {\n%a = " + einsum + steps
        + f"attn.yield %s{size // 38} : f32\n}}\nattn.yield %a : tensor<8xf32>\n}}\n"
    )
    yield "string", attribute('"' + "[" * size + '"')
    yield "comment", "// " + "[" * size + "\n" + attribute("1")


def deep(worker):
    counts = [0, 0]
    for size in (10_000, 100_000):
        for name, text in too_deep(size):
            message = worker.compile(f"deep-{name}-{size}".replace(" ", "-"), text.encode())
            if message is not None and not re.search(r"nested at most 256 deep|at most 256 operators|at most 16 divisions", message):
                sys.exit(f"{name} of {size}: expects text to be refused as too deep, but got '{message[:200]}'")
            counts[1] += 1
        for name, text in long_chains(size):
            # Kernels are made of the short ones only: it takes seconds.
            message = worker.compile(f"chain-{name}-{size}".replace(" ", "-"), text.encode(), size > 10_000)
            if message and "256" in message:
                sys.exit(f"{name} of {size}: expects a chain not to be too deep, but got '{message[:200]}'")
            counts[bool(message)] += 1
    # The exact limits hold for what people write as well.
    for depth in (12, 40, 120):
        text = cascade(nested("(", "m", " + 1) floordiv 3", depth * 16) + " <= 9")
        counts[bool(worker.compile(f"divisions-{depth}", text.encode()))] += 1
    return counts


TOKEN = re.compile(r"\s+|//[^\n]*|\"[^\"\n]*\"|[%#@!^]?[\w.$]+|->|[<>=]=|.", re.S)
NUMBERS = ["0", "1", "-1", "2", "3", "7", "17", "64", "4096", "2147483648", "9223372036854775807",
           "-9223372036854775808", "18446744073709551616", "0.0", "1.0e400", "0x7fc00000"]  # fmt: skip
TYPES = ["f16", "bf16", "f32", "f64", "f8E4M3FN", "i1", "i4", "i8", "i32", "i64", "index", "tensor<f32>",
         "tensor<?xf32>", "tensor<0xf32>", "tensor<2x?x8x64xf16>", "memref<?xf32>", "none"]  # fmt: skip


class Mutator:
    def __init__(self, seed, files):
        self.random = random.Random(seed)
        self.texts = [TOKEN.findall(pathlib.Path(f).read_text(encoding="utf-8")) for f in sorted(files)]

    def words(self, tokens):
        # Comments and blanks are not worth a change.
        return [i for i, t in enumerate(tokens) if not t.isspace() and not t.startswith("//")]

    def change(self, tokens):
        draw = self.random
        at = draw.choice(self.words(tokens))
        kind = draw.randrange(11)
        if kind == 0:
            del tokens[at]
        elif kind == 1:
            tokens.insert(at, tokens[at] + " ")
        elif kind == 2:
            other = draw.choice(self.words(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == 3:
            other = draw.choice(self.texts)
            tokens[at] = other[draw.choice(self.words(other))]
        elif kind in (4, 5):
            like = re.compile(r"\d+(\.\d*)?$")
            places = [i for i, t in enumerate(tokens) if like.match(t)] or [at]
            tokens[draw.choice(places)] = draw.choice(NUMBERS)
        elif kind == 6:
            places = [i for i, t in enumerate(tokens) if re.match(r"(b?f\d+|i\d+|index)$", t)] or [at]
            tokens[draw.choice(places)] = draw.choice(TYPES)
        elif kind == 7:
            # A name for another one of the same kind.
            names = [i for i, t in enumerate(tokens) if re.match(r"%\w|[a-z]$", t)] or [at]
            first = tokens[draw.choice(names)]
            alike = [i for i in names if (tokens[i][0] == "%") == (first[0] == "%")]
            tokens[draw.choice(alike)] = first
        elif kind == 8:
            size = draw.randrange(1, 30)
            piece = tokens[at : at + size]
            to = draw.choice(self.words(tokens))
            tokens[to:to] = piece
        elif kind == 9:
            del tokens[at : at + draw.randrange(1, 30)]
        else:
            word = tokens[at]
            place = draw.randrange(len(word))
            tokens[at] = word[:place] + chr(draw.randrange(32, 127)) + word[place + 1 :]

    def draw(self):
        tokens = list(self.random.choice(self.texts))
        for _ in range(1 + self.random.randrange(3)):
            self.change(tokens)
            if not self.words(tokens):
                break
        return "".join(tokens).encode()


def mutate(worker, seed, count, *files):
    mutator, counts = Mutator(int(seed), files), [0, 0]
    for number in range(int(count)):
        message = worker.compile(f"{seed}-{number}", mutator.draw())
        if message is not None:
            counts[bool(message)] += 1
    return counts


def main():
    library, mode, *rest = sys.argv[1:]
    if mode == "work":
        work(library)
        return
    worker = Worker(library)
    compiled, refused = {"deep": deep, "mutate": mutate}[mode](worker, *rest)
    print(f"{compiled} compiled, {refused} refused, {worker.failures} ended the process")
    sys.exit(worker.failures != 0)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONFAULTHANDLER", "")
    main()
