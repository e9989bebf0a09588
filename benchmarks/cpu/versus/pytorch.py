"""PyTorch: scaled_dot_product_attention, and FlexAttention compiled by Inductor."""

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from .contender import Contender, Missing


def tensor(array):
    """A NumPy array of f32, i32 or bf16 bits as it is."""
    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


class PyTorch(Contender):
    def __init__(self, threads):
        super().__init__(threads)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def versions(self):
        return {"torch": torch.__version__, "torch cpu capability": torch.backends.cpu.get_cpu_capability()}

    def result(self):
        case = self.case
        out = self.out.reshape(case.batch, case.query_heads, case.queries, case.channels)
        return out.transpose(1, 2).float().numpy()


class Sdpa(PyTorch):
    """Decode over pages: gathered into one array, then attention over that. The
    queries of a group stand in the place of rows, so nothing is repeated for them."""

    def open(self, case, data):
        self.case, self.scale = case, case.scale
        self.k, self.v = tensor(data.k), tensor(data.v)
        self.mask = None
        q = tensor(data.q)
        if case.page:
            self.note = "gathers the pages first"
            self.q = q.reshape(case.batch, case.heads, case.group, case.channels)
            self.tables = [tensor(table).flatten() for table in data.tables]
            return
        self.q, self.k, self.v = (x.transpose(1, 2) for x in (q, self.k, self.v))
        if case.window:
            self.note = "the window is a mask of booleans: nothing is skipped"
            distance = torch.arange(case.keys)[:, None] - torch.arange(case.keys)[None, :]
            self.mask = (distance >= 0) & (distance < case.window)

    def gathered(self, pool, number):
        case = self.case
        pages = pool.index_select(0, self.tables[number])
        rows = pages.view(case.batch, -1, case.heads, case.channels)[:, :case.keys]
        return rows.transpose(1, 2)

    def call(self, number):
        k, v = self.k, self.v
        if self.case.page:
            k, v = self.gathered(k, number), self.gathered(v, number)
        causal = self.case.causal and self.mask is None
        self.out = scaled_dot_product_attention(self.q, k, v, attn_mask=self.mask, is_causal=causal,
                                                scale=self.scale)


class Flex(PyTorch):
    """With a BlockMask that is made once. Decode: the mask names the pages of each
    request in one sequence of all pages, as torch.nn.attention.experimental does it."""

    page = None  # another page size than that of the case

    def open(self, case, data):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        # Behind its limit it would run what was not compiled, without a word.
        for limit in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit"):
            if hasattr(torch._dynamo.config, limit):
                setattr(torch._dynamo.config, limit, 10000)
        self.run = torch.compile(flex_attention, dynamic=False)
        self.case, self.scale = case, case.scale
        self.q = tensor(data.q).transpose(1, 2)
        if case.page:
            return self.open_pages(data)
        self.k, self.v = tensor(data.k).transpose(1, 2), tensor(data.v).transpose(1, 2)
        mask, window = None, case.window
        if window:
            def mask(b, h, row, key):
                return (row >= key) & (row - key < window)
        elif case.causal:
            def mask(b, h, row, key):
                return row >= key
        # Not compiled it holds several integers per point of the mask.
        long = {"_compile": True} if case.keys > 4096 else {}
        block = mask and create_block_mask(mask, None, None, case.queries, case.keys, device="cpu", **long)
        self.masks = [block]

    def open_pages(self, data):
        case, page = self.case, self.page or self.case.page
        if case.keys % page and page != case.page:
            raise Missing(f"the keys are no multiple of {page}, so its pages would not hold those of the pool")
        tables, pools = data.tables, (data.k, data.v)
        if page != case.page:
            self.note = f"pages of {page}"
            count = sum(t.size for t in tables) * case.page // page
            order = np.random.default_rng(2).permutation(count).astype(np.int32)
            wide = order.reshape(len(tables), case.batch, -1)
            pools = [self.repage(pool, tables, wide, page) for pool in pools]
            tables = list(wide)
        count = pools[0].shape[0]
        # [P, page, H, D] is one sequence of P * page tokens, [1, H, tokens, D].
        self.k, self.v = (tensor(p).reshape(1, -1, case.heads, case.channels).transpose(1, 2).contiguous()
                          for p in pools)
        self.masks = [self.block_mask(tensor(t), count, page, case.keys) for t in tables]

    def repage(self, pool, tables, wide, page):
        out = np.empty((wide.size, page, *pool.shape[2:]), pool.dtype)
        for table, numbers in zip(tables, wide):
            for old, new in zip(table, numbers):
                out[new] = pool[old].reshape(-1, page, *pool.shape[2:])
        return out

    @staticmethod
    def block_mask(table, count, page, keys):
        """Whole pages stand in the list of full blocks, the last one of a request, if
        it is not whole, in the list of those that need the mask."""
        from torch.nn.attention.flex_attention import BlockMask

        batch, each = table.shape
        logical = torch.full((batch, count), -1, dtype=torch.int64)
        logical.scatter_(1, table.long(), torch.arange(each).expand(batch, each))

        def mask(b, h, row, key):
            number = logical[b, key // page]
            return (number >= 0) & (number * page + key % page < keys)

        whole, rest = keys // page, int(keys % page > 0)
        full, partial = (torch.zeros(batch, 1, 1, count, dtype=torch.int32) for _ in range(2))
        full[:, 0, 0, :whole] = table[:, :whole]
        partial[:, 0, 0, :rest] = table[:, whole:]
        counts = torch.ones(batch, 1, 1, dtype=torch.int32)
        return BlockMask.from_kv_blocks(counts * rest, partial, counts * whole, full, BLOCK_SIZE=(128, page),
                                        mask_mod=mask, seq_lengths=(1, count * page))

    def call(self, number):
        self.out = self.run(self.q, self.k, self.v, block_mask=self.masks[number], scale=self.scale,
                            enable_gqa=self.case.group > 1)


class FlexPage128(Flex):
    page = 128
