# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From a cascade to a call on tensors."""

import dataclasses
import threading

from .._compiler import compile_quietly
from .._context import default_context
from .._errors import Error
from .._native import Tensor
from .errors import bad
from .points import check_missing
from .prefixes import of_heads
from .ranges import Ranges, check_indices, check_integers, fits
from .source import Contents, tensor_of
from .space import Access, Shape


@dataclasses.dataclass(frozen=True)
class Sizes:
    """`extents` of the coordinates, keys of all requests, and what the text is for."""

    extents: dict
    kv_heads: int
    tokens: int
    shape: Shape


class Problem:
    """Tensors of one call: q [B, Hq, N, D], k [B, Hkv, M, D], v [B, Hkv, M, Dv]."""

    prefixes = None  # keys that requests share, as arrays (prefixes.py)
    names, missing = ("q", "k", "v"), None

    def __init__(self, q, k, v):
        self.contents = Contents()
        self.q, self.k, self.v = (tensor_of(n, t) for n, t in zip("qkv", (q, k, v)))
        given = {"q": self.q, "k": self.k, "v": self.v}
        for name, tensor in given.items():
            if len(tensor.shape) != 4:
                raise bad(f"expects {name} with 4 axes [B, H, N, D], but got {len(tensor.shape)}")
            if tensor.dtype not in ("f16", "bf16", "f32") or tensor.dtype != self.q.dtype:
                raise bad(
                    "expects q, k and v of one type of f16, bf16 and f32, but got "
                    f"{', '.join(t.dtype for t in given.values())}"
                )
            if tensor.device != (1, 0):
                raise bad(f"expects {name} in host memory, but got device {tensor.device}")
        batch, heads, rows, head_dim = self.q.shape
        kv_heads, keys = self.k.shape[1:3]
        if (
            self.k.shape[0] != batch
            or self.k.shape[3] != head_dim
            or self.v.shape[:3] != self.k.shape[:3]
        ):
            raise bad(
                "expects q [B, Hq, N, D], k [B, Hkv, M, D] and v [B, Hkv, M, Dv], but got "
                f"{self.q.shape}, {self.k.shape} and {self.v.shape}"
            )
        if kv_heads < 1 or heads % kv_heads:
            raise bad(f"expects query heads in groups of {kv_heads} KV heads, but got {heads}")
        self._check_channels()
        self.kv_heads = kv_heads
        self.extents = {"b": batch, "h": heads, "q": rows, "kv": keys}
        self.shape = Shape(head_dim, self.v.shape[3], heads // kv_heads, self.q.dtype)
        self.out_shape = (batch, heads, rows, self.v.shape[3])
        self.positions = (0, max(rows - 1, 0))  # of queries
        self.tokens = batch * keys

    def _check_channels(self):
        if not self.q.shape[3] or not self.v.shape[3]:
            raise bad(
                "expects q, k and v with channels, but got heads of "
                f"{self.q.shape[3]} and values of {self.v.shape[3]}"
            )

    def sizes(self):
        return Sizes(self.extents, self.kv_heads, self.tokens, self.shape)

    def is_empty(self):
        return 0 in self.out_shape

    def arguments(self):
        return [self.rows(self.q), self.k, self.v]

    def rows(self, tensor):
        """A tensor with query heads as the cascade sees it."""
        return tensor if self.shape.group == 1 else tensor.split(1, self.shape.group)


class PagedProblem(Problem):
    """q [B, Hq, N, D], pools [P, page, Hkv, D] and [P, page, Hkv, Dv], a table
    [B, pages] and lengths [B] of i32."""

    names = ("q", "k_pages", "v_pages")
    missing = None  # [B, pages]: entries of -1 that have to be hidden; None: there are none

    def __init__(self, q, k_pages, v_pages, table, lengths, first, check=True):
        import numpy as np

        self.contents = Contents()
        self.q = tensor_of("q", q)
        self.k, self.v = tensor_of("k_pages", k_pages), tensor_of("v_pages", v_pages)
        self.table, self.lengths = tensor_of("table", table), tensor_of("lengths", lengths)
        if len(self.q.shape) != 4 or len(self.k.shape) != 4 or len(self.v.shape) != 4:
            raise bad(
                "expects q [B, Hq, N, D] and pools [P, page, Hkv, D], but got "
                f"{self.q.shape}, {self.k.shape} and {self.v.shape}"
            )
        batch, heads, rows, head_dim = self.q.shape
        _, page, kv_heads, key_dim = self.k.shape
        if key_dim != head_dim or self.v.shape[1:3] != [page, kv_heads]:
            raise bad(
                "expects pools [P, page, Hkv, D] and [P, page, Hkv, Dv], but got "
                f"{self.k.shape} and {self.v.shape} for q {self.q.shape}"
            )
        self._check_channels()
        if page < 1:
            raise bad(f"expects pools of pages with keys, but got {self.k.shape}")
        if kv_heads < 1 or heads % kv_heads:
            raise bad(f"expects query heads in groups of {kv_heads} KV heads, but got {heads}")
        if self.q.dtype not in ("f16", "bf16", "f32") or not (
            self.q.dtype == self.k.dtype == self.v.dtype
        ):
            raise bad(
                "expects q and pools of one type of f16, bf16 and f32, but got "
                f"{self.q.dtype}, {self.k.dtype} and {self.v.dtype}"
            )
        if self.table.dtype != "i32" or self.lengths.dtype != "i32":
            raise bad(
                "expects a table and lengths of i32, but got "
                f"{self.table.dtype} and {self.lengths.dtype}"
            )
        if len(self.table.shape) != 2 or self.table.shape[0] != batch or self.lengths.shape != [batch]:
            raise bad(
                f"expects a table [{batch}, pages] and lengths [{batch}], but got "
                f"{self.table.shape} and {self.lengths.shape}"
            )
        known = self.lengths.numpy()
        most = self.table.shape[1] * page
        if batch and not 0 <= known.min() <= known.max() <= most:
            raise bad(f"expects lengths from 0 to {most}, but got {known.tolist()}")
        if check:
            self._check_pages(known, page)
        first = known - rows if first is None else np.asarray(first)
        if first.shape != (batch,):
            raise bad(f"expects first [{batch}], but got {list(first.shape)}")
        if first.dtype.kind not in "iu" or (batch and not fits((first.min(), first.max()))):
            raise bad(
                f"expects first of integers of 32 bits, but got {first.tolist()} of {first.dtype}"
            )
        self.first = Tensor(np.ascontiguousarray(first, np.int32))
        self.kv_heads = kv_heads
        keys = int(known.max(initial=0))
        self.tokens = int(known.sum())
        self.extents = {"b": batch, "h": heads, "q": rows, "kv": keys}
        self.positions = (int(first.min(initial=0)), int(first.max(initial=0)) + rows - 1)
        self.shape = Shape(
            head_dim, self.v.shape[3], heads // kv_heads, self.q.dtype, page=page
        )
        self.out_shape = (batch, heads, rows, self.v.shape[3])

    def _check_pages(self, lengths, page):
        """Entries of the table that are looked up, against the pools."""
        import numpy as np

        table, pages = self.table.numpy(), min(self.k.shape[0], self.v.shape[0])
        used = np.arange(table.shape[1]) * page < lengths[:, None]
        missing = used & (table == -1)
        self.missing = missing if missing.any() else None
        wrong = np.argwhere(used & ((table < -1) | (table >= pages)))
        if wrong.size:
            b, column = wrong[0].tolist()
            raise bad(
                f"expects page numbers from 0 to {pages - 1}, or -1 for none, in front of a length, but got "
                f"{table[b, column]} for the keys from {column * page} of request {b}"
            )

    def arguments(self):
        return [self.rows(self.q), self.k, self.v, self.table, self.lengths, self.first]


def view(access: Access, problem):
    """The argument of an access: the user's memory with axes of coordinates."""
    tensor = problem.contents.tensor(access.tensor)
    if access.coords == () and not tensor.shape:
        return tensor
    if access.coords is None:
        if not access.padded:
            return tensor
        return tensor.restride(0, [*tensor.shape, 1], [*tensor.strides, 1])
    extents, group = problem.extents, problem.shape.group
    offset = 0
    steps = dict.fromkeys(access.coords, 0)
    for axis, index in enumerate(access.indices):
        low = high = index.get(None, 0)
        for coord, factor in index.items():
            if coord is not None:
                span = factor * max(extents[coord] - 1, 0)
                low, high = low + min(span, 0), high + max(span, 0)
                steps[coord] = steps.get(coord, 0) + factor * tensor.strides[axis]
        size = tensor.shape[axis]
        if low < 0 or high >= size:
            file, line = access.place
            raise bad(
                f"{file}:{line}: expects indices from 0 to {size - 1} on axis {axis} of a "
                f"captured tensor, but got {low} to {high}: what the mask hides is read too"
            )
        offset += index.get(None, 0) * tensor.strides[axis]
    sizes, strides = [], []
    for coord in access.coords:
        size, step = extents[coord], steps[coord]
        if coord == "h" and group > 1:
            sizes += [size // group, group]
            strides += [step * group, step]
        else:
            sizes.append(size)
            strides.append(step)
    if access.padded:
        sizes.append(1)
        strides.append(1)
    return tensor.restride(offset, sizes, strides)


def check_gradients(tensors):
    """Results have no history: who trains must not lose gradients unseen."""
    if any(getattr(t, "requires_grad", False) for t in tensors):
        import torch

        if torch.is_grad_enabled():
            raise bad(
                "expects tensors that require no gradient, as there is no backward pass, "
                "but got one that does: detach() it or call under torch.no_grad()"
            )


def check_apart(out, name, others):
    """Rows are written while others are computed: what these read must stay."""
    import numpy as np

    written = _memory(out)
    for other, tensor in others:
        try:
            shared = np.shares_memory(written, _memory(tensor), max_work=100_000)
        except getattr(np, "exceptions", np).TooHardError:
            shared = True
        if shared:
            raise bad(f"expects {name} in memory of its own, but got one that overlaps {other}")


def _memory(tensor):
    """An array over the memory of a Tensor, or of one of PyTorch that NumPy has no type for."""
    if type(tensor).__module__.split(".")[0] == "torch":
        import torch

        tensor = tensor.detach()
        return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return tensor_of("out", tensor).numpy()


class Program:
    """A cascade, compiled, with room for one step."""

    def __init__(self, cascade, mask, score, extracts):
        self.cascade, self.mask, self.score = cascade, mask, score
        self.extracts = extracts
        self.compiled = compile_quietly(cascade.text)
        if self.compiled.diagnostics:
            raise Error(
                "unavailable",
                "expects functions of which one pass over the keys can be made, but the "
                f"compiler says: {'; '.join(self.compiled.diagnostics.splitlines())}",
            )
        self.bundle = default_context().load(self.compiled.bundle)
        self.kernel = self.bundle.kernel("flex")
        self.schedule = self.kernel.schedule()
        self.lock = threading.Lock()
        self.stats = None
        self.sizes = None  # of the last call

    def run(self, problem, results):
        arguments = problem.arguments()
        arguments += [view(a, problem) for a in self.cascade.space.accesses]
        ranges = Ranges(problem.extents, problem.positions, problem.contents)
        check_indices(self.extracts, ranges)
        check_integers(self.mask, self.score, self.cascade.space, ranges)
        if problem.missing is not None:
            check_missing(problem, self.mask, self.score)
        prefixes = problem.prefixes
        if self.cascade.space.knows_keys_by_request:
            # Shared keys are read once for all of their requests, and so is all else that
            # is read along them: what tensors say of (request, key) would be one request's.
            prefixes = None
        elif prefixes is not None and self.cascade.heads_differ:
            prefixes = of_heads(prefixes, problem.kv_heads)
        with self.lock:
            self.schedule.update(arguments, prefixes=prefixes)
            stats = self.schedule.stats
            stats["one_pass"] = any(l["fold"] for l in self.schedule.launches)
            self.schedule.run([*arguments, *(problem.rows(r) for r in results)])
            self.stats, self.sizes = stats, problem.sizes()


def make_out(q, shape, element):
    """A tensor of q's framework for a result of f32 or of q's own type."""
    if type(q).__module__.split(".")[0] == "torch":
        import torch

        return q.new_empty(shape, dtype=torch.float32 if element == "f32" else q.dtype)
    import numpy as np

    names = {"f16": np.float16, "f32": np.float32}
    if element not in names:
        raise bad(f"expects out= for {element} of {type(q).__module__}: NumPy has no such type")
    return np.empty(shape, names[element])
