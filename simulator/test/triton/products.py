# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of sums of products and of attention."""

from dataclasses import dataclass

import numpy as np

from cases import Case, Output, Scalar, case, integers, normal

TOLERANCE = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 1.2e-2}


@dataclass
class Product:
    """C[M][N] = A[M][K] B[K][N] in tiles; A and B may lie transposed."""

    kind: str
    M: int
    N: int
    K: int
    tile: tuple[int, int, int]
    out: str = "fp32"
    stages: int = 3
    warps: int = 4
    precision: str = "tf32"
    accumulator: str = "tl.float32"
    tolerance: float = 1e-5
    a_transposed: bool = False
    b_transposed: bool = False
    archs: tuple[int, ...] = (80, 90)


def _matmul(p: Product) -> Case:
    shape_a, shape_b = (p.M, p.K), (p.K, p.N)
    if p.kind == "i8":
        a = integers("i8", -128, 127, *shape_a)
        b = integers("i8", -128, 127, *shape_b, seed=2)
        want = a.values.astype(np.int64) @ b.values.astype(np.int64)
    else:
        a, b = normal(p.kind, *shape_a), normal(p.kind, *shape_b, seed=2)
        want = a.values @ b.values
    strides_a, strides_b = (p.K, 1), (p.N, 1)
    if p.a_transposed:
        a.values, strides_a = a.values.T.copy(), (1, p.M)
    if p.b_transposed:
        b.values, strides_b = b.values.T.copy(), (1, p.K)
    sizes = {
        "M": p.M,
        "N": p.N,
        "K": p.K,
        "stride_am": strides_a[0],
        "stride_ak": strides_a[1],
        "stride_bk": strides_b[0],
        "stride_bn": strides_b[1],
        "stride_cm": p.N,
        "stride_cn": 1,
    }
    arguments = {"a": a, "b": b, "c": Output(p.out, want, p.tolerance)}
    arguments |= {name: Scalar("i32", size) for name, size in sizes.items()}
    constants = dict(zip(("BLOCK_M", "BLOCK_N", "BLOCK_K"), p.tile))
    constants |= {"GROUP_M": 2, "ACCUMULATOR": p.accumulator, "PRECISION": p.precision}
    tiles = -(-p.M // p.tile[0]) * -(-p.N // p.tile[1])
    options = {"num_stages": p.stages, "num_warps": p.warps}
    return Case("matmul", arguments, constants, (tiles,), options, p.archs)


def _product(name: str, product: Product) -> None:
    case(f"matmul-{name}")(lambda: _matmul(product))


_product("f16", Product("fp16", 192, 160, 256, (64, 64, 32), "fp16", 4, tolerance=1e-3))
_product("bf16", Product("bf16", 128, 256, 192, (128, 128, 64), stages=3, warps=8))
_product("ragged", Product("fp16", 100, 90, 70, (64, 32, 32), stages=3))
_product("two-stages", Product("bf16", 64, 64, 128, (64, 64, 32), stages=2))
_product("one-stage", Product("fp16", 64, 64, 128, (32, 32, 64), stages=1))
_product("a-transposed", Product("fp16", 128, 64, 96, (64, 64, 32), a_transposed=True))
_product("b-transposed", Product("bf16", 128, 64, 96, (64, 64, 32), b_transposed=True))
_product(
    "both-transposed",
    Product("fp16", 64, 64, 128, (64, 64, 64), a_transposed=True, b_transposed=True),
)
_product(
    "f16-sums-f16",
    Product("fp16", 64, 64, 128, (64, 64, 32), "fp16", accumulator="tl.float16", tolerance=1e-2),
)
_product(
    "i8",
    Product("i8", 128, 64, 192, (64, 64, 64), "i32", accumulator="tl.int32", tolerance=0),
)
_product(
    "i8-transposed",
    Product(
        "i8",
        64,
        128,
        128,
        (64, 64, 64),
        "i32",
        accumulator="tl.int32",
        tolerance=0,
        b_transposed=True,
    ),
)
_product("tf32", Product("fp32", 128, 64, 128, (64, 64, 32), tolerance=2e-3))
_product("tf32x3", Product("fp32", 64, 64, 96, (64, 64, 32), precision="tf32x3"))
_product("ieee", Product("fp32", 64, 64, 96, (32, 32, 32), precision="ieee"))
_product(
    "tf32-transposed",
    Product("fp32", 64, 64, 128, (64, 64, 32), tolerance=2e-3, b_transposed=True),
)
_product("e5m2", Product("fp8e5", 128, 64, 256, (64, 64, 64)))
_product(
    "e5m2-transposed", Product("fp8e5", 64, 128, 128, (64, 64, 64), b_transposed=True)
)
_product("e4m3", Product("fp8e4nv", 128, 128, 256, (64, 64, 64), archs=(90,)))
_product(
    "e4m3-transposed",
    Product("fp8e4nv", 128, 128, 256, (128, 64, 64), b_transposed=True, warps=8, archs=(90,)),
)


@case("matmul-split")
def _split() -> Case:
    M, N, K = 64, 96, 256
    a, b = normal("fp16", M, K), normal("fp16", K, N, seed=2)
    want = a.values @ b.values
    arguments = {"a": a, "b": b, "c": Output("fp32", want, 1e-5, start=np.zeros((M, N)))}
    arguments |= {n: Scalar("i32", s) for n, s in (("M", M), ("N", N), ("K", K))}
    constants = {"BLOCK": 32, "BLOCK_K": 32, "PARTS": 2}
    return Case("matmul_split", arguments, constants, (6, 2), {"num_stages": 3})


@dataclass
class Attention:
    """Softmax(scale Q K^T) V for each batch and head, [batch][head][row][D]."""

    kind: str
    length: int
    D: int
    causal: bool
    tile: tuple[int, int] = (64, 64)
    stages: int = 2
    warps: int = 4
    batch: int = 1
    heads: int = 2

    def reference(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float):
        """Output and log-sum-exp of base 2, in f64."""
        s = q @ k.swapaxes(-1, -2) * scale
        if self.causal:
            s = np.where(np.tri(self.length, dtype=bool), s, -np.inf)
        largest = s.max(axis=-1, keepdims=True)
        p = np.exp(s - largest)
        total = p.sum(axis=-1, keepdims=True)
        return p @ v / total, ((largest + np.log(total)) / np.log(2))[..., 0]

    def make(self) -> Case:
        shape = (self.batch, self.heads, self.length, self.D)
        q, k, v = (normal(self.kind, *shape, seed=s) for s in (1, 2, 3))
        scale = self.D**-0.5
        want, lse = self.reference(q.values, k.values, v.values, scale)
        sizes = {
            "length": self.length,
            "heads": self.heads,
            "stride_batch": self.heads * self.length * self.D,
            "stride_head": self.length * self.D,
            "stride": self.D,
        }
        arguments = {
            "q": q,
            "k": k,
            "v": v,
            "out": Output(self.kind, want, TOLERANCE[self.kind]),
            "lse": Output("fp32", lse, 1e-4),
            "scale": Scalar("fp32", scale),
        } | {name: Scalar("i32", size) for name, size in sizes.items()}
        constants = {
            "D": self.D,
            "BLOCK_M": self.tile[0],
            "BLOCK_N": self.tile[1],
            "CAUSAL": self.causal,
        }
        grid = (-(-self.length // self.tile[0]), self.batch * self.heads)
        options = {"num_stages": self.stages, "num_warps": self.warps}
        return Case("attention", arguments, constants, grid, options)


def _attention(name: str, attention: Attention) -> None:
    case(f"attention-{name}")(attention.make)


_attention("f16-64", Attention("fp16", 256, 64, False))
_attention("f16-64-causal", Attention("fp16", 256, 64, True, stages=3))
_attention("f16-128", Attention("fp16", 256, 128, False, (128, 64), 2, 8))
_attention("f16-128-causal", Attention("fp16", 256, 128, True, (128, 64), 3, 8))
_attention("bf16-64-causal", Attention("bf16", 192, 64, True, (64, 32), 3))
_attention("bf16-128", Attention("bf16", 128, 128, False, (64, 64), 3, batch=2, heads=1))
_attention("ragged", Attention("fp16", 150, 64, False, stages=3))
_attention("ragged-causal", Attention("bf16", 203, 128, True, (64, 32), 2))
