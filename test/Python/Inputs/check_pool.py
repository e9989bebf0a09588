"""Page pools from Python against a model that knows what every slot contains.

The model is slow and shares nothing with the pool: a tag stands for the keys and
values of a token. It is a function of salt and tokens up to there, so that a page
that two sequences share has to contain the tags of both.
"""

import argparse

import attn_mlir
import numpy as np


class Model:
    """One pool, a cache of tags beside it, and what each sequence has to read."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.page = int(self.rng.choice([1, 4, 16]))
        self.pages = int(self.rng.integers(12, 60))
        # The second group sees a window: its tables lose pages, those of the first do not.
        self.groups = [(0, 0), (self.page, 3 * self.page)][: int(self.rng.integers(1, 3))]
        self.pool = attn_mlir.PagePool(self.pages, self.page, groups=self.groups, seed=seed + 1)
        self.table = attn_mlir.PageTable(self.pool, 4, 64)
        self.device = np.zeros((4, 64), np.int32)  # kept by changes alone
        self.store = {}  # tag by (page, offset)
        self.live = {}  # sequence: (salt, tokens)
        self.dead = []
        self.flight = {}  # step: pages that it may read
        self.bound = [0] * 4
        self.known = []  # prompts that were asked for
        self.counts = dict.fromkeys(("reused", "copies", "refused", "stale", "evicted"), 0)

    def tag(self, salt, tokens, at):
        return hash((salt, tuple(tokens[: at + 1])))

    def pages_of(self, sequence):
        return [self.pool.pages(sequence, g).tolist() for g in range(len(self.groups))]

    def pick(self):
        return list(self.live)[self.rng.integers(len(self.live))]

    def prompt(self):
        """A new text, or one that goes on from a text that was there."""
        base = []
        if self.known and self.rng.random() < 0.7:
            base = self.known[self.rng.integers(len(self.known))]
            base = base[: self.rng.integers(0, len(base) + 1)]
        more = self.rng.integers(0, 3, self.rng.integers(1, 3 * self.page + 2)).tolist()
        self.known.append((base + more)[: 8 * self.page])
        return self.known[-1]

    def create(self):
        salt, prompt = int(self.rng.integers(2)), self.prompt()
        would = self.pool.match(prompt, salt=salt)
        sequence, reused = self.pool.create(np.array(prompt), salt=salt)
        assert reused == would and reused % self.page == 0 and reused <= len(prompt)
        assert sequence not in self.live and sequence not in self.dead
        self.counts["reused"] += reused
        self.live[sequence] = (salt, prompt[:reused])
        self.append(sequence, prompt[reused:])

    def append(self, sequence, new):
        salt, old = self.live[sequence]
        before = self.pool.stats
        kinds = (list, np.int32, np.int64, np.uint16)
        kind = kinds[self.rng.integers(len(kinds))]
        given = list(new) if kind is list else np.array(new * 2, kind)[: len(new)]
        try:
            slots, copies = self.pool.append(sequence, given)
        except attn_mlir.Error as error:
            assert error.status == "resource exhausted", error
            self.counts["refused"] += 1
            after = self.pool.stats
            assert after.pop("refusals") == before.pop("refusals") + 1 and after == before
            step = self.pool.when(self.pages)
            assert step is None or 0 <= step <= before["steps_begun"]
            return
        assert slots.dtype == np.int64 and slots.shape == (len(self.groups), len(new))
        assert copies.dtype == np.int32 and copies.shape[1] == 4
        for group, src, dst, tokens in copies.tolist():
            assert 0 <= group < len(self.groups) and tokens == len(old) % self.page
            self.check_free(dst)
            for i in range(tokens):
                self.store[dst, i] = self.store[src, i]
        tokens = old + list(new)
        for row in slots.tolist():
            for i, slot in enumerate(row):
                page, offset = divmod(slot, self.page)
                assert offset == (len(old) + i) % self.page
                if offset == 0:
                    self.check_free(page)
                self.store[page, offset] = self.tag(salt, tokens, len(old) + i)
        self.live[sequence] = (salt, tokens)
        self.counts["copies"] += len(copies)

    def check_free(self, page):
        """A page that is handed out is read by no step in flight."""
        assert not any(page in pages for pages in self.flight.values()), page

    def operate(self):
        choice = self.rng.random()
        if not self.live or choice < 0.15:
            self.create()
        elif choice < 0.45:
            self.append(self.pick(), self.rng.integers(0, 3, self.rng.integers(0, 6)).tolist())
        elif choice < 0.55 and len(self.live) < 12:
            parent = self.pick()
            self.live[self.pool.fork(parent)] = self.live[parent]
        elif choice < 0.70:
            self.truncate(self.pick())
        elif choice < 0.85 or len(self.live) > 8:
            sequence = self.pick()
            self.pool.release(sequence)
            del self.live[sequence]
            self.dead.append(sequence)
        elif choice < 0.90:
            row = int(self.rng.integers(4))
            self.bound[row] = self.pick()
            self.table.bind(row, self.bound[row])
        else:
            self.step()
        if self.dead and self.rng.random() < 0.1:
            self.use_stale()

    def truncate(self, sequence):
        salt, tokens = self.live[sequence]
        position = int(self.rng.integers(max(len(tokens) - 2 * self.page, 0), len(tokens) + 1))
        try:
            self.pool.truncate(sequence, position)
        except attn_mlir.Error as error:
            # A group's window had been trimmed.
            assert error.status == "invalid argument" and len(self.groups) > 1, error
            return
        self.live[sequence] = (salt, tokens[:position])
        if len(self.groups) > 1 and self.rng.random() < 0.5:
            self.pool.trim(sequence, *self.groups[1], group=1)

    def step(self):
        if self.flight and self.rng.random() < 0.6:
            last = max(self.flight) if self.rng.random() < 0.3 else min(self.flight)
            self.pool.end_step(last)
            self.flight = {s: p for s, p in self.flight.items() if s > last}
            return
        chosen = None if self.rng.random() < 0.5 else [s for s in self.live if self.rng.random() < 0.5]
        step = self.pool.begin_step(chosen)
        reads = self.live if chosen is None else chosen
        self.flight[step] = {p for s in reads for pages in self.pages_of(s) for p in pages}

    def use_stale(self):
        stale = self.dead[self.rng.integers(len(self.dead))]
        calls = (self.pool.pages, self.pool.fork, self.pool.release, self.pool.info)
        refused("not found", calls[self.rng.integers(len(calls))], stale)
        self.counts["stale"] += 1

    def check(self):
        self.pool.audit()
        held = set()
        for sequence, (salt, tokens) in self.live.items():
            info = self.pool.info(sequence)
            assert info["next_position"] == len(tokens) and info["salt"] == salt
            for group, pages in enumerate(self.pages_of(sequence)):
                assert self.pool.length(sequence, group) == len(tokens)
                assert len(pages) == -(-len(tokens) // self.page)
                held |= set(pages) - {0}
                for at in range(len(tokens)):
                    page = pages[at // self.page]
                    if page:
                        got = self.store[page, at % self.page]
                        assert got == self.tag(salt, tokens, at), (sequence, group, at)
                    else:
                        # Only what the group's layers no longer see is gone.
                        sink, window = self.groups[group]
                        assert window and sink <= at < len(tokens) - window + 1
        stats = self.pool.stats
        kinds = ("pages_free", "pages_cached", "pages_held", "pages_limbo")
        assert sum(stats[k] for k in kinds) == stats["pages_total"] == self.pages - 1
        assert stats["pages_held"] == len(held) and stats["sequences"] == len(self.live)
        self.counts["evicted"] = stats["pages_evicted"]
        self.check_table()
        self.check_prefixes()

    def check_prefixes(self):
        """What two sequences share is where their ways to the root meet."""
        names = list(self.live)
        for group in range(len(self.groups)):
            nodes, leaves = self.pool.prefixes(names, group)
            ways = [shared_ends(nodes, leaf) for leaf in leaves]
            whole = []
            for name in names:
                pages = self.pool.pages(name, group)[: len(self.live[name][1]) // self.page]
                whole.append(pages)
            for i, a in enumerate(whole):
                for j, b in enumerate(whole[:i]):
                    least = min(len(a), len(b))
                    same = np.cumprod(a[:least] == b[:least]).sum() * self.page
                    met = max([0, *(end for node, end in ways[i].items() if node in ways[j])])
                    assert met == same, (group, a, b, nodes, leaves)

    def check_table(self):
        for offset, page in self.table.update().tolist():
            self.device.ravel()[offset] = page
        want = np.zeros((4, 64), np.int32)
        for row, sequence in enumerate(self.bound):
            if sequence in self.live:
                pages = self.pool.pages(sequence)
                want[row, : len(pages)] = pages
        array = self.table.array
        assert np.array_equal(array, want) and np.array_equal(self.device, want)
        assert np.shares_memory(array, self.table.array) and not array.flags.writeable


def refused(status, call, *args, **options):
    try:
        call(*args, **options)
    except attn_mlir.Error as error:
        assert error.status == status, error
        return error.message
    raise AssertionError(f"expects an Error ({status}), but nothing was raised")


def shared_ends(nodes, leaf):
    """{node: end} from a leaf to the root."""
    found = {}
    while leaf >= 0:
        found[int(leaf)] = int(nodes[leaf][1])
        leaf = nodes[leaf][0]
    return found


def random_operations(seed, operations):
    total = {}
    for number in range(max(operations // 250, 1)):
        model = Model(seed * 1000 + number)
        for i in range(250):
            try:
                model.operate()
                model.check()
            except Exception:
                print(f"seed {seed}, pool {number}, operation {i}")
                raise
        for name, count in model.counts.items():
            total[name] = total.get(name, 0) + count
    print(f"{operations} operations: {total}")
    if operations >= 2000:
        assert all(total.values()), "a kind of operation never happened"


def prefixes():
    """What is reused, counted: whole pages of equal tokens under one salt."""
    pool = attn_mlir.PagePool(64, 4, seed=1)
    text = list(range(100, 130))
    first, reused = pool.create(text)
    assert reused == 0
    pool.append(first, text)
    assert pool.match(text) == 28 and pool.match(text[:27]) == 24 and pool.match(text[:3]) == 0
    assert pool.match(text, salt=9) == 0 and pool.match([1] + text[1:]) == 0
    assert pool.match(text[:8] + [0] * 8) == 8
    pool.truncate(first, 26)  # still cached, until the slot is written
    assert pool.match(text) == 28
    assert not len(pool.append(first, [5])[1])
    assert pool.match(text) == 24, "a rewritten page is still in the index"
    pinned, tokens = pool.pin(first, 15)
    assert tokens == 12
    pool.release(first)
    assert pool.stats["pages_pinned"] == 3
    pool.unpin(pinned)
    refused("not found", pool.unpin, pinned)
    # Keys of the engine in place of tokens: as u64 pairs, or as integers.
    keyed = attn_mlir.PagePool(64, 4, by_key=True)
    keys = [7 << 64 | 1, 7 << 64 | 2]
    sequence, _ = keyed.create(count=9, keys=keys)
    keyed.append(sequence, count=9, keys=keys)
    assert keyed.match(count=9, keys=np.uint64([[1, 7], [2, 7]])) == 8
    assert keyed.match(count=9, keys=np.uint64([[1, 7], [2, 8]])) == 4
    assert keyed.match(count=9, keys=np.uint64([[7, 1], [2, 7]])) == 0
    refused("invalid argument", keyed.match, count=4, keys=[1 << 128])
    refused("invalid argument", keyed.match, count=4, keys=np.zeros((1, 2), np.int64))


def rewrites():
    """Compaction, original positions, what is missing, side pools."""
    pool = attn_mlir.PagePool(32, 4, side=["position", "count"], side_heads=2)
    sequence, _ = pool.create()
    slots, _ = pool.append(sequence, list(range(10)))
    position = pool.side("position")
    assert position.shape == (32, 4, 2) and pool.side("count").dtype == np.float32
    assert position.reshape(-1, 2)[slots[0], 1].tolist() == list(range(10))
    keep = [[0, 4, 9], [1, 2, 8]]
    copies = pool.compact(sequence, np.ravel(keep), heads=2)
    assert copies.dtype == np.int64 and copies.shape[1] == 4 and set(copies[:, 3]) == {0, 1}
    assert pool.length(sequence) == 3 and pool.info(sequence)["next_position"] == 10
    for head, kept in enumerate(keep):
        assert pool.positions(sequence, head=head).tolist() == kept
        gone = [p for a, b in pool.missing(sequence, 0, 10, head=head).tolist() for p in range(a, b)]
        assert sorted(gone + kept) == list(range(10))
        assert pool.side("position")[pool.pages(sequence)[0], :3, head].tolist() == kept
    assert not pool.info(sequence)["exact"]
    pool.discard(sequence, 10)
    refused("not found", attn_mlir.PagePool(8, 4).side, "position")


def refusals():
    bad = "invalid argument"
    pool = attn_mlir.PagePool(8, 4)
    sequence, _ = pool.create()
    for wrong in ([1.5], ["a"], np.zeros(2), np.zeros((2, 2), np.int32), [2**31], np.int64([2**40])):
        refused(bad, pool.append, sequence, wrong)
    assert "got 2147483648" in refused(bad, pool.append, sequence, [2**31])
    refused(bad, pool.append, sequence, [1, 2], count=3)
    refused(bad, pool.append, sequence, count=-1)
    refused("resource exhausted", pool.append, sequence, count=10**9)
    refused(bad, attn_mlir.PagePool, 1, 4)
    refused(bad, attn_mlir.PagePool, 8, 0)
    refused(bad, attn_mlir.PagePool, 8, 4, groups=[])
    refused(bad, attn_mlir.PagePool, 8, 4, groups=[(0, 1)])
    refused(bad, attn_mlir.PagePool, 8, 4, side=["age"])
    refused(bad, pool.end_step, 3)
    refused(bad, pool.compact, sequence, [0, 1, 2], heads=2)
    refused(bad, pool.pages, sequence, 5)
    refused(bad, attn_mlir.PageTable, pool, 0, 4)
    table = attn_mlir.PageTable(pool, 1, 1)
    refused("not found", table.bind, 0, 12345)
    table.bind(0, sequence)
    pool.append(sequence, list(range(8)))
    refused("resource exhausted", table.update)
    assert not table.array.any()
    array = table.array
    del table, pool  # the array holds what it shows
    assert array.tolist() == [[0]]


def paged_attention():
    """A pool's table, as it lies there, under a compiled kernel."""
    pool, rng = attn_mlir.PagePool(40, 16), np.random.default_rng(0)
    table = attn_mlir.PageTable(pool, 2, 8)
    k, v = (np.full((40, 16, 2, 32), np.nan, np.float32) for _ in "kv")

    def write(sequence, tokens):
        slots, copies = pool.append(sequence, tokens)
        for _, src, dst, count in copies.tolist():
            k[dst, :count], v[dst, :count] = k[src, :count], v[src, :count]
        for cache in (k, v):
            cache.reshape(-1, 2, 32)[slots[0]] = rng.standard_normal((len(tokens), 2, 32))

    parent, _ = pool.create()
    write(parent, list(range(37)))
    child = pool.fork(parent)
    write(child, [1, 2, 3])
    write(parent, [9])
    for row, sequence in enumerate((parent, child)):
        table.bind(row, sequence)
    table.update()
    lengths = np.int32([pool.length(s) for s in (parent, child)])
    q = rng.standard_normal((2, 4, 1, 32)).astype(np.float32)
    out = attn_mlir.flex().paged(q, k, v, table.array, lengths)
    for row, length in enumerate(lengths):
        pages = table.array[row]
        keys, values = (
            c[pages].reshape(-1, 2, 32)[:length].transpose(1, 0, 2).repeat(2, 0) for c in (k, v)
        )
        scores = (keys @ q[row].transpose(0, 2, 1))[..., 0] / np.sqrt(32)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        want = (weights[:, None] @ values)[:, 0] / weights.sum(-1, keepdims=True)
        assert np.abs(out[row, :, 0] - want).max() < 1e-5


