"""Long sequences: no object of the size of all pairs, ours or the compiler's."""

import resource

import attn_mlir
import numpy as np

LENGTH = 8192  # all pairs of one head are 64 Mi, 256 MiB as f32
BAR_KIB = 48 * 1024

documents = np.arange(LENGTH, dtype=np.int32) // 1000
table = np.linspace(-1, 1, 2 * LENGTH - 1).astype(np.float32)


def mask(b, h, q, kv):
    return (q >= kv) & (q - kv < 300) & ((documents[q] == documents[kv]) | (documents[kv] < 1))


def score(s, b, h, q, kv):
    return 9 * np.tanh((s + table[q - kv + LENGTH - 1]) / 9)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((1, 1, LENGTH, 16)).astype(np.float32) for _ in range(3))
    attention = attn_mlir.flex(score, mask)
    # The compiler and the threads are there.
    attention(q[:, :, :64], k[:, :, :LENGTH], v)
    before = peak()
    out = attention(q, k, v)
    grown = peak() - before
    held = attention.last.stats["workspace_bytes"]
    print(f"grown by {grown} KiB, workspace {held} bytes")
    assert grown < BAR_KIB and held < BAR_KIB * 1024, "something large was made"
    # What is captured is not copied: a table with strides is read in place.
    doubled = np.repeat(table, 2)[::2]
    again = attn_mlir.flex(
        lambda s, b, h, i, j: 9 * np.tanh((s + doubled[i - j + LENGTH - 1]) / 9), mask
    )
    assert np.array_equal(again(q, k, v), out)
    # Masked keys are not read: rows of a window read a window of keys.
    read = attention.last.stats["keys_read"]
    print(f"work items visit each of {LENGTH} keys {read / LENGTH:.1f} times")
    assert read < 16 * LENGTH, "tiles outside of the window are visited"


if __name__ == "__main__":
    main()
