"""Tensors of PyTorch in place, and FlexAttention's functions under both.

PyTorch's own flex_attention, without compilation, and SDPA on the CPU are what is
right here: they share nothing with this project.
"""

import math
import warnings

import attn_mlir
import numpy as np
import torch
from torch.nn.attention.flex_attention import (
    AuxRequest, and_masks, create_block_mask, flex_attention, noop_mask, or_masks,
)

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# A row's largest error over its largest value: rounding of the result, and for the
# narrow types of what PyTorch rounds on its way.
BARS = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
BATCH, HEADS, KV_HEADS, ROWS, KEYS, DIM = 2, 4, 2, 70, 90, 64


def worst_row(got, want):
    got, want = got.double(), want.double()
    gap = (got - want).abs().amax(-1)
    error = torch.where(gap == 0, 0.0, gap / want.abs().amax(-1))
    return float(error.nan_to_num(float("inf")).max())


def tensors(dtype, seed=0):
    make = torch.Generator().manual_seed(seed)
    shapes = ((BATCH, HEADS, ROWS, DIM), *[(BATCH, KV_HEADS, KEYS, DIM)] * 2)
    return [torch.randn(s, generator=make).to(dtype) for s in shapes]


def check_in_place():
    """No tensor is copied on its way, whatever its type and strides."""
    for dtype in DTYPES:
        base = torch.arange(240).reshape(4, 5, 12).to(dtype)
        for view in (base, base[1:, ::2], base.transpose(0, 1), base.permute(1, 0, 2)[:, 1:3, 4:]):
            seen = attn_mlir.Tensor(view)
            assert seen.shape == list(view.shape) and seen.strides == list(view.stride())
            assert seen.dtype == {"float32": "f32", "float16": "f16"}.get(str(dtype)[6:], "bf16")
            # NumPy has no bf16: the same bits as integers.
            bits = view.view(torch.int32 if dtype == torch.float32 else torch.int16)
            array = attn_mlir.Tensor(bits).numpy()
            assert array.__array_interface__["data"][0] == view.data_ptr()
            assert np.array_equal(array, bits.numpy())
    refused("layout", attn_mlir.Tensor, torch.eye(3).to_sparse())


def check_gradients():
    """There is no backward pass, and nobody finds out by a gradient that is missing."""
    q, k, v = tensors(torch.float32)
    want = attn_mlir.flex()(q, k, v)
    slopes = torch.ones(HEADS, requires_grad=True)
    attention = attn_mlir.flex(lambda s, b, h, q_idx, kv_idx: s * slopes[h])
    refused("gradient", attention, q, k, v)
    refused("gradient", attn_mlir.flex(), q, k.clone().requires_grad_(), v)
    with torch.no_grad():
        assert torch.equal(attention(q, k, v.clone().requires_grad_()), want)


def refused(word, call, *args):
    try:
        call(*args)
    except attn_mlir.Error as error:
        assert error.status == "invalid argument" and word in error.message.lower(), error
        return
    raise AssertionError(f"expects an Error with {word}, but nothing was raised")


def check_views():
    """Operands and results that are views of larger tensors of any order."""
    for dtype in DTYPES:
        q, k, v = tensors(dtype)
        want = torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        packed = torch.full((BATCH, KEYS, HEADS + 2 * KV_HEADS, DIM + 8), float("nan"), dtype=dtype)
        heads = packed.permute(0, 2, 1, 3)[..., :DIM]
        views = (
            heads[:, :HEADS, 3:3 + ROWS], heads[:, HEADS:HEADS + KV_HEADS], heads[:, HEADS + KV_HEADS:]
        )
        for view, tensor in zip(views, (q, k, v)):
            view.copy_(tensor)
        place = torch.full((BATCH, ROWS + 2, HEADS, DIM), 7.0, dtype=dtype)
        out = place[:, 1:-1].transpose(1, 2)
        attention = attn_mlir.flex()
        assert attention(*views, out=out) is out
        assert worst_row(out, want) <= BARS[dtype], dtype
        assert (place[:, 0] == 7).all() and (place[:, -1] == 7).all()
        fresh = attention(q, k, v)
        assert fresh.dtype == dtype and torch.equal(fresh, out)
        # The next call sees what was changed in place.
        views[0][:, :, 5] = 0
        again = attention(*views)
        assert torch.equal(again[:, :, 6], out[:, :, 6]) and not torch.equal(again[:, :, 5], out[:, :, 5])
        assert not (attn_mlir.flex(scale=0.5)(q, k, v) == out).all()


