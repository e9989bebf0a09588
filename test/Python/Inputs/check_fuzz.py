"""Random functions through flex(), dense and paged, against arrays of NumPy in f64.

    check_fuzz.py --seed=N --count=M [--case=I]

A function is text that a grammar makes: it is traced with the tensors that it captures,
and evaluated by NumPy over all points with copies of them in i64 and f64. Compared are
rows, their log-sum-exp, and the compiler's tile classes, which may say neither empty
where there is a point nor full where one is absent.
"""

import argparse
import linecache
import re
import sys

import attn_mlir
import numpy as np

from brute import worst_row
from fuzz_grammar import Grammar

TOLERANCE = 1e-4
SIGNATURES = {"mask": "b, h, q, k", "score": "s, b, h, q, k"}


def wide(array):
    return array.astype({"b": bool, "i": np.int64, "u": np.int64, "f": np.float64}[array.dtype.kind])


class Case:
    """Texts of a mask and a score, either may be None, and the sizes they are for."""

    def __init__(self, seed, number):
        self.rng = rng = np.random.default_rng([seed, number])
        self.kv_heads, self.group = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        self.batch, self.rows, self.keys = (int(rng.integers(1, n)) for n in (4, 41, 81))
        # Keys are shared from 256 on: who offers that, and how many keys were read less.
        self.offers, self.saved = number == 0 or bool(rng.random() < 1 / 3), 0
        if self.offers:
            self.batch, self.rows, self.keys = (
                int(rng.integers(a, b)) for a, b in ((2, 5), (1, 21), (300, 421))
            )
        self.dim = int(rng.choice([16, 32]))
        self.longest = max(self.rows, self.keys)
        grammar = Grammar(rng, self.batch, self.kv_heads * self.group, self.longest)
        depth, what = int(rng.integers(1, 5)), rng.integers(5)
        self.texts = {
            "mask": grammar.boolean(depth) if what < 3 else None,
            "score": grammar.masked_score(int(rng.integers(1, 4))) if what > 1 else None,
        }
        if number == 0:  # shares keys for sure
            self.texts = {"mask": "(q >= k)", "score": None}
        used = set(re.findall(r"\b[a-z]\d+\b", f"{self.texts}"))
        self.tensors = {n: a for n, a in grammar.tensors.items() if n in used}
        self.name = f"<case {number} of seed {seed}>"
        self.wide = self._make({n: wide(a) for n, a in self.tensors.items()})

    def _make(self, tensors):
        """{"mask": function or None, "score": ..} that read `tensors`."""
        source = "".join(
            f"def {name}({SIGNATURES[name]}):\n    return {text}\n"
            for name, text in self.texts.items() if text is not None
        )
        linecache.cache[self.name] = (len(source), None, source.splitlines(True), self.name)
        scope = {"np": np, **tensors}
        if tensors is not self.tensors:  # indices are arrays: t[h][k] is t[h, k] of a point
            source = source.replace("][", ", ")
            source = re.sub(r"\.astype\(np\.(\w+)\)", _widened, source)
        exec(compile(source, self.name, "exec"), scope)
        return {name: scope.get(name) for name in self.texts}

    def flex(self):
        made = self._make(self.tensors)
        return attn_mlir.flex(made["score"], made["mask"])

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def reference(self, q, k, v, b, first):
        """Request b alone, q [H, N, D]: (out, lse, mask, present) over all points."""
        heads, rows, dim = q.shape
        keys = k.shape[1]
        group = heads // k.shape[0]
        at = (
            np.full((1, 1, 1), b), np.arange(heads)[:, None, None],
            first + np.arange(rows)[None, :, None], np.arange(keys)[None, None],
        )
        box = (heads, rows, keys)
        k, v = (np.repeat(x.astype(np.float64), group, 0) for x in (k, v))
        with np.errstate(all="ignore"):
            score = q.astype(np.float64) @ k.swapaxes(1, 2) * dim**-0.5
            if self.wide["score"]:
                score = np.broadcast_to(self.wide["score"](score, *at), box)
            mask = np.ones(box, bool)
            if self.wide["mask"]:
                mask = np.broadcast_to(self.wide["mask"](*at), box)
            if np.isnan(score).any():
                raise ValueError("the grammar made a score of nan")
            score = np.where(mask, score, -np.inf)
            top = score.max(-1, keepdims=True, initial=-np.inf)
            weight = np.exp(score - np.where(np.isinf(top), 0, top))
            total = weight.sum(-1, keepdims=True)
            out = np.where(total > 0, weight / np.where(total > 0, total, 1), 0) @ v
            return out, (np.log(total) + top)[..., 0], mask, score > -np.inf

    def check(self, got, want):
        """Compares (out, lse) of all requests with lists of the reference's."""
        out, lse = (np.stack([w[i] for w in want]) for i in range(2))
        assert worst_row(got[0], out) <= TOLERANCE, f"worst row {worst_row(got[0], out):.1e}"
        there = np.isfinite(lse)
        assert (np.isneginf(got[1]) == ~there).all(), "an lse of rows without keys"
        assert np.allclose(got[1][there], lse[there], atol=1e-3), "an lse"

    def run_dense(self, attention):
        heads = self.kv_heads * self.group
        q = self.normal(self.batch, heads, self.rows, self.dim)
        k, v = (self.normal(self.batch, self.kv_heads, self.keys, self.dim) for _ in "kv")
        want = [self.reference(q[b], k[b], v[b], b, 0) for b in range(self.batch)]
        self.check((attention(q, k, v), want_lse(want)), want)
        self.check(attention(q, k, v, return_lse=True), want)
        return want

    def run_tiles(self, attention, want):
        b, h = (int(self.rng.integers(n)) for n in (self.batch, self.kv_heads * self.group))
        high, across = (int(n) for n in self.rng.integers(1, 17, 2))
        classes = attention.tile_classes(self.rows, self.keys, tile=(high, across), b=b, h=h)
        _, _, mask, present = (w[h] for w in want[b])
        for i, j in np.ndindex(*classes.shape):
            tile = slice(i * high, (i + 1) * high), slice(j * across, (j + 1) * across)
            assert classes[i, j] != 0 or not present[tile].any(), f"tile {i}, {j} is not empty"
            assert classes[i, j] != 2 or mask[tile].all(), f"tile {i}, {j} is not full"

    def run_paged(self, attention):
        """Ragged requests in shuffled pages; slots that nobody has hold NaN."""
        rng, heads = self.rng, self.kv_heads * self.group
        page = int(rng.choice([1, 3, 8, 16]))
        rows = int(rng.integers(1, min(self.rows, 9) + 1))
        least = 272 if self.offers else 0
        lengths = rng.integers(least, self.keys + 1, self.batch).astype(np.int32)
        lengths[rng.integers(self.batch)] = self.keys
        # Positions of queries: the last ones, or any that tensors have.
        first = np.maximum(lengths - rows, 0).astype(np.int32)
        if rng.random() < 0.3:
            first = rng.integers(0, self.longest - rows + 1, self.batch).astype(np.int32)
        shared = 0
        if self.offers or (self.batch > 1 and rng.random() < 0.5):  # whole pages that all requests have
            shared = int(lengths.min()) // page
        columns = -(-self.keys // page)
        table = np.full((self.batch, columns), -9, np.int32)
        pages = iter(rng.permutation(self.batch * columns + 3))
        pools = np.full((2, self.batch * columns + 3, page, self.kv_heads, self.dim), np.nan, np.float32)
        q = self.normal(self.batch, heads, rows, self.dim)
        kv = self.normal(2, self.batch, self.kv_heads, self.keys, self.dim)
        kv[:, :, :, : shared * page] = kv[:, :1, :, : shared * page]
        for b, start in np.ndindex(self.batch, columns):
            part = kv[:, b, :, start * page : min((start + 1) * page, lengths[b])].swapaxes(1, 2)
            if start < shared and b:
                table[b, start] = table[0, start]
            elif part.shape[1]:
                table[b, start] = next(pages)
                pools[:, table[b, start], : part.shape[1]] = part
        nodes = np.array([(-1, shared * page)] * (shared > 0), np.int32).reshape(-1, 2)
        leaves = np.full(self.batch, 0 if shared else -1, np.int32)
        want = [
            self.reference(q[b], kv[0, b, :, :n], kv[1, b, :, :n], b, first[b])
            for b, n in enumerate(lengths)
        ]
        read = []
        for prefixes in (None, (nodes, leaves)) if shared else (None,):
            got = attention.paged(q, *pools, table, lengths, first=first, prefixes=prefixes)
            self.check((got, want_lse(want)), want)
            read.append(attention.last.stats["keys_read"])
        self.saved = read[0] - read[-1]
        self.check(attention.paged(
            q, *pools, table, lengths, first=first, prefixes=prefixes, return_lse=True
        ), want)

    def run(self):
        attention = self.flex()
        self.run_tiles(attention, self.run_dense(attention))
        self.run_paged(attention)


def _widened(cast):
    """Rounds and wraps as the type does, and computes on in 64 bits."""
    return f"{cast[0]}.astype(np.{'int' if 'int' in cast[1] else 'float'}64)"


def want_lse(want):
    return np.stack([w[1] for w in want])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--case", type=int, help="this one alone, with its text")
    options = parser.parse_args()
    numbers = range(options.count) if options.case is None else [options.case]
    bad, shares = 0, 0
    for number in numbers:
        case = Case(options.seed, number)
        if options.case is not None:
            print(case.texts, {n: (a.dtype, a.shape) for n, a in case.tensors.items()})
        try:
            case.run()
            shares += case.saved > 0
        except (attn_mlir.Error, AssertionError) as error:
            bad += 1
            print(f"case {number} of seed {options.seed}: {type(error).__name__} {error}")
            for name, text in case.texts.items():
                print(f"  {name}: {text}")
            sys.stdout.flush()
    print(f"{len(numbers) - bad} of {len(numbers)} functions are right, {shares} shared keys")
    if options.case is None and not shares:
        sys.exit("no case shared keys")
    if bad:
        sys.exit(1)


if __name__ == "__main__":
    main()
