"""The sizes that are timed, what counts as work, and the arrays of a case.

Arrays are token-major, as a projection leaves them: q [B, N, Hq, D], k and v
[B, M, Hkv, D], pools [P, page, Hkv, D]. Query head h reads KV head h // group.
bf16 is held as its bits in u16: NumPy has no such type.
"""

import dataclasses

import numpy as np

WIDTH = 1024  # query heads times channels of prefill
KV_HEADS, GROUP, PAGE = 8, 8, 16
# The pool repeats this many pages: time does not depend on values, and a prime
# leaves no page of a table where another one belongs.
DISTINCT_PAGES = 61


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str  # prefill, decode
    element: str  # bf16, f32
    channels: int
    heads: int  # of keys and values
    group: int
    batch: int
    queries: int  # of a request; the last ones of its keys
    keys: int
    causal: bool = False
    window: int = 0  # keys that a causal row sees, 0: all before it
    page: int = 0  # 0: contiguous

    @property
    def name(self):
        if self.kind == "decode":
            return (f"decode {self.element} hd{self.channels} GQA{self.group} page{self.page} "
                    f"b{self.batch} k{self.keys}")
        mask = f"window{self.window}" if self.window else "causal" if self.causal else "full"
        return f"prefill {self.element} hd{self.channels} {mask} {self.keys}"

    @property
    def query_heads(self):
        return self.heads * self.group

    @property
    def scale(self):
        return float(np.float32(self.channels**-0.5))

    def visible(self, row):
        """First key of a row and one past its last."""
        if not self.causal:
            return 0, self.keys
        end = row + 1 + self.keys - self.queries
        return (max(end - self.window, 0) if self.window else 0), end

    def pairs(self):
        """Visible (row, key) pairs of a head: masked ones are no work."""
        return sum(end - begin for begin, end in map(self.visible, range(self.queries)))

    def flops(self):
        """Two products, a multiplication and an addition each, per pair and channel."""
        return 4 * self.channels * self.batch * self.query_heads * self.pairs()

    def kv_bytes(self):
        """Keys and values, each once."""
        size = 2 if self.element == "bf16" else 4
        return 2 * size * self.batch * self.keys * self.heads * self.channels

    def all_bytes(self):
        """Those, queries and results: what must cross the memory bus at least."""
        size = 2 if self.element == "bf16" else 4
        return self.kv_bytes() + 2 * size * self.batch * self.queries * self.query_heads * self.channels


