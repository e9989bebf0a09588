"""K and V of all layers in pages, and one step of a batch over them."""

import dataclasses
import time

import numpy as np
import torch

from .kernels import Kernels


@dataclasses.dataclass
class Step:
    """What one forward pass of packed tokens means for attention.

    Token i of the pass goes to slots[i]. Request b has the tokens qptr[b] ..
    qptr[b + 1] - 1, which are the last of its len[b] keys.
    """

    slots: np.ndarray  # i32 [tokens]
    table: np.ndarray  # i32 [requests, columns]
    lengths: np.ndarray  # i32 [requests]
    qptr: np.ndarray  # i32 [requests + 1]
    prefixes: tuple = None  # keys that requests share, as PagePool.prefixes has them
    planned: bool = False


def distinct_keys(table, lengths, page):
    """Keys in the pages of a step, each once whoever has it."""
    used = {}  # tokens of a page that the longest of its requests has
    for row, length in zip(table.tolist(), lengths.tolist()):
        for i in range(-(-length // page)):
            used[row[i]] = max(used.get(row[i], 0), min(page, length - i * page))
    return sum(used.values())


class PagedCache:
    """The engine's memory: [layers, pages, page, KV heads, D], f32.

    It starts as NaN, so that a slot that is read but was never written shows.
    """

    def __init__(self, config, pages, page, workers=0):
        kv_heads, dim = config.num_key_value_heads, config.head_dim
        self.group = config.num_attention_heads // kv_heads
        self.kv_heads, self.dim, self.page = kv_heads, dim, page
        shape = (config.num_hidden_layers, pages, page, kv_heads, dim)
        self.k, self.v = (torch.full(shape, float("nan")) for _ in "kv")
        self.kernels = Kernels(kv_heads, self.group, dim, page, workers)
        self.seconds = 0.0
        # Of one layer, x KV heads: keys in pages, each once, and those of the tiles
        # that work items visit, once per item.
        self.keys_stored = self.keys_visited = 0

    def copy(self, copies):
        """What the pool asks for before an append: rows of (group, from, to, tokens)."""
        for _, src, dst, tokens in copies.tolist():
            for cache in (self.k, self.v):
                cache[:, dst, :tokens] = cache[:, src, :tokens]

    def attend(self, layer, q, k, v, scale, step):
        """q [tokens, Hq, D], k and v [tokens, Hkv, D] of a layer; strides are free."""
        start = time.perf_counter()
        append, attend = self.kernels.append, self.kernels.attend
        kp, vp = self.k[layer], self.v[layer]
        q = q.unflatten(1, (self.kv_heads, self.group))
        out = torch.empty(q.shape)
        new = [k, v, step.slots, kp, vp]
        seen = [q, kp, vp, step.table, step.lengths, step.qptr, scale]
        was_planned = step.planned
        if not was_planned:  # sizes and lengths are the same in all layers
            append.update(new)
            attend.update(seen, prefixes=step.prefixes)
            step.planned = True
        append.run(new)
        attend.run([*seen, out])
        self.seconds += time.perf_counter() - start
        if not was_planned:
            stored = distinct_keys(step.table, step.lengths, self.page)
            self.keys_stored += stored * self.kv_heads
            self.keys_visited += attend.stats["keys_read"]
        return out.flatten(1, 2)


class GatheredCache(PagedCache):
    """The same pages, gathered for PyTorch's SDPA request by request."""

    def attend(self, layer, q, k, v, scale, step):
        start = time.perf_counter()
        kp, vp = (c[layer].flatten(0, 1) for c in (self.k, self.v))
        slots = torch.from_numpy(step.slots).long()
        kp[slots], vp[slots] = k, v
        out = torch.empty(q.shape)
        places = torch.arange(self.page)
        for b, length in enumerate(step.lengths.tolist()):
            lo, hi = step.qptr[b:b + 2].tolist()
            pages = torch.from_numpy(step.table[b, : -(-length // self.page)].copy()).long()
            held = (pages[:, None] * self.page + places).flatten()[:length]
            first = length - (hi - lo)
            mask = torch.arange(length) <= torch.arange(first, length)[:, None]
            out[lo:hi] = torch.nn.functional.scaled_dot_product_attention(
                q[lo:hi].transpose(0, 1)[None], kp[held].transpose(0, 1)[None],
                vp[held].transpose(0, 1)[None], attn_mask=mask, scale=scale, enable_gqa=True,
            )[0].transpose(0, 1)
        self.seconds += time.perf_counter() - start
        return out


CACHES = {"attn_mlir": PagedCache, "sdpa": GatheredCache}
