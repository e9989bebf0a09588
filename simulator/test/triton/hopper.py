# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of kernels over tensor descriptors (on sm_80 Triton makes loads of them)."""

from dataclasses import replace

import numpy as np

from cases import Argument, Case, Descriptor, Input, Output, Scalar, case, normal
from products import TOLERANCE, Attention

FILE = "hopper_kernels.py"
# Triton makes two warpgroups of consumers; where a tile is too small for two,
# both compute and store all of it: the same bytes.
STORED_TWICE = (r" races: write of arg[0-9]+\+.* races with the write at line .* by cta ",)


def _move(kind: str, box: tuple[int, int], row: int, column: int) -> Case:
    x = normal(kind, 100, 96)
    padded = np.zeros((300, 300))
    padded[100:200, 100:196] = x.values
    want = padded[100 + row :, 100 + column :][: box[0], : box[1]].copy()
    arguments: dict[str, Argument] = {
        "x": Descriptor(x, list(box)),
        "out": Descriptor(Output(kind, want), list(box)),
        "row": Scalar("i32", row),
        "column": Scalar("i32", column),
    }
    return Case("move", arguments, {"M": box[0], "N": box[1]}, file=FILE)


case("tma-move-f16")(lambda: _move("fp16", (64, 64), 16, 8))
case("tma-move-f32-edge")(lambda: _move("fp32", (32, 64), 80, 60))
case("tma-move-bf16-before")(lambda: _move("bf16", (32, 32), -5, -7))
case("tma-move-e5m2")(lambda: _move("fp8e5", (16, 128), 7, -20))
case("tma-move-narrow")(lambda: _move("fp16", (8, 16), 93, 90))


def _matmul(
    kind: str,
    size: tuple[int, int, int],
    tile: tuple[int, int, int],
    kernel: str = "matmul",
    transposed: bool = False,
    specialize: bool = False,
    grid: int = 0,
    out: str = "",
    archs: tuple[int, ...] = (80, 90),
    **options: int,
) -> Case:
    M, N, K = size
    a, b = normal(kind, M, K), normal(kind, K, N, seed=2)
    want = a.values @ b.values
    if transposed:
        b.values = b.values.T.copy()
    c = Output(out or kind, want, TOLERANCE[out or kind])
    constants = dict(zip(("BLOCK_M", "BLOCK_N", "BLOCK_K"), tile))
    arguments: dict[str, Argument]
    if kernel == "matmul_own":
        arguments = {"a": a, "b": b, "c": c}
    else:
        box_b = [tile[1], tile[2]] if transposed else [tile[2], tile[1]]
        arguments = {
            "a": Descriptor(a, [tile[0], tile[2]]),
            "b": Descriptor(b, box_b),
            "c": Descriptor(c, [tile[0], tile[1]]),
        }
    arguments |= {name: Scalar("i32", value) for name, value in zip("MNK", size)}
    if kernel == "matmul":
        constants |= {"TRANSPOSED": transposed, "SPECIALIZE": specialize}
    if kernel == "matmul_persistent":
        constants["FLATTEN"] = specialize
    tiles = -(-M // tile[0]) * -(-N // tile[1])
    accepts = STORED_TWICE if specialize and kernel == "matmul" else ()
    return Case(kernel, arguments, constants, (grid or tiles,), options, archs, FILE, accepts)


def _product(name: str, *positional: object, **named: object) -> None:
    case(f"tma-matmul-{name}")(lambda: _matmul(*positional, **named))


_product("f16", "fp16", (192, 160, 256), (64, 32, 64), num_stages=3)
_product("bf16", "bf16", (128, 256, 192), (128, 128, 64), num_stages=4, num_warps=8)
_product("ragged", "fp16", (100, 72, 88), (64, 32, 32), num_stages=3)
_product("transposed", "bf16", (128, 128, 256), (64, 64, 64), transposed=True, num_stages=3)
_product("e5m2", "fp8e5", (128, 64, 256), (64, 64, 128), transposed=True, out="fp32", num_stages=3)
_product(
    "e4m3", "fp8e4nv", (128, 64, 256), (64, 64, 128), transposed=True, out="fp16", archs=(90,)
)
_product("persistent", "fp16", (192, 128, 128), (64, 64, 64), "matmul_persistent", grid=4)
_product(
    "persistent-flat",
    "fp16",
    (192, 128, 128),
    (64, 64, 64),
    "matmul_persistent",
    specialize=True,
    grid=4,
)
# Not for sm_90 yet: ptx-sim does not know tensormap.replace.
_product("own-descriptors", "fp16", (128, 128, 128), (64, 64, 64), "matmul_own", archs=(80,))
_product(
    "specialized",
    "fp16",
    (128, 128, 256),
    (64, 128, 64),
    specialize=True,
    archs=(90,),
    num_stages=3,
)
_product(
    "clusters", "fp16", (256, 128, 128), (128, 128, 64), archs=(90,), num_ctas=2, num_stages=3
)


def _attention(shape: Attention, specialize: bool = False) -> Case:
    """The arguments of a plain attention, through descriptors."""
    plain = shape.make()
    rows = shape.batch * shape.heads * shape.length
    arguments: dict[str, Argument] = {}
    for name, block in (("q", 0), ("k", 1), ("v", 1), ("out", 0)):
        buffer = plain.arguments[name]
        if isinstance(buffer, Output):
            buffer = replace(buffer, want=buffer.want.reshape(rows, shape.D))
        else:
            assert isinstance(buffer, Input)
            buffer = Input(buffer.kind, buffer.values.reshape(rows, shape.D))
        arguments[name] = Descriptor(buffer, [shape.tile[block], shape.D])
    arguments |= {name: plain.arguments[name] for name in ("scale", "length")}
    constants = plain.constants | {"SPECIALIZE": specialize}
    archs = (90,) if specialize else (80, 90)
    accepts = STORED_TWICE if specialize else ()
    return Case("attention", arguments, constants, plain.grid, plain.options, archs, FILE, accepts)


for _name, _shape, _specialize in [
    ("f16-64", Attention("fp16", 256, 64, False, (128, 64), 3), False),
    ("f16-128-causal", Attention("fp16", 256, 128, True, (128, 64), 2, 8), False),
    ("bf16-128", Attention("bf16", 256, 128, False, (64, 64), 2), False),
    ("bf16-64-causal", Attention("bf16", 128, 64, True, (64, 32), 3), False),
    ("f16-64-specialized", Attention("fp16", 256, 64, False, (64, 64), 3), True),
    ("f16-128-specialized", Attention("fp16", 256, 128, True, (64, 64), 2), True),
]:
    case(f"tma-attention-{_name}")(
        lambda shape=_shape, specialize=_specialize: _attention(shape, specialize)
    )
