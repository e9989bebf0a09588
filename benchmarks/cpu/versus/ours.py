"""attn_mlir: the cascade of the case, compiled when it is opened.

The plan of a step (`Schedule.update`) is made once, as a model makes it once for all
its layers; its time and that of compiling are reported beside the rates."""

import time

import attn_mlir
import numpy as np

from . import programs
from .bits import Bits
from .cases import widen
from .contender import Contender


class Ours(Contender):
    def __init__(self, threads):
        super().__init__(threads)
        self.keep = attn_mlir.Context(threads=threads, pin=True)

    def versions(self):
        return {"attn_mlir": str(attn_mlir.compiler_version())}

    def open(self, case, data):
        start = time.perf_counter()
        compiled = attn_mlir.compile(programs.text(case))
        kernel = self.keep.load(compiled.bundle).kernel("attend")
        self.compile_ms = (time.perf_counter() - start) * 1e3
        self.case, self.schedule = case, kernel.schedule()
        self.target = kernel.target

        def wrap(array):
            return Bits(array) if array.dtype == np.uint16 else array

        shape = (case.batch, case.queries, case.heads, case.group, case.channels)
        self.out = np.zeros(shape, data.q.dtype)
        self.held = [wrap(x) for x in (data.q.reshape(shape), data.k, data.v, self.out)]
        q, k, v, out = map(attn_mlir.Tensor, self.held)
        self.arguments = [[q, k, v, case.scale]]
        if case.page:
            lengths = attn_mlir.Tensor(data.lengths)
            self.arguments = [[q, k, v, attn_mlir.Tensor(table), lengths, case.scale] for table in data.tables]
            self.held += [data.tables, data.lengths]
        start = time.perf_counter()
        self.schedule.update(self.arguments[0])
        self.plan_ms = (time.perf_counter() - start) * 1e3
        self.tensors = [[*arguments, out] for arguments in self.arguments]

    def facts(self):
        return {"compile_ms": self.compile_ms, "plan_ms": self.plan_ms, "target": self.target}

    def call(self, number):
        self.schedule.run(self.tensors[number])

    def result(self):
        case = self.case
        return widen(self.out).reshape(case.batch, case.queries, case.query_heads, case.channels)