def shared_attention():
    """Prefixes that a step shares: the same rows, fewer keys read."""
    pool, rng = attn_mlir.PagePool(60, 16), np.random.default_rng(1)
    text = list(range(200))
    first, _ = pool.create()
    pool.append(first, text)
    sequences = [first]
    for i in range(5):
        sequence, reused = pool.create(text + [i])
        assert reused == 192
        pool.append(sequence, [7 * i] * (9 + i))
        sequences.append(sequence)
    table = attn_mlir.PageTable(pool, len(sequences), 16)
    for row, sequence in enumerate(sequences):
        table.bind(row, sequence)
    table.update()
    nodes, leaves = pool.prefixes(sequences)
    assert nodes.tolist() == [[-1, 192]] and leaves.tolist() == [0] * 6
    assert not len(pool.prefixes(sequences, min_shared=193)[0])
    k, v = rng.standard_normal((2, 60, 16, 2, 32), dtype=np.float32)
    lengths = np.int32([pool.length(s) for s in sequences])
    q = rng.standard_normal((6, 4, 1, 32), dtype=np.float32)
    attention = attn_mlir.flex()
    alone = attention.paged(q, k, v, table.array, lengths)
    read = attention.last.stats["keys_read"]
    shared = attention.paged(q, k, v, table.array, lengths, prefixes=(nodes, leaves))
    assert np.abs(alone - shared).max() < 1e-5
    assert attention.last.stats["keys_read"] < 0.75 * read, (attention.last.stats, read)
    again = attention.paged(q, k, v, table.array, lengths)
    assert np.array_equal(again, alone) and attention.last.stats["keys_read"] == read
    for wrong in (3, (nodes,), (nodes.ravel(), leaves), (nodes, leaves[:2]), ([[0, 16]], leaves)):
        refused("invalid argument", attention.paged, q, k, v, table.array, lengths, prefixes=wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operations", type=int, default=3000)
    options = parser.parse_args()
    for check in (prefixes, rewrites, refusals, paged_attention, shared_attention):
        check()
        print(check.__name__, "done")
    random_operations(options.seed, options.operations)


if __name__ == "__main__":
    main()
