#!/usr/bin/env python3
"""From a Python function to a kernel that has run, and page pools from Python.

usage: run.py [--repeat=N] [--smoke] [--out=FILE.json]

Each function is traced in a new process, behind the imports: what somebody waits for
who changes a mask. The first part of that is opening the compiler, once per process.
200 ms in all are what is wanted. Pool rows are one call each, in one process.
Prints a table; asserts nothing. PYTHONPATH has to name the built package.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "cpu"))

PHASES = ("trace", "open compiler", "compile", "load, plan, run")


def functions(np):
    """(score_mod, mask_mod) by name."""
    documents = np.repeat(np.arange(8), 32)
    slopes = np.exp2(-np.arange(1, 9)).astype(np.float32)

    def causal(b, h, q, kv):
        return q >= kv

    return {
        "causal": (None, causal),
        "window and sinks": (None, lambda b, h, q, kv: (q >= kv) & ((q - kv < 64) | (kv < 4))),
        "documents": (None, lambda b, h, q, kv: (q >= kv) & (documents[q] == documents[kv])),
        "ALiBi": (lambda s, b, h, q, kv: s + slopes[h] * (kv - q), causal),
        "soft cap": (lambda s, b, h, q, kv: 20 * np.tanh(s / 20), causal),
    }


def measure_function(name):
    """In this process: milliseconds of each phase, and of the next call."""
    import attn_mlir
    import numpy as np
    from attn_mlir.flex.space import Shape

    q = np.ones((1, 8, 256, 64), np.float32)
    k = np.ones((1, 2, 256, 64), np.float32)
    score, mask = functions(np)[name]
    times = [time.perf_counter()]

    def lap():
        times.append(time.perf_counter())

    attention = attn_mlir.flex(score, mask)
    text = attention.cascade(Shape(64, 64, 4, "f32")).text
    lap()
    attn_mlir.compiler_version()
    lap()
    attn_mlir.compile(text)
    lap()
    attention(q, k, k)  # finds the bundle that was compiled
    lap()
    attention(q, k, k)
    lap()
    parts = [1e3 * (b - a) for a, b in zip(times, times[1:])]
    return {"total": sum(parts[:4]), **dict(zip(PHASES, parts)), "again": parts[4]}


def measure_pool(calls):
    """Microseconds of a call, by name: medians."""
    import attn_mlir
    import numpy as np

    pool = attn_mlir.PagePool(200 * 130, 16, seed=1)
    rng = np.random.default_rng(0)
    rows = {"create and append 2048 new tokens": [], "match 2048 tokens": [], "append 1 token": []}

    def timed(name, call):
        start = time.perf_counter()
        result = call()
        rows[name].append(1e6 * (time.perf_counter() - start))
        return result

    def new(text):
        sequence, _ = pool.create(text)
        pool.append(sequence, text)
        return sequence

    for _ in range(min(calls, 100)):
        text = rng.integers(0, 1 << 15, 2048).astype(np.int32)
        sequence = timed("create and append 2048 new tokens", lambda t=text: new(t))
        timed("match 2048 tokens", lambda t=text: pool.match(t))
        for token in range(8):
            timed("append 1 token", lambda s=sequence, t=token: pool.append(s, [t]))
    return {name: statistics.median(all_) for name, all_ in rows.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="processes per function (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="once each: only shows that it runs")
    parser.add_argument("--out", help="write the numbers as JSON")
    parser.add_argument("--function", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.function:
        print(json.dumps(measure_function(options.function)))
        return
    import machine
    import numpy as np

    repeat, rows = 1 if options.smoke else options.repeat, []
    hardware = machine.hardware()
    print(f"{hardware['cpu']}, {hardware['cores_used']} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'function to kernel, ms':24} {'median':>8} {'min':>8} {'max':>8}   " + ", ".join(PHASES) + "; next call")
    for name in functions(np):
        runs = [
            json.loads(subprocess.run(
                [sys.executable, __file__, f"--function={name}"], check=True, capture_output=True, text=True
            ).stdout)
            for _ in range(repeat)
        ]
        totals = [r["total"] for r in runs]
        middle = [statistics.median(r[p] for r in runs) for p in (*PHASES, "again")]
        print(
            f"{name:24} {statistics.median(totals):8.1f} {min(totals):8.1f} {max(totals):8.1f}   "
            + ", ".join(f"{m:.1f}" for m in middle[:4]) + f"; {middle[4]:.2f}", flush=True,
        )
        rows.append({"function": name, "runs": runs})
    pool = measure_pool(4 if options.smoke else 100)
    print("page pool from Python, microseconds a call")
    for name, value in pool.items():
        print(f"{name:34} {value:8.2f}")
    if options.out:
        result = {"date": machine.today(), "commit": machine.commit(ROOT), "hardware": hardware,
                  "functions": rows, "pool": pool}
        pathlib.Path(options.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
