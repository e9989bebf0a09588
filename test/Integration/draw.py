"""Random inputs of a program: data, lengths, pages.

Two kinds of data. `random` is standard normal. In `needle` one key per head
carries about 0.9 of the weight of the rows that see it; it stands at a border of
a page, a tile, a split or a sequence, where a kernel that loses a key loses it.
Random data alone shows little: a row of n keys has a magnitude of 1/sqrt(n).

Whatever a program must not read is poisoned: spare pages and the tails of pages
hold NaN, and table entries past the last page of a sequence hold junk ids.
"""

import numpy as np

# The channel of q and k in which a needle meets every query.
NEEDLE_CHANNEL = -1
NEEDLE_QUERY = 4.0
BORDERS = (0, 1, 15, 16, 23, 24, 31, 32, 47, 48, 63, 64, 127, 128, 191, 192, 256)
JUNK = (-1, -(2**31), 2**31 - 1, 0, 1)


def borders(count, tile=64, splits=(2, 3, 7)):
    """Positions below `count` where pages, tiles, splits or the sequence end."""
    found = set(BORDERS) | {count - 1, count - 2}
    tiles = -(-count // tile)
    for split in splits:
        for i in range(1, split):
            for cut in (count * i // split, tiles * i // split * tile):
                found |= {cut - 1, cut}
    return sorted(m for m in found if 0 <= m < count)


class Draw:
    """A stream of inputs. `mark` replaces one value that some row sees."""

    def __init__(self, seed, kind, large=False, mark=None):
        self.rng = np.random.default_rng([*np.atleast_1d(seed), len(kind)])
        self.needle = kind == "needle"
        self.large = large
        self.mark = mark

    def integer(self, low, high):
        """One of low .. high."""
        return int(self.rng.integers(low, high + 1))

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float16)

    def queries(self, *shape):
        """The last axis is the channel. Needle queries are small but for one
        channel, so that the other keys weigh about the same."""
        q = self.normal(*shape)
        if self.needle:
            q *= np.float16(0.3)
            q[..., NEEDLE_CHANNEL] = NEEDLE_QUERY
        return q

    def keys(self, count, heads, width, scale, seen=None, extra=None):
        """(count, heads, width). `seen`: keys that a row sees, if not all;
        `extra`: what a head's needle needs on top, (heads,)."""
        k = self.normal(count, heads, width)
        if self.needle:
            k[..., NEEDLE_CHANNEL] = 0
        if self.needle and count:
            score = np.log(9.0 * (seen or count))
            # Of several heads one has it on the newest key and one on the first.
            places = self.rng.choice(borders(count), heads)
            places[: heads // 2] = [count - 1, 0, *places][: heads // 2]
            for head, m in enumerate(self.rng.permutation(places)):
                more = 0.0 if extra is None else extra[head] * (count - 1 - m)
                k[m, head, NEEDLE_CHANNEL] = (score + more) / (scale * NEEDLE_QUERY)
        return k

    def mark_newest(self, sequences):
        """Puts the mark on the newest token of the longest sequence, head 0."""
        if self.mark is not None:
            longest = max(sequences, key=len)
            longest[(len(longest) - 1, *(0,) * (longest.ndim - 1))] = self.mark

    def lengths(self, count, longest):
        """Ragged: one long, one token, none, and some between. Shuffled."""
        lens = [longest, 1, 0]
        lens += [self.integer(2, max(3, longest // 2)) for _ in range(count - 3)]
        return self.rng.permutation(np.array(lens[:count], dtype=np.int32))


class Pages:
    """Page ids of some sequences, shuffled over a pool with spare pages."""

    def __init__(self, draw, lens, page):
        self.page = page
        counts = [-(-int(n) // page) for n in lens]
        self.total = sum(counts) + 3
        ids = draw.rng.permutation(self.total)
        width = max(counts) + 2
        self.table = draw.rng.choice(JUNK + (self.total,), (len(lens), width))
        self.table = self.table.astype(np.int32)
        self.ids = []
        for row, count in zip(self.table, counts):
            self.ids.append(ids[:count])
            row[:count], ids = ids[:count], ids[count:]

    def pool(self, sequences, poison=np.nan):
        """(page, slot, ..): every slot that holds no token is poison."""
        first = sequences[0]
        shape = (self.total * self.page,) + first.shape[1:]
        slots = np.full(shape, poison, dtype=first.dtype)
        for ids, tokens in zip(self.ids, sequences):
            m = np.arange(len(tokens))
            if len(m):
                slots[ids[m // self.page] * self.page + m % self.page] = tokens
        return slots.reshape((self.total, self.page) + first.shape[1:])

    def pool_of_pages(self, sequences, poison=np.nan):
        """(page, ..): one item per page of each sequence."""
        first = sequences[0]
        items = np.full((self.total,) + first.shape[1:], poison, dtype=first.dtype)
        for ids, pages in zip(self.ids, sequences):
            items[ids] = pages
        return items
