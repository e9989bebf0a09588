"""Programs and arguments of the benchmark, made from the text of the examples.

Time does not depend on the values, so a pool repeats a few pages of random ones.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Paged:
    """examples/paged_gqa.mlir: `requests` of `keys` tokens, the last `queries` of
    which ask, in pages of `page` tokens at random places of a pool. In a pool of
    heads the tokens of a page and head lie side by side, else all heads of a token."""

    requests: int
    keys: int
    queries: int = 1
    dtype: str = "f16"
    heads: int = 8
    group: int = 4
    width: int = 128
    page: int = 16
    by_heads: bool = False
    window: int = 0

    def text(self, root):
        text = (root / "examples" / "paged_gqa.mlir").read_text(encoding="utf-8")
        slot = f"m mod {self.page}"
        pool = (self.page, self.heads)
        for old, new in (
            ("8x4x", f"{self.heads}x{self.group}x"), ("x128x", f"x{self.width}x"),
            ("xf16>", f"x{self.dtype}>"), ("m floordiv 16", f"m floordiv {self.page}"),
            ("m mod 16, g", f"g, {slot}" if self.by_heads else f"{slot}, g"),
            ("?x16x8x", "?x%dx%dx" % (pool[::-1] if self.by_heads else pool)),
        ):
            assert old in text or old == new, old
            text = text.replace(old, new)
        if self.window:
            causal = "p + off - m >= 0"
            assert causal in text
            text = text.replace(causal, f"{causal} and m + {self.window - 1} - p - off >= 0")
        return text

    def arrays(self, rng):
        """By name, in the order of the function; the last is the scale."""
        pages = -(-self.keys // self.page)
        total = self.requests * pages
        table = rng.permutation(total).astype(np.int32).reshape(self.requests, pages)
        slots = (self.heads, self.page) if self.by_heads else (self.page, self.heads)
        shape = (min(total, max(1, 1024 // self.page)), *slots, self.width)
        pools = [np.resize(self.random(rng, shape), (total, *shape[1:])) for _ in "kv"]
        q = (self.requests, self.queries, self.heads, self.group, self.width)
        length = np.full(self.requests, self.keys, dtype=np.int32)
        return {"q": self.random(rng, q), "k": pools[0], "v": pools[1], "table": table,
                "len": length, "off": length - np.int32(self.queries),
                "scale": self.width**-0.5}

    def random(self, rng, shape):
        some = rng.standard_normal(shape, dtype=np.float32)
        if self.dtype == "bf16":
            return (some.view(np.uint32) >> 16).astype(np.uint16)
        return some.astype({"f16": np.float16, "f32": np.float32}[self.dtype])

    def flops_per_byte(self):
        """Of a decode: two products with each key and value, for all of a group."""
        return 2 * self.group / {"f16": 2, "bf16": 2, "f32": 4}[self.dtype]


@dataclasses.dataclass
class Listed:
    """examples/block_lists.mlir: each block of 64 queries has a list of `listed` of
    all blocks of keys, at random."""

    keys: int
    queries: int
    listed: int

    def text(self, root):
        text = (root / "examples" / "block_lists.mlir").read_text(encoding="utf-8")
        most = "coords<64, 32>"
        assert most in text
        return text.replace(most, f"coords<64, {self.keys // 64}>")

    def arrays(self, rng):
        blocks, all_blocks = self.queries // 64, (self.keys - self.queries) // 64
        lists = np.zeros((2, blocks, self.keys // 64), dtype=np.int32)
        for row in lists.reshape(-1, lists.shape[-1]):
            row[: self.listed] = np.sort(rng.permutation(all_blocks)[: self.listed])
        def some(n):
            return rng.standard_normal((2, n, 8, 64), dtype=np.float32).astype(np.float16)

        return {"q": some(self.queries), "k": some(self.keys), "v": some(self.keys),
                "list": lists, "count": np.full((2, blocks), self.listed, dtype=np.int32),
                "off": self.keys - self.queries}