def functions():
    """As they stand in code for FlexAttention: (score_mod, mask_mod)."""
    make = torch.Generator().manual_seed(1)
    documents = torch.sort(torch.randint(0, 4, (KEYS,), generator=make)).values
    prefix = torch.tensor([11, 40], dtype=torch.int32)
    slopes = torch.exp2(-torch.arange(1, HEADS + 1).float())
    bias = torch.randn(HEADS, ROWS + KEYS, generator=make)
    flags = torch.rand(KEYS, generator=make) < 0.7
    padding = torch.where(torch.arange(KEYS) % 5 == 1, -float("inf"), 0.25)
    seconds = 1_700_000_000 + torch.arange(KEYS) * 3
    bytes_ = torch.randint(0, 2100, (KEYS,), generator=make)
    width, chosen, heat = torch.tensor(16), torch.tensor([1, 2]), torch.tensor(-0.5)

    def causal(b, h, q_idx, kv_idx):
        return q_idx >= kv_idx

    def sliding(b, h, q_idx, kv_idx):
        return causal(b, h, q_idx, kv_idx) & (q_idx - kv_idx <= width)

    def prefix_lm(b, h, q_idx, kv_idx):
        return causal(b, h, q_idx, kv_idx) | (kv_idx < prefix[b])

    def document(b, h, q_idx, kv_idx):
        return (documents[q_idx] == documents[kv_idx]) & (q_idx >= kv_idx)

    def some_keys(b, h, q_idx, kv_idx):
        return flags[kv_idx] & ~(kv_idx > q_idx + 20)

    def dilated(b, h, q_idx, kv_idx):
        return torch.logical_and(q_idx >= kv_idx, (q_idx - kv_idx) % 3 == 0)

    def no_row(b, h, q_idx, kv_idx):
        return (q_idx >= kv_idx) & (q_idx < 30)

    def some_rows(b, h, q_idx, kv_idx):
        return flags[q_idx] & (q_idx >= kv_idx) & (h != 2)

    def chosen_documents(b, h, q_idx, kv_idx):
        return (documents[q_idx] == chosen[b]) & (q_idx % 2 == torch.tensor(0))

    def converted(b, h, q_idx, kv_idx):
        kept = flags.to("cpu", torch.int32)[q_idx] + flags.long()[kv_idx] + flags.to(documents)[kv_idx]
        return (kept == 2) & documents.bool()[kv_idx] & (kv_idx >= width.clamp(3, 4) << 1)

    def cooled(score, b, h, q_idx, kv_idx):
        return score * heat.exp()

    def alibi(score, b, h, q_idx, kv_idx):
        return score + slopes[h] * (kv_idx - q_idx)

    def soft_cap(score, b, h, q_idx, kv_idx):
        return 20 * torch.tanh(score / 20)

    def relative(score, b, h, q_idx, kv_idx):
        return score + bias[h, q_idx - kv_idx + KEYS]

    def masked(score, b, h, q_idx, kv_idx):
        return torch.where(q_idx >= kv_idx, score * 0.5, -float("inf"))

    def distance(score, b, h, q_idx, kv_idx):
        return score - torch.abs(q_idx - kv_idx) * 0.01 + (q_idx > kv_idx).to(torch.float32)

    def masked_like(score, b, h, q_idx, kv_idx):
        bonus = torch.where(q_idx > kv_idx + 9, torch.ones_like(score), score.new_full((), 0.5))
        low = torch.full_like(score, -float("inf"), dtype=torch.float32, device=score.device)
        return torch.where(q_idx >= kv_idx, score + bonus, low)

    def recent(b, h, q_idx, kv_idx):
        return abs(seconds[q_idx].double() - seconds.double()[kv_idx]) <= 20.5

    def on_device(b, h, q_idx, kv_idx):
        here = q_idx.to("cpu", non_blocking=True)
        return torch.full_like(here, 2, dtype=torch.bool) & (documents[here] == documents[kv_idx])

    def wrapped(b, h, q_idx, kv_idx):
        return (bytes_[kv_idx].to(torch.int8) > 0) | (bytes_.half()[kv_idx] == 2048.0)

    def buckets(score, b, h, q_idx, kv_idx):
        n = torch.maximum(q_idx - kv_idx, torch.zeros_like(q_idx))
        far = 16 + (torch.log(n.float() / 16) / math.log(8) * 16).to(torch.long)
        found = torch.where(n < 16, n, torch.minimum(far, torch.full_like(far, 31)))
        return score + bias[h, torch.clamp(found, 0, 31)]

    def rounded(score, b, h, q_idx, kv_idx):
        return score + bias.to(torch.bfloat16)[h, kv_idx] + bias[h, q_idx].half().float()

    composed = or_masks(and_masks(causal, some_keys, noop_mask), prefix_lm)
    masks = (causal, sliding, prefix_lm, document, some_keys, dilated, no_row, some_rows,
             chosen_documents, converted, recent, on_device, wrapped, noop_mask, and_masks(document, some_keys), composed)
    def padded(score, b, h, q_idx, kv_idx):
        return score + padding[kv_idx] + padding[q_idx] * 0.5

    scores = (alibi, soft_cap, relative, masked, distance, masked_like, padded, cooled, buckets, rounded)
    return [(None, None), *((None, m) for m in masks), *((s, None) for s in scores),
            (soft_cap, document), (relative, sliding)]


