"""Runs the functions of catalogue.py through flex() and compares row by row.

    run_catalogue.py --seed=N [--only=NAME] [--paged] [--reference] [--sim]

Sizes are drawn. Each function is compiled for the CPU and compared with brute
force; no call may hold scores of all pairs. With --reference the cascade also runs
on attn-run's reference, with --sim as PTX for sm_80 under the simulator with every
check on, with the arguments that the call is made with. With --paged the calls are made on
the last tokens of requests of a paged cache.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import attn_mlir
import numpy as np
from attn_mlir.flex.call import Problem, view

import brute
import catalogue

TOLERANCE = 2e-5  # f32


def draw(rng):
    group, kv_heads = [(1, 4), (2, 2), (4, 1)][rng.integers(3)]
    rows, keys = (int(n) for n in rng.integers(17, 90, 2))
    return 2, kv_heads, group, rows, keys


def tensors(rng, batch, kv_heads, group, rows, keys):
    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    return (
        normal(batch, kv_heads * group, rows, 64),
        normal(batch, kv_heads, keys, 64),
        normal(batch, kv_heads, keys, 32),
    )


def run_text(attention, qkv, folder, device):
    """The cascade's own text on a device of attn-run, with copies of the arguments."""
    problem = Problem(*qkv)
    folder = pathlib.Path(folder)
    cascade = attention.cascade(problem.shape)
    (folder / "flex.mlir").write_text(cascade.text, encoding="utf-8")
    q, k, v = qkv
    group = problem.shape.group
    if group > 1:
        q = q.reshape(q.shape[0], -1, group, *q.shape[2:])
    arrays = [q, k, v] + [view(a, problem).numpy() for a in cascade.space.accesses]
    specs = []
    for i, array in enumerate(arrays):
        if array.ndim:
            np.save(folder / f"{i}.npy", np.ascontiguousarray(array))
            specs.append(f"--arg={folder / f'{i}.npy'}")
        else:
            specs.append(f"--arg={array.item()!r}")
    out = folder / "out.npy"
    subprocess.run(
        ["attn-run", str(folder / "flex.mlir"), "--entry=flex", f"--device={device}",
         *specs, f"--out={out}"],
        check=True, capture_output=True, text=True,
    )
    return np.load(out).reshape(problem.out_shape)


def run_paged(attention, mask, score, rng, queries, qkv):
    """(output, brute force) of the last `queries` tokens of ragged requests."""
    q, dense = qkv[0][:, :, -queries:], qkv[1:]
    batch, keys, page = len(q), dense[0].shape[2], 8
    lengths = np.array([keys, *rng.integers(queries, keys + 1, batch - 1)], np.int32)
    table = np.full((batch, -(-keys // page)), -9, np.int32)  # who looks it up is told
    pages = iter(rng.permutation(2 * table.size))
    # Slots that no request has hold NaN: who reads them shows it.
    pools = [
        np.full((2 * table.size, page, x.shape[1], x.shape[3]), np.nan, np.float32) for x in dense
    ]
    want = []
    for b, length in enumerate(lengths):
        for start in range(0, length, page):
            table[b, start // page] = slot = next(pages)
            for pool, x in zip(pools, dense):
                part = x[b, :, start:min(start + page, length)].swapaxes(0, 1)
                pool[slot, :len(part)] = part
        b, first = np.int64(b), length - queries
        keep = mask and (lambda _, h, i, j, b=b, first=first: mask(b, h, i + first, j))
        change = score and (lambda s, _, h, i, j, b=b, first=first: score(s, b, h, i + first, j))
        one = (x[b:b + 1, :, :length] for x in dense)
        want.append(brute.attention(q[b:b + 1], *one, keep, change))
    return attention.paged(q, *pools, table, lengths), np.concatenate(want)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--paged", action="store_true", help="over a paged cache")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--sim", action="store_true", help="as PTX, under the simulator")
    options = parser.parse_args()
    if options.paged and (options.reference or options.sim):
        parser.error("--paged runs on the CPU alone")
    rng = np.random.default_rng(options.seed)
    sizes = draw(rng)
    batch, kv_heads, group, rows, keys = sizes
    if options.paged:
        rows = keys  # a position of a query is one of a key
        sizes = (batch, kv_heads, group, rows, keys)
    qkv = tensors(rng, *sizes)
    print(f"batch {batch}, {kv_heads} KV heads, group {group}, {rows} rows, {keys} keys")
    good, count = True, 0
    for name, (mask, score) in catalogue.make(rng, batch, kv_heads * group, rows, keys).items():
        if options.only and name not in options.only.split(","):
            continue
        count += 1
        try:
            attention = attn_mlir.flex(score, mask)
            if options.paged:
                out, want = run_paged(attention, mask, score, rng, 9, qkv)
            else:
                out, want = attention(*qkv), brute.attention(*qkv, mask, score)
        except attn_mlir.Error as error:
            print(f"{name}: FAILED {error}")
            good = False
            continue
        worst = brute.worst_row(out, want)
        stats = attention.last.stats
        fine = worst <= TOLERANCE and stats["one_pass"]
        text = f"{name}: worst row {worst:.1e}, {stats['items']} items"
        devices = [("reference", 1e-6)] * options.reference + [("sim", TOLERANCE)] * options.sim
        for device, bar in devices:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    far = brute.worst_row(run_text(attention, qkv, folder, device), want)
                    text += f", {device} {far:.1e}"
                    fine &= far <= bar
                except subprocess.CalledProcessError as error:
                    text += f", {device}: {error.stderr.strip()}"
                    fine = False
        print(text if fine else text + " FAILED")
        good &= fine
    if not good or not count:
        sys.exit(1)
    print(f"{count} functions are right")


if __name__ == "__main__":
    main()
