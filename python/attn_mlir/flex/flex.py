# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention from a score_mod and a mask_mod."""

import dataclasses
import math
import sys
import threading

from .. import _native
from . import expr
from .call import (
    PagedProblem, Problem, Program, check_apart, check_gradients, make_out,
)
from .capture import Lifter
from .emit import Cascade
from .errors import bad
from .peel import peel
from .prefixes import check_pages, parsed
from .ranges import check_constants
from .source import tensor_of
from .space import Shape, Space
from .trace import TraceError, place_of, trace_mask, trace_score


def _finite(scale):
    """A number, or anything that is one: a scalar of NumPy or PyTorch."""
    try:
        value = math.nan if isinstance(scale, (str, bytes)) else float(scale)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise bad(f"expects a finite number as scale, but got {scale!r}")
    return value


class Flex:
    """What flex() gives: callable on tensors.

    `mask` and `score` are the traced expressions (None: none), `text` the cascade.
    Any thread may call it; calls of one shape of text run one after the other.
    """

    def __init__(self, score_mod=None, mask_mod=None, *, scale=None):
        for name, function, signature in (
            ("score_mod", score_mod, "(score, b, h, q_idx, kv_idx)"),
            ("mask_mod", mask_mod, "(b, h, q_idx, kv_idx)"),
        ):
            if function is not None and not callable(function):
                raise bad(f"expects {name} as a function {signature}, but got {function!r}")
        self.score_mod, self.mask_mod = score_mod, mask_mod
        self.scale = None if scale is None else _finite(scale)
        try:
            self._trace(score_mod, mask_mod)
        except RecursionError as error:
            raise TraceError(
                "expects expressions that are less deep, but got more than Python's "
                f"{sys.getrecursionlimit()} operations inside of each other",
                place_of(mask_mod or score_mod),
            ) from error

    def _trace(self, score_mod, mask_mod):
        lifter = Lifter()
        score = None if score_mod is None else trace_score(score_mod, lifter)
        mask = None if mask_mod is None else trace_mask(mask_mod, lifter)
        if score is not None:
            keep, score = peel(score)
            if keep is not None:
                mask = keep if mask is None else mask & keep
        self.mask, self.score = mask, score
        for root in (mask, score):
            if root is not None:
                check_constants(root)
        self._lock = threading.Lock()
        self._programs = {}
        self._last = None
        self.cascade(Shape())  # what has no text is an error here

    def cascade(self, shape):
        """The Cascade for head sizes, GQA group and element type of a Shape."""
        scale = shape.head_dim**-0.5 if self.scale is None else self.scale
        return Cascade(self.mask, self.score, shape, scale)

    @property
    def text(self):
        """The cascade of the last call; before it, of f32 and heads of 64 channels."""
        return self._last.cascade.text if self._last else self.cascade(Shape()).text

    @property
    def last(self):
        """The Program of the last call, or None."""
        return self._last

    def program(self, shape):
        """The compiled Program of a Shape; compiled once."""
        with self._lock:
            if shape not in self._programs:
                self._programs[shape] = Program(
                    self.cascade(shape), self.mask, self.score, self._extracts(Space(shape))
                )
            return self._programs[shape]

    def __call__(self, q, k, v, out=None, *, return_lse=False):
        """softmax over present keys of score_mod(scale * q k), times v.

        q [B, Hq, N, D], k [B, Hkv, M, D], v [B, Hkv, M, Dv] of f32, f16 or bf16 in
        host memory, Hkv a divisor of Hq, last axes of stride 1; NumPy, PyTorch or
        any DLPack. Query head h reads KV head h // (Hq / Hkv). Nothing is copied:
        captured tensors are read at each call, with their values of then. Returns
        out, or a new tensor of q's framework, [B, Hq, N, Dv] of q's type; rows
        that see no key are 0. With `return_lse` (out, lse): lse [B, Hq, N] of f32 is
        the natural logarithm of each row's sum of exponentials of scores, -inf
        without a key. Error: sizes or types that do not fit, indices of captured
        tensors that lead outside. Releases the GIL while it computes.
        """
        return self._run(q, (k, v), Problem(q, k, v), out, return_lse)

    def paged(
        self, q, k_pages, v_pages, table, lengths, *, first=None, out=None, return_lse=False,
        prefixes=None, check=True,
    ):
        """The same over a paged cache, in place.

        q [B, Hq, N, D]; k_pages [P, page, Hkv, D] and v_pages [P, page, Hkv, Dv] in
        any order of memory with last axes of stride 1; table [B, pages] and lengths
        [B] of i32: key j of request b is slot j % page of page table[b, j // page].
        q_idx of a request's first query is `first[b]`; None: lengths[b] - N, so that
        the queries are its last tokens. Keys count from 0. Entries of the table
        behind a length, and slots of pages, may hold anything. Page numbers
        are compared with the pools' number of pages; check=False trusts them, and one
        that leads outside may end the process. An entry of -1 is a page that is gone: its
        keys have to be hidden, which is looked up for the ends of each run of them. Captured tensors that are read
        at q_idx are indexed by position.
        `prefixes`, as of PagePool.prefixes, says which keys requests have in common;
        they are read once for all of them, but where the function reads a captured
        tensor by request and key.
        """
        problem = PagedProblem(q, k_pages, v_pages, table, lengths, first, check)
        if prefixes is not None:
            problem.prefixes = parsed(prefixes)
            if check:
                page = problem.k.shape[1]
                check_pages(problem.prefixes, problem.table.numpy(), problem.lengths.numpy(), page)
        return self._run(q, (k_pages, v_pages), problem, out, return_lse)

    def _run(self, q, given, problem, out, return_lse):
        own = out is not None
        if not own:
            out = make_out(q, problem.out_shape, problem.shape.element)
        result = tensor_of("out", out)
        if tuple(result.shape) != problem.out_shape or result.dtype != problem.shape.element:
            raise bad(
                f"expects out of {problem.shape.element} {list(problem.out_shape)}, but got "
                f"{result.dtype} {result.shape}"
            )
        if result.read_only:
            raise bad("expects an out that can be written to, but got a read-only one")
        if own:
            check_apart(out, "out", zip(problem.names, (q, *given)))
        shape, results = problem.shape, [result]
        if return_lse:
            shape = dataclasses.replace(shape, lse=True)
            lse = make_out(q, problem.out_shape[:3], "f32")
            results.append(_native.Tensor(lse))
        program = self.program(shape)
        captured = [access.tensor for access in program.cascade.space.accesses]
        check_gradients([q, *given, out, *captured])
        if not problem.is_empty():
            program.run(problem, results)
        self._last = program
        return (out, lse) if return_lse else out

    def _extracts(self, space):
        """Reads at indices that no view has."""
        roots = [r for r in (self.mask, self.score) if r is not None]
        return [v for v in expr.walk(roots) if v.op == "read" and not space.has_view(v)]

    def __str__(self):
        from .report import report

        return report(self)

    def tile_classes(self, rows, keys, *, tile=(128, 64), b=0, h=0):
        """Classes of the tiles of `rows` queries and `keys` keys, as an array.

        0: no point is present, 1: some are, 2: all, as the compiler classifies them
        from the sets of the mask, with the values of captured tensors of now. What
        other data decides (flags, document ids, an end per query) is 1 unless the
        sets leave it out. The time is that of the number of tiles, whatever their
        sizes. Error (unavailable) without a compiler.
        """
        from .report import tile_classes

        return tile_classes(self, rows, keys, tile, b, h)

    def plot(self, rows, keys, *, tile=(128, 64), b=0, h=0, ax=None):
        """Draws the tile map of the mask with matplotlib and returns the axes."""
        from .report import plot

        return plot(self, rows, keys, tile, b, h, ax)


def flex(score_mod=None, mask_mod=None, *, scale=None):
    """Traces functions as PyTorch's FlexAttention takes them.

    `score_mod(score, b, h, q_idx, kv_idx)` gives a score, `mask_mod(b, h, q_idx,
    kv_idx)` a bool that says whether the point takes part. Both are called once,
    with expressions; they may capture tensors, which are read at every call.
    `scale` multiplies q k first; None: 1 / sqrt(D). Scores of all pairs are never
    held: an Error (unavailable) at the first call if there were no other way.

    Returns a Flex. TraceError names the line of what cannot be traced.
    """
    return Flex(score_mod, mask_mod, scale=scale)