def check_functions():
    for score, mask in functions():
        name = " ".join(f.__name__ for f in (score, mask) if f) or "full"
        attention = attn_mlir.flex(score, mask)
        blocks = mask and create_block_mask(mask, BATCH, HEADS, ROWS, KEYS, device="cpu")
        for dtype in (torch.float32, torch.bfloat16):
            q, k, v = tensors(dtype)
            # In f32 on what bf16 holds: PyTorch's own rounding is not ours.
            want, aux = flex_attention(
                q.float(), k.float(), v.float(), score, blocks, enable_gqa=True,
                return_aux=AuxRequest(lse=True),
            )
            want_lse = aux.lse
            out, lse = attention(q, k, v, return_lse=True)
            assert out.dtype == dtype and lse.dtype == torch.float32
            # Absent rows are in no item of one of them: other forms of products.
            alone = worst_row(attention(q, k, v), out)
            bar = 1e-6 if dtype == torch.float32 else 8e-3
            assert alone <= bar, "the second result changes the first"
            error = worst_row(out, want)
            assert torch.equal(lse.isinf(), want_lse.isinf())
            far = (lse - want_lse)[want_lse.isfinite()].abs().max()
            print(f"{name} {str(dtype)[6:]}: worst row {error:.1e}, lse {far:.1e}")
            assert error <= (2e-5 if dtype == torch.float32 else 8e-3)
            assert far <= 2e-5
            assert attention.last.stats["one_pass"]


def check_lse():
    """Two parts of a context are joined by their log-sum-exp."""
    q, k, v = tensors(torch.float32)
    attention = attn_mlir.flex()
    parts = [attention(q, k[:, :, s], v[:, :, s], return_lse=True) for s in (slice(37), slice(37, KEYS))]
    lse = torch.stack([p[1] for p in parts])
    joined = (torch.softmax(lse, 0)[..., None] * torch.stack([p[0] for p in parts])).sum(0)
    assert worst_row(joined, attention(q, k, v)) <= 2e-5
    pages = [t.new_full((8, 16, KV_HEADS, DIM), float("nan")) for t in (k, v)]
    for page, t in zip(pages, (k, v)):
        page.flatten(0, 1)[:KEYS] = t[0].transpose(0, 1)
    table, lengths = torch.arange(8, dtype=torch.int32)[None], torch.tensor([KEYS], dtype=torch.int32)
    out, lse = attention.paged(q[:1], *pages, table, lengths, return_lse=True)
    want, want_lse = attention(q[:1], k[:1], v[:1], return_lse=True)
    assert worst_row(out, want) <= 2e-5 and (lse - want_lse).abs().max() <= 2e-5


if __name__ == "__main__":
    torch.set_num_threads(2)
    warnings.filterwarnings("ignore", message="flex_attention called without")
    for check in (check_in_place, check_gradients, check_views, check_lse, check_functions):
        check()
        print(check.__name__, "done")
