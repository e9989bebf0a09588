# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of kernels that others wrote, taken from packages (packages.py).

The names of their parameters and constants are the packages'.
"""

from dataclasses import dataclass

import numpy as np

from cases import Argument, Case, Input, Output, Scalar, case, integers, normal
from formats import rounded

TOLERANCE = {"fp16": 3e-3, "bf16": 2e-2}


def _strides(prefix: str, names: list[str], shape: tuple[int, ...]) -> dict[str, Argument]:
    """Dense strides as scalars: prefix + name for each dimension."""
    return {
        prefix + name: Scalar("i32", int(np.prod(shape[d + 1 :], dtype=int)))
        for d, name in enumerate(names)
    }


@dataclass
class GemsAttention:
    """flag_gems: attention after Triton's tutorial on it."""

    kind: str
    queries: int
    keys: int
    D: int
    causal: bool
    tile: tuple[int, int] = (64, 32)
    heads: int = 2
    group: int = 1
    masked: bool = False
    stages: int = 3
    warps: int = 4
    preload: bool = False

    def make(self) -> Case:
        batch, kv_heads = 2, self.heads // self.group
        shape_q = (batch, self.heads, self.queries, self.D)
        shape_k = (batch, kv_heads, self.keys, self.D)
        q = normal(self.kind, *shape_q)
        k, v = normal(self.kind, *shape_k, seed=2), normal(self.kind, *shape_k, seed=3)
        scale = self.D**-0.5
        wide_k, wide_v = (x.values.repeat(self.group, axis=1) for x in (k, v))
        s = q.values @ wide_k.swapaxes(-1, -2) * scale
        arguments: dict[str, Argument] = {"Q": q, "K": k, "V": v}
        constants: dict[str, object] = {}
        shape_mask = (batch, self.heads, self.queries, self.keys)
        if self.masked:
            mask = normal(self.kind, *shape_mask, seed=4)
            arguments["attn_mask"] = mask
            # The kernel adds it in powers of two (but not in the causal part).
            s += mask.values * np.log(2)
        else:
            constants["attn_mask"] = None
            shape_mask = (1, 1, 1, 1)
        if self.causal:
            s = np.where(np.tri(self.queries, self.keys, dtype=bool), s, -np.inf)
        largest = s.max(axis=-1, keepdims=True)
        p = np.exp(s - largest)
        total = p.sum(axis=-1, keepdims=True)
        lse = ((largest + np.log(total)) / np.log(2))[..., 0]
        arguments |= {
            "sm_scale": Scalar("fp32", scale),
            "M": Output("fp32", lse, 1e-4),
            "Out": Output(self.kind, p @ wide_v / total, TOLERANCE[self.kind]),
            "Z": Scalar("i32", batch),
            "q_head_num": Scalar("i32", self.heads),
            "kv_head_num": Scalar("i32", kv_heads),
            "Q_CTX": Scalar("i32", self.queries),
            "KV_CTX": Scalar("i32", self.keys),
        }
        dims = ["batch", "head", "seqlen", "headsize"]
        for letter, shape in (("q", shape_q), ("k", shape_k), ("v", shape_k), ("o", shape_q)):
            arguments |= _strides(f"stride_{letter}_", dims, shape)
        names = ["batch", "head", "q_seqlen", "kv_seqlen"]
        arguments |= _strides("stride_attn_mask_", names, shape_mask)
        constants |= {
            "GROUP_HEAD": self.group,
            "HEAD_DIM": self.D,
            "BLOCK_M": self.tile[0],
            "BLOCK_N": self.tile[1],
            "STAGE": 3 if self.causal else 1,
            "HAS_ATTN_MASK": self.masked,
            "PRE_LOAD_V": self.preload,
        }
        return Case(
            "_attn_fwd",
            arguments,
            constants,
            (-(-self.queries // self.tile[0]), batch * self.heads),
            {"num_stages": self.stages, "num_warps": self.warps},
            file="flag_gems:ops/attention.py",
        )


for _name, _attention in [
    ("f16-64", GemsAttention("fp16", 256, 256, 64, False, (64, 64))),
    ("f16-64-causal", GemsAttention("fp16", 256, 256, 64, True, (64, 64), stages=2)),
    ("bf16-128", GemsAttention("bf16", 128, 256, 128, False, (128, 64), stages=2, warps=8)),
    ("f16-128-causal", GemsAttention("fp16", 256, 256, 128, True, (128, 64), 1, warps=8)),
    ("groups", GemsAttention("fp16", 100, 150, 64, False, heads=4, group=2, preload=True)),
    ("mask", GemsAttention("fp16", 130, 77, 64, False, masked=True)),
    ("narrow", GemsAttention("fp16", 96, 96, 16, False, (64, 16), stages=4)),
]:
    case(f"gems-attention-{_name}")(_attention.make)


def _backward(kind: str, length: int, D: int, warps: int, stages: int) -> Case:
    """The causal backward pass; K comes scaled for powers of two."""
    heads, scale = 2, D**-0.5
    shape = (heads, length, D)
    q, k, v, do = (normal(kind, *shape, seed=s) for s in (1, 2, 3, 4))
    k.values = rounded(k.values * scale / np.log(2), kind)
    s = q.values @ k.values.swapaxes(-1, -2)
    s = np.where(np.tri(length, dtype=bool), s, -np.inf)
    lse = rounded(np.log2(np.exp2(s).sum(axis=-1)), "fp32")
    p = np.exp2(s - lse[..., None])
    delta = rounded((p @ v.values * do.values).sum(axis=-1), "fp32")
    ds = p * (do.values @ v.values.swapaxes(-1, -2) - delta[..., None])
    dq = ds @ k.values * np.log(2)
    dk = ds.swapaxes(-1, -2) @ q.values * scale
    dv = p.swapaxes(-1, -2) @ do.values
    arguments: dict[str, Argument] = {"Q": q, "K": k, "V": v, "DO": do}
    arguments |= {
        name: Output(kind, want, 2 * TOLERANCE[kind], least=1e-2)
        for name, want in (("DQ", dq), ("DK", dk), ("DV", dv))
    }
    arguments |= {"sm_scale": Scalar("fp32", scale), "M": Input("fp32", lse)}
    arguments["D"] = Input("fp32", delta)
    arguments |= _strides("stride_", ["z", "h", "tok", "d"], (1, *shape))
    arguments |= _strides("kv_stride_", ["z", "h"], (1, *shape))
    sizes = {"H": heads, "Q_CTX": length, "KV_CTX": length, "kv_head_num": heads}
    arguments |= {name: Scalar("i32", size) for name, size in sizes.items()}
    constants = {
        "GROUP_HEAD": 1,
        "BLOCK_M1": 32,
        "BLOCK_N1": 64,
        "BLOCK_M2": 64,
        "BLOCK_N2": 32,
        "BLK_SLICE_FACTOR": 2,
        "BLOCK_DMODEL": D,
    }
    return Case(
        "_attn_bwd",
        arguments,
        constants,
        (length // 64, 1, heads),
        {"num_warps": warps, "num_stages": stages},
        file="flag_gems:ops/attention.py",
    )


case("gems-attention-backward-f16")(lambda: _backward("fp16", 192, 64, 4, 3))
case("gems-attention-backward-bf16")(lambda: _backward("bf16", 128, 128, 8, 2))


@case("gems-attention-preprocess")
def _preprocess() -> Case:
    heads, length, D = 2, 150, 64
    o, do = normal("fp16", heads, length, D), normal("fp16", heads, length, D, seed=2)
    want = (o.values * do.values).sum(axis=-1)
    arguments: dict[str, Argument] = {"O": o, "DO": do, "Delta": Output("fp32", want, 1e-5)}
    sizes = {"Z": 1, "H": heads, "Q_CTX": length}
    arguments |= {name: Scalar("i32", size) for name, size in sizes.items()}
    return Case(
        "_attn_bwd_preprocess",
        arguments,
        {"BLOCK_M": 64, "D_HEAD": D},
        (3, heads),
        file="flag_gems:ops/attention.py",
    )


@case("liger-layer-norm")
def _layer_norm() -> Case:
    rows, columns, epsilon = 6, 700, 1e-5
    x, w = normal("bf16", rows, columns), normal("bf16", columns)
    b = normal("bf16", columns, seed=3)
    mean, scale = x.values.mean(axis=1), 1 / np.sqrt(x.values.var(axis=1) + epsilon)
    y = (x.values - mean[:, None]) * scale[:, None] * w.values + b.values
    arguments: dict[str, Argument] = {
        "Y_ptr": Output("bf16", y, 8e-3),
        "Y_row_stride": Scalar("i32", columns),
        "X_ptr": x,
        "X_row_stride": Scalar("i32", columns),
        "W_ptr": w,
        "W_row_stride": Scalar("i32", 1),
        "B_ptr": b,
        "B_row_stride": Scalar("i32", 1),
        "Mean_ptr": Output("fp32", mean, 1e-5),
        "Mean_row_stride": Scalar("i32", 1),
        "RSTD_ptr": Output("fp32", scale, 1e-5),
        "RSTD_row_stride": Scalar("i32", 1),
        "n_cols": Scalar("i32", columns),
        "eps": Scalar("fp32", epsilon),
    }
    file = "liger_kernel:ops/layer_norm.py"
    constants = {"BLOCK_SIZE": 1024}
    return Case("_layer_norm_forward_kernel", arguments, constants, (rows,), file=file)


@case("liger-layer-norm-backward")
def _layer_norm_backward() -> Case:
    rows, columns, each = 10, 300, 4
    programs = -(-rows // each)
    x, dy = normal("fp32", rows, columns), normal("fp32", rows, columns, seed=5)
    w = normal("fp32", columns)
    mean = rounded(x.values.mean(axis=1), "fp32")
    scale = rounded(1 / np.sqrt(x.values.var(axis=1)), "fp32")
    hat = (x.values - mean[:, None]) * scale[:, None]
    wdy = w.values * dy.values
    c1, c2 = (hat * wdy).mean(axis=1), wdy.mean(axis=1)
    dx = (wdy - (hat * c1[:, None] + c2[:, None])) * scale[:, None]
    parts = [slice(i * each, min(rows, (i + 1) * each)) for i in range(programs)]
    dw = np.stack([(dy.values * hat)[part].sum(axis=0) for part in parts])
    db = np.stack([dy.values[part].sum(axis=0) for part in parts])
    arguments: dict[str, Argument] = {
        "X_ptr": x,
        "W_ptr": w,
        "Mean_ptr": Input("fp32", mean),
        "RSTD_ptr": Input("fp32", scale),
        "DX_ptr": Output("fp32", dx, 1e-5),
        "DW_ptr": Output("fp32", dw, 1e-5),
        "DB_ptr": Output("fp32", db, 1e-5),
        "DY_ptr": dy,
        "n_rows": Scalar("i32", rows),
        "n_cols": Scalar("i32", columns),
    }
    for name in ("x", "dx", "dw", "db", "dy"):
        arguments[f"stride_{name}"] = Scalar("i32", columns)
    for name in ("mean", "rstd"):
        arguments[f"stride_{name}"] = Scalar("i32", 1)
    constants = {
        "rows_per_program": each,
        "BLOCK_SIZE": 512,
        "COMPUTE_DW": True,
        "COMPUTE_DB": True,
    }
    file = "liger_kernel:ops/layer_norm.py"
    return Case("_layer_norm_backward_kernel", arguments, constants, (programs,), file=file)


@case("liger-rope")
def _rope() -> Case:
    """In place, for two query heads and one key head of 64, of which 48 turn."""
    tokens, q_heads, k_heads, D, turned = 12, 2, 1, 64, 48
    q, k = normal("fp32", tokens, q_heads, D), normal("fp32", tokens, k_heads, D, seed=2)
    angle = np.arange(tokens)[:, None] * 100.0 ** (-np.arange(turned // 2) / (turned // 2))
    angle = np.concatenate([angle, angle], axis=1)
    cos, sin = rounded(np.cos(angle), "fp32"), rounded(np.sin(angle), "fp32")

    def turn(x: np.ndarray) -> np.ndarray:
        half = turned // 2
        first, second = x[..., :half], x[..., half:turned]
        c, s = cos[:, None, :half], sin[:, None, :half]
        return np.concatenate(
            [first * c - second * s, second * c + first * s, x[..., turned:]], axis=-1
        )

    arguments: dict[str, Argument] = {
        "q_ptr": Output("fp32", turn(q.values), 1e-5, start=q.values),
        "q_row_stride": Scalar("i32", q_heads * D),
        "k_ptr": Output("fp32", turn(k.values), 1e-5, start=k.values),
        "k_row_stride": Scalar("i32", k_heads * D),
        "cos": Input("fp32", cos),
        "cos_row_stride": Scalar("i32", turned),
        "sin": Input("fp32", sin),
        "sin_row_stride": Scalar("i32", turned),
        "sl": Scalar("i32", tokens),
    }
    constants = {
        "bs": 1,
        "cos_bs": 1,
        "n_qh": q_heads,
        "n_kh": k_heads,
        "hd": D,
        "pad_n_qh": 2,
        "pad_n_kh": 1,
        "pad_hd": 64,
        "pad_rd": 64,
        "rd": turned,
        "BLOCK_SIZE": 2,
        "BACKWARD_PASS": False,
    }
    # More warps than the tile has elements for: those that hold copies may read
    # what the others have stored already. They drop it.
    accepts = (r" races: (read of .* with the write|write of .* with the read) at line ",)
    file = "liger_kernel:ops/rope.py"
    return Case("_triton_rope", arguments, constants, (tokens,), file=file, accepts=accepts)


@case("liger-cross-entropy")
def _cross_entropy() -> Case:
    """Loss with smoothing, its gradient in place, and the largest logit's place."""
    rows, columns, smoothing = 9, 500, 0.1
    x = normal("fp32", rows, columns, scale=2)
    y = integers("i64", 0, columns - 1, rows)
    y.values[4] = -100  # is ignored
    kept = y.values >= 0
    count = int(kept.sum())
    lse = np.log(np.exp(x.values).sum(axis=1))
    at = np.where(kept, x.values[np.arange(rows), y.values], 0)
    loss = (1 - smoothing) * (lse - at)
    loss += smoothing * (lse - x.values.mean(axis=1))
    loss = np.where(kept, loss / count, 0)
    gradient = np.exp(x.values - lse[:, None]) - smoothing / columns
    gradient[np.arange(rows), np.where(kept, y.values, 0)] -= 1 - smoothing
    gradient = np.where(kept[:, None], gradient / count, 0)
    place = np.where(kept, x.values.argmax(axis=1), -1)
    arguments: dict[str, Argument] = {
        "X_ptr": Output("fp32", gradient, 1e-5, start=x.values),
        "X_stride": Scalar("i32", columns),
        "Y_ptr": y,
        "Y_stride": Scalar("i32", 1),
        "loss_ptr": Output("fp32", loss, 1e-5, start=np.zeros(rows)),
        "loss_stride": Scalar("i32", 1),
        "token_accuracy_stride": Scalar("i32", 0),
        "predicted_tokens_ptr": Output("i64", place),
        "predicted_tokens_stride": Scalar("i32", 1),
        "n_cols": Scalar("i32", columns),
        "n_non_ignore": Scalar("i32", count),
        "sum_non_ignore_weight": Scalar("fp32", 0.0),
        "weight_sum": Scalar("fp32", 0.0),
        "ignore_index": Scalar("i32", -100),
    }
    constants = {
        "weight_ptr": None,
        "z_loss_ptr": None,
        "token_accuracy_ptr": None,
        "softcap": None,
        "lse_square_scale": 0.0,
        "label_smoothing": smoothing,
        "reduction": "mean",
        "RETURN_Z_LOSS": False,
        "RETURN_TOKEN_ACCURACY": False,
        "RETURN_PREDICTED_TOKENS": True,
        "BLOCK_SIZE": 128,
        "HAS_WEIGHT": False,
        "HAS_SOFTCAPPING": False,
        "HAS_GRADIENTS": True,
    }
    file = "liger_kernel:ops/cross_entropy.py"
    return Case("liger_cross_entropy_kernel", arguments, constants, (rows,), file=file)
