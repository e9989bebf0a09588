"""Types, strides and sizes of dense calls, and threads that share an attention."""

import threading

import attn_mlir
import numpy as np

import brute

RNG = np.random.default_rng(3)
TABLE = np.array([0.25, -0.5, 0.75])


def mask(b, h, q, kv):
    return (q >= kv) | (kv == 5)


def score(s, b, h, q, kv):
    # A tensor that is made inside is a number.
    return s + TABLE[kv % 3] * np.array(2.0)


def normal(dtype, *shape):
    return RNG.standard_normal(shape).astype(dtype)


def close(got, want, bar, what):
    worst = brute.worst_row(np.asarray(got), want)
    print(f"{what}: worst row {worst:.1e}")
    assert worst <= bar, what


def check_types():
    attention = attn_mlir.flex(score, mask)
    for dtype, bar in ((np.float32, 2e-5), (np.float16, 2e-3)):
        q, k, v = normal(dtype, 2, 6, 33, 32), normal(dtype, 2, 2, 41, 32), normal(dtype, 2, 2, 41, 48)
        out = attention(q, k, v)
        assert out.dtype == dtype and out.shape == (2, 6, 33, 48)
        close(out, brute.attention(q, k, v, mask, score), bar, f"{np.dtype(dtype)}")
    own = attn_mlir.flex(score, mask, scale=0.5)
    close(own(q, k, v), brute.attention(q, k, v, mask, score, 0.5), 2e-3, "own scale")


def check_strides():
    """Engines keep heads behind tokens, or slices of a larger buffer."""
    attention = attn_mlir.flex(score, mask)
    packed = normal(np.float32, 2, 40, 8, 64)  # [B, N, q k v heads, D]
    q, k, v = (packed[:, :, s].transpose(0, 2, 1, 3) for s in (slice(4), slice(4, 6), slice(6, 8)))
    big = np.full((2, 40, 4, 64), 7.0, np.float32)
    out = big.transpose(0, 2, 1, 3)
    assert attention(q, k, v, out=out) is out
    close(out, brute.attention(q, k, v, mask, score), 2e-5, "packed q, k, v")
    backwards = k[:, :, ::-1]
    close(
        attention(q, backwards, v), brute.attention(q, backwards, v, mask, score), 2e-5,
        "keys backwards",
    )
    frozen = q.copy()
    frozen.flags.writeable = False
    close(attention(frozen, k, v), brute.attention(q, k, v, mask, score), 2e-5, "read-only q")


def check_lengths():
    """One compile for all lengths; each head size and group is one more."""
    attention = attn_mlir.flex(score, mask)
    programs = set()
    for rows, keys in ((1, 1), (1, 200), (130, 1), (64, 64), (65, 129), (200, 7)):
        q, k, v = normal(np.float32, 1, 2, rows, 64), *(normal(np.float32, 1, 2, keys, 64) for _ in "kv")
        close(attention(q, k, v), brute.attention(q, k, v, mask, score), 2e-5, f"{rows} x {keys}")
        programs.add(id(attention.last))
    assert len(programs) == 1, "a length was compiled into the text"


def check_lse():
    """The logarithm of a row's sum, -inf where a row has no key for whatever reason."""
    q, k, v = normal(np.float32, 2, 4, 30, 32), *(normal(np.float32, 2, 2, 41, 32) for _ in "kv")
    odd, kinds = np.arange(30) % 2 == 1, RNG.integers(0, 3, 30)
    masks = {
        "keys and rows": mask,
        "late keys": lambda b, h, q, kv: kv > q + 20,
        "some rows": lambda b, h, q, kv: (q < 9) & (q >= kv),
        "some heads": lambda b, h, q, kv: h != 1,
        "flags of rows": lambda b, h, q, kv: odd[q] & (kv <= q + 3),
        "kinds of rows": lambda b, h, q, kv: kinds[q] == kinds[b],
    }
    padding = np.where(np.arange(41) % 2, -np.inf, 0.5).astype(np.float32)

    def padded(s, b, h, q, kv):
        return score(s, b, h, q, kv) + padding[kv] + padding[q]

    cases = [(name, chosen, score) for name, chosen in masks.items()]
    cases.append(("rows of -inf by data", masks["some rows"], padded))
    for name, chosen, modified in cases:
        attention = attn_mlir.flex(modified, chosen)
        out, lse = attention(q, k, v, return_lse=True)
        assert lse.shape == (2, 4, 30) and lse.dtype == np.float32
        scores = q.astype(np.float64) @ k.repeat(2, 1).swapaxes(2, 3) / np.sqrt(32)
        b, h, i, j = np.ogrid[:2, :4, :30, :41]
        seen = np.broadcast_to(chosen(b, h, i, j), scores.shape)
        scores = np.where(seen, modified(scores, b, h, i, j), -np.inf)
        with np.errstate(divide="ignore"):
            want = np.log(np.exp(scores).sum(-1))
        assert np.array_equal(np.isinf(lse), np.isinf(want)), name
        far = np.abs(np.subtract(lse, want, where=~np.isinf(want), out=np.zeros_like(want)))
        print(f"lse, {name}: {far.max():.1e}")
        assert far.max() <= 1e-5, name
        close(out, brute.attention(q, k, v, chosen, modified), 2e-5, f"lse, {name}, rows")
        assert attention.last.stats["one_pass"]


def check_thresholds():
    """A condition that reads the score is no mask, the rest of it is."""
    q, k, v = normal(np.float32, 2, 4, 30, 32), *(normal(np.float32, 2, 2, 41, 32) for _ in "kv")
    scores = {
        "s > 0": lambda s, b, h, q, kv: np.where(s > 0, s, -np.inf),
        "and causal": lambda s, b, h, q, kv: np.where((s > 0) & (q >= kv), s, -np.inf),
        "not or": lambda s, b, h, q, kv: 2 * np.where(~((s < 0.5) | (q < kv)), s, -np.inf),
        "nested": lambda s, b, h, q, kv: np.where(
            s < 0.5, -np.inf, np.where(q >= kv, s, -np.inf)
        ),
        "subtracted": lambda s, b, h, q, kv: s - np.where((s < 0.5) | (q < kv), np.inf, 0),
    }
    for name, chosen in scores.items():
        attention = attn_mlir.flex(chosen)
        out = attention(q, k, v)
        close(out, brute.attention(q, k, v, None, chosen), 2e-5, f"threshold, {name}")
        assert attention.last.stats["one_pass"], name
        assert ("where (" in attention.text) == (name != "s > 0"), name


def check_threads():
    attention = attn_mlir.flex(score, mask)
    inputs = [[normal(np.float32, 1, 2, n, 64) for _ in range(3)] for n in (20, 50, 90, 120)]
    want = [brute.attention(*qkv, mask, score) for qkv in inputs]
    errors = []

    def work(qkv, expected):
        for _ in range(20):
            errors.append(brute.worst_row(attention(*qkv), expected))

    threads = [threading.Thread(target=work, args=a) for a in zip(inputs, want)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(errors) == 80 and max(errors) <= 2e-5


if __name__ == "__main__":
    for check in (check_types, check_strides, check_lengths, check_lse, check_thresholds, check_threads):
        check()
