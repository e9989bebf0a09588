"""Runs the programs around attention (examples/cache) on all devices.

    run_cache.py FOLDER --seed=N [--devices=reference,cpu,sim,bundle]

What must come out is computed here, with the bytes of f8E4M3FN from a table of
all of its numbers. Bytes are compared, of whole pools: what no token goes to
must stay as it was, and pages that nobody reads are NaN.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HEADS, WIDTH, PAGE = 8, 64, 16
NAN = 0x7F


def numbers():
    """By code; negative ones behind, NaN at 0x7f and 0xff."""
    code = np.arange(128)
    exponent, fraction = code >> 3, code & 7
    value = np.where(exponent > 0, np.ldexp(1 + fraction / 8, exponent - 7), np.ldexp(fraction / 8, -6))
    value[NAN] = np.nan
    return np.concatenate([value, -value])


CODES = numbers()


def encode(values):
    """The nearest code, ties to the even one, of f32 in [-448, 448]."""
    size = np.abs(values.astype(np.float64))[..., None]
    known = CODES[:NAN]
    middle = (known[1:] + known[:-1]) / 2
    code = (size > middle).sum(axis=-1)
    tie = (size[..., 0] == middle[np.minimum(code, NAN - 2)]) & (code < NAN - 1)
    code += tie & (code % 2 == 1)
    return (code | np.where(np.signbit(values), 0x80, 0)).astype(np.uint8)


def append(rng):
    tokens, pages = int(rng.integers(1, 70)), 9
    scales = rng.uniform(0.2, 3, 2).astype(np.float32)
    new = [(rng.standard_normal((tokens, HEADS, WIDTH)) * size).astype(np.float16)
           for size in (1, 2.0 ** -6)]
    # Past what 8 bits hold, ties, zeros of both signs, and a NaN.
    new[0].flat[:6] = [3000, -3000, 0, -0.0, 1.0625 / scales[0], np.nan]
    slots = rng.permutation(pages * PAGE)[:tokens].astype(np.int32)
    slots[rng.random(tokens) < 0.2] = -1
    pools = [rng.integers(0, 256, (pages, PAGE, HEADS, WIDTH)).astype(np.uint8) for _ in new]
    wanted = [pool.copy() for pool in pools]
    for pool, values, scale in zip(wanted, new, scales):
        scaled = values.astype(np.float32) * scale
        codes = np.where(np.isnan(scaled), NAN, encode(np.clip(np.nan_to_num(scaled), -448, 448)))
        for token in np.flatnonzero(slots >= 0):
            pool[slots[token] // PAGE, slots[token] % PAGE] = codes[token]
    return [*new, slots, *pools, *scales], {3: wanted[0], 4: wanted[1]}, []


def copy_pages(rng):
    pages, pairs = 12, 5
    source = rng.standard_normal((pages, PAGE, HEADS, WIDTH)).astype(np.float16)
    target = rng.standard_normal(source.shape).astype(np.float16)
    chosen = rng.permutation(pages)[: 2 * pairs].reshape(pairs, 2).astype(np.int32)
    chosen[int(rng.integers(pairs)), 0] = -1
    unread = np.setdiff1d(np.arange(pages), chosen[:, 0])
    source[unread] = np.nan
    wanted = target.copy()
    for old, new in chosen:
        if old >= 0:
            wanted[new] = source[old]
    return [source, target, chosen], {1: wanted}, []


def gather(rng):
    lens = np.array([int(rng.integers(17, 60)), 0, 1, 16], dtype=np.int32)
    width, pages = 4, 20
    scale = np.float32(0.25)
    pool = np.full((pages, PAGE, HEADS, WIDTH), NAN, dtype=np.uint8)
    table = np.full((len(lens), width), 1 << 28, dtype=np.int32)
    free = list(rng.permutation(pages))
    wanted = np.zeros((len(lens), lens.max(), HEADS, WIDTH), dtype=np.float16)
    for b, length in enumerate(lens):
        for m in range(length):
            if m % PAGE == 0:
                table[b, m // PAGE] = free.pop()
            codes = rng.integers(0, 256, (HEADS, WIDTH)).astype(np.uint8)
            codes[(codes & 0x7F) == NAN] = 0
            pool[table[b, m // PAGE], m % PAGE] = codes
            wanted[b, m] = (CODES[codes] * scale).astype(np.float16)
    return [pool, table, lens, scale], {}, [wanted]


def gather_lists(rng):
    # The last one has no page: its list begins where the table ends.
    lens = np.array([int(rng.integers(17, 60)), 0, 1, 16, int(rng.integers(1, 40)), 0], dtype=np.int32)
    pages = 20
    pool = np.full((pages, PAGE, HEADS, WIDTH), np.nan, dtype=np.float16)
    free = list(rng.permutation(pages))
    indptr, indices = [0], []
    wanted = np.zeros((len(lens), lens.max(), HEADS, WIDTH), dtype=np.float16)
    for b, length in enumerate(lens):
        for m in range(length):
            if m % PAGE == 0:
                indices.append(free.pop())
            wanted[b, m] = pool[indices[-1], m % PAGE] = rng.standard_normal((HEADS, WIDTH))
        indptr.append(len(indices))
    last = np.where(lens > 0, (lens - 1) % PAGE + 1, 0)
    return [pool, *(np.array(x, dtype=np.int32) for x in (indptr, indices, last))], {}, [wanted]


def patch(rng):
    entries, room = 50, 40
    count = int(rng.integers(0, room))
    table = rng.integers(0, 99, entries).astype(np.int32)
    # Behind the count stands what would be seen.
    changes = np.full((room, 2), -1, dtype=np.int32)
    changes[:, 0] = 1 << 28
    changes[:count, 0] = rng.permutation(entries)[:count]
    changes[:count, 1] = rng.integers(0, 99, count)
    wanted = table.copy()
    wanted[changes[:count, 0]] = changes[:count, 1]
    return [changes, np.array([count], dtype=np.int32), table], {2: wanted}, []


PROGRAMS = {"kv_append": append, "kv_copy_pages": copy_pages, "kv_gather": gather,
            "kv_gather_lists": gather_lists, "table_patch": patch}


def run(device, program, folder, arguments, written, results, seed):
    command = [program, f"--entry={program.stem}"]
    if device == "bundle":
        bundle = folder / f"{program.stem}.attnb"
        made = ["attn-translate", "--emit=bundle", "--target=cpu", program, "-o", bundle]
        subprocess.run(made, check=True)
        command = ["attnrt-run", bundle, f"--entry={program.stem}", "--verify", "--validate", "--threads=2"]
    else:
        command = ["attn-run", *command, f"--device={device}"]
        if device == "sim":
            command += ["--workers=3", f"--sim-seed={seed + 1}", f"--schedule={seed % 3}"]
    for i, argument in enumerate(arguments):
        if argument.ndim:
            path = folder / f"arg{i}.npy"
            np.save(path, argument)
            command.append(f"--arg={path}")
        else:
            command.append(f"--arg={float(argument)!r}")
    outs = [folder / f"out{i}.npy" for i in range(len(results))]
    command += [f"--out={out}" for out in outs]
    written = {i: folder / f"written{i}.npy" for i in written}
    command += [f"--out-arg={i}:{path}" for i, path in written.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{program.stem} on {device}: {done.stderr.strip()}")
    return [np.load(out) for out in outs], {i: np.load(path) for i, path in written.items()}


def differs(got, wanted):
    """How many elements, NaN for NaN; the sign of a NaN is nobody's matter."""
    if got.shape != wanted.shape:
        sys.exit(f"expects {wanted.shape}, but got {got.shape}")
    if got.dtype == np.uint8:
        both = ((got & 0x7F) == NAN) & ((wanted & 0x7F) == NAN)
        return int(((got != wanted) & ~both).sum())
    return int((~((got == wanted) | (np.isnan(got) & np.isnan(wanted)))).sum())


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("examples", type=pathlib.Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--devices", type=lambda x: x.split(","), default=["reference", "cpu", "sim", "bundle"])
    options = parser.parse_args()
    files = sorted(options.examples.glob("*.mlir"))
    if {file.stem for file in files} != set(PROGRAMS):
        sys.exit(f"expects {', '.join(PROGRAMS)} in {options.examples}")
    bad = 0
    for program in files:
        arguments, written, results = PROGRAMS[program.stem](np.random.default_rng(options.seed))
        for device in options.devices:
            with tempfile.TemporaryDirectory() as folder:
                got, now = run(device, program, pathlib.Path(folder), arguments, written, results, options.seed)
            wrong = sum(map(differs, got, results)) + sum(differs(now[i], written[i]) for i in written)
            print(f"{program.stem} {device}: {wrong} wrong elements{' FAILED' if wrong else ''}")
            bad += wrong
    sys.exit(1 if bad else 0)


main()