def prefill(element, channels, keys, causal, window=0, width=WIDTH):
    return Case("prefill", element, channels, max(width // channels, 1), 1, 1, keys, keys, causal, window)


def decode(batch, keys, heads=KV_HEADS):
    return Case("decode", "bf16", 128, heads, GROUP, batch, 1, keys, page=PAGE)


def quick():
    cases = [prefill(element, channels, keys, causal)
             for element in ("bf16", "f32") for channels in (64, 128)
             for causal in (True, False) for keys in (1024, 2048, 4096)
             # f32 and hd 64 at one length: the two-by-two of types and heads is kept.
             if (element == "bf16" and channels == 128) or keys == 2048]
    return cases + [prefill("bf16", 128, 16384, True, 1024)] + [decode(b, 4096) for b in (1, 4, 16, 32)]


def full():
    cases = [prefill(element, channels, keys, causal)
             for element in ("bf16", "f32") for channels in (64, 128)
             for causal in (True, False) for keys in (1024, 2048, 4096, 8192, 16384)]
    cases += [prefill(element, channels, 16384, True, 1024)
              for element in ("bf16", "f32") for channels in (64, 128)]
    return cases + [decode(b, 8192) for b in (1, 2, 4, 8, 16, 32)] + [decode(1, 131072)]


def smoke():
    cases = [prefill(element, channels, 80, causal, width=128)
             for element, channels, causal in (("bf16", 64, True), ("f32", 128, False))]
    return [*cases, prefill("f32", 64, 96, True, 40, width=128), decode(2, 150, heads=2)]


def to_bf16(x):
    """Bits of the nearest bf16, halves to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widen(x):
    """f32 of bf16 bits, or f32 as it is."""
    return x if x.dtype != np.uint16 else (x.astype(np.uint32) << 16).view(np.float32)


MOST_ROWS = 8  # of a head that are looked at


def places(case):
    """(request, query head, rows) to look at: the ends, and some between."""
    rng = np.random.default_rng(7)
    pairs = {(0, 0), (case.batch - 1, case.query_heads - 1)}
    while len(pairs) < min(4, case.batch * case.query_heads):
        pairs.add((int(rng.integers(case.batch)), int(rng.integers(case.query_heads))))
    rows = {0, case.queries // 2, case.queries - 1}
    while len(rows) < min(MOST_ROWS, case.queries):
        rows.add(int(rng.integers(case.queries)))
    return [(request, head, sorted(rows)) for request, head in sorted(pairs)]


class Data:
    """The arrays of a case; the same in every process, as the seed is the same. Each
    row that is looked at has one key with most of its weight, at the ends of what it
    sees and elsewhere: among thousands of equals a key that is left out would not show.

    Contiguous: k, v. Paged: pools k, v, `tables` with one table [B, pages] for each
    set, which name different pages, and `lengths` [B]."""

    def __init__(self, case, sets=1, seed=1):
        rng = np.random.default_rng(seed)

        def draw(*shape):
            x = rng.standard_normal(shape, dtype=np.float32)
            return to_bf16(x) if case.element == "bf16" else x

        self.case, self.sets = case, sets
        self.q = draw(case.batch, case.queries, case.query_heads, case.channels)
        if not case.page:
            shape = (case.batch, case.keys, case.heads, case.channels)
            self.k, self.v = draw(*shape), draw(*shape)
            self.place_needles(draw, rng)
            return
        each = -(-case.keys // case.page)
        count = sets * case.batch * each
        order = rng.permutation(count).astype(np.int32)
        self.tables = list(order.reshape(sets, case.batch, each))
        self.lengths = np.full(case.batch, case.keys, np.int32)
        shape = (min(count, DISTINCT_PAGES), case.page, case.heads, case.channels)
        self.k, self.v = (np.resize(draw(*shape), (count, *shape[1:])) for _ in "kv")
        self.place_needles(draw, rng)

    def place_needles(self, draw, rng):
        case, count = self.case, 0
        for request, head, rows in places(case):
            for row in rows:
                begin, end = case.visible(row)
                key = (end - 1, begin, (begin + end) // 2, int(rng.integers(begin, end)))[count % 4]
                count += 1
                needle = draw(case.channels)
                for number in range(self.sets):
                    self.k[self.index_of(number, request, key, head // case.group)] = needle
                # Its weight is e / (e + 1) beside keys whose scores are about 0.
                wide = widen(needle)
                factor = (np.log(end - begin) + 1) / (case.scale * float(wide @ wide))
                q = (wide * factor).astype(np.float32)
                self.q[request, row, head] = to_bf16(q) if case.element == "bf16" else q

    def index_of(self, number, request, key, head):
        if not self.case.page:
            return request, key, head
        return self.tables[number][request, key // self.case.page], key % self.case.page, head

    def keys_of(self, number, request, head):
        """k and v [M, D] in f32 of a KV head of a request in a set."""
        if not self.case.page:
            return [widen(x[request, :, head]) for x in (self.k, self.v)]
        pages = self.tables[number][request]
        rows = [widen(x[pages, :, head]) for x in (self.k, self.v)]
        return [x.reshape(-1, self.case.channels)[:self.case.keys] for x in rows]


def sets_for(case, cache_bytes, most_bytes):
    """How many sets of a decode case are read in turn: together four times the last
    cache, so that each is read from memory, and no more than `most_bytes`."""
    if not case.page:
        return 1
    wanted = -(-4 * cache_bytes // case.kv_bytes())
    return max(1, min(wanted, most_bytes // case.kv_bytes(), 4096))
