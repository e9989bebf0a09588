#!/usr/bin/env python3
"""Measures programs compiled for this CPU, and the CPU itself, and prints a table.

    run.py --build=BUILD [--out=FOLDER] [--smoke]

 latency  from text to a callable function, a new process each time
 prefill  GFLOP/s of paged causal attention; only pairs that the mask admits count
 decode   GB/s of keys and values of paged batches, each once
 masks    the time of a masked chunk beside that of all pairs
 blas     the prefill by NumPy's matrix products (blas.py), where a tuned BLAS is
 peaks    multiply-adds and memory reads, before and after the others

A ratio is the median speed by the best peak of the same run and as many cores; of
decode by what reads of random pages and multiply-adds allow, whichever is less.
The result goes to FOLDER (default: benchmarks/results) as JSON and SVG. Nothing
is asserted: a number without the machine it was measured on says little.
`--smoke` takes tiny sizes, to see that everything runs.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

import cases
import machine
import numpy as np
import plot

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADS, GROUP = 8, 4

# Programs of examples/ and arguments that give them nothing to do.
LATENCY = {
    "dense": ["zeros:2x128x8x64"] + ["zeros:2x256x8x64"] * 2,
    "paged_gqa": ["zeros:1x1x8x4x128"]
    + ["zeros:1x16x8x128"] * 2
    + ["zeros:1x1", "zeros:1", "zeros:1", "1"],
    "window_sinks": ["zeros:2x1x8x64"] * 3 + ["zeros:8", "0"],
    "mla": ["zeros:1x16x576", "zeros:1x64x576", "zeros:1x1", "zeros:1", "1"],
    "block_lists": ["zeros:2x1x8x64"] * 3 + ["zeros:2x1x1", "zeros:2x1", "0"],
}


@dataclasses.dataclass
class Sizes:
    latency_runs: int = 5
    prefill: tuple = (4096, 4096)  # queries, keys
    decode: tuple = (16, 8192)  # requests, keys of each
    decode_one: int = 131072  # keys of a request that is alone
    masks: tuple = (512, 16384)  # queries, keys
    repeats: int = 7
    blas_repeats: int = 5
    peak_mib: int = 512
    peak_samples: int = 5


SMOKE = Sizes(1, (32, 64), (2, 64), 256, (64, 1024), 2, 2, 8, 1)


class Bench:
    def __init__(self, build, sizes, folder):
        self.tools = pathlib.Path(build).resolve() / "bin"
        self.sizes = sizes
        self.folder = pathlib.Path(folder)
        self.rng = np.random.default_rng(1)
        self.rows = []
        cores = len(os.sched_getaffinity(0))
        self.workers = [1, cores] if cores > 1 else [1]

    def call(self, tool, *arguments, env=None):
        done = subprocess.run(
            [tool, *map(str, arguments)], capture_output=True, text=True, env=env, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{tool}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def add(self, kind, name, unit, values, workers=None, **more):
        self.rows.append(
            {"kind": kind, "name": name, "workers": workers, "unit": unit,
             "median": statistics.median(values), "min": min(values), "max": max(values),
             "values": values, "peak": None, "ratio": None, **more}
        )

    def save(self, name, array):
        path = self.folder / f"{name}.npy"
        np.save(path, array)
        return path

    def attn_run(self, program, entry, arguments, repeats, workers=None):
        """The statistics of one process of attn-run."""
        stats = self.folder / "stats.json"
        options = [f"--arg={a}" for a in arguments] + [f"--bench={repeats}", f"--stats={stats}"]
        if workers:
            options.append(f"--workers={workers}")
        self.call(self.tools / "attn-run", program, f"--entry={entry}", "--device=cpu", *options)
        return json.loads(stats.read_text(encoding="utf-8"))

    def latency(self):
        for name, arguments in LATENCY.items():
            program = ROOT / "examples" / f"{name}.mlir"
            totals, phases = [], {}
            for _ in range(self.sizes.latency_runs):
                stats = self.attn_run(program, name, arguments, 1)
                times = {"parse": stats["parse_ms"], **stats["compile_ms"]}
                totals.append(times["parse"] + times.pop("total"))
                for phase, value in times.items():
                    phases.setdefault(phase, []).append(value)
            # Kernels are compiled side by side: phases need not add up to the total.
            medians = {phase: statistics.median(v) for phase, v in phases.items()}
            self.add("latency", f"{name}.mlir", "ms", totals, phases=medians)

    def prepare(self, name, case):
        """A file with the case's program, its arguments, and their bytes."""
        program = self.folder / f"{name}.mlir"
        program.write_text(case.text(ROOT), encoding="utf-8")
        arrays = case.arrays(self.rng)
        arguments = [self.save(f"{name}-{part}", value) if isinstance(value, np.ndarray)
                     else value for part, value in arrays.items()]
        return program, arguments, arrays["k"].nbytes + arrays["v"].nbytes

    def prefill(self):
        queries, keys = self.sizes.prefill
        for width, dtype in ((64, "f16"), (128, "f16"), (128, "bf16")):
            case = cases.Paged(1, keys, queries, dtype, width=width)
            program, arguments, _ = self.prepare("prefill", case)
            for workers in self.workers:
                stats = self.attn_run(program, "paged_gqa", arguments, self.sizes.repeats, workers)
                # Two products, a multiplication and an addition each.
                flops = 4 * width * stats["pairs"]
                speeds = [flops / s * 1e-9 for s in stats["seconds"]]
                self.add("prefill", f"prefill {dtype} hd {width}", "GFLOP/s", speeds, workers,
                         queries=queries, keys=keys, dtype=dtype, seconds=stats["seconds"])

    def decode(self):
        requests, keys = self.sizes.decode
        one = self.sizes.decode_one
        paged = cases.Paged
        cache = max(machine.caches().values(), default=0)
        for name, case in {
            "f16 GQA 4": paged(requests, keys),
            "f16 GQA 8": paged(requests // 2, keys, group=8, by_heads=True),
            "bf16 GQA 8": paged(requests // 2, keys, 1, "bf16", group=8, by_heads=True),
            "f32 GQA 8": paged(requests // 2, keys, 1, "f32", group=8, by_heads=True),
            "bf16 GQA 8, contiguous": paged(
                requests // 2, keys, 1, "bf16", group=8, page=keys, by_heads=True),
            "bf16 GQA 8, one request": paged(1, one, 1, "bf16", group=8, by_heads=True),
        }.items():
            program, arguments, pool = self.prepare("decode", case)
            for workers in self.workers:
                stats = self.attn_run(program, "paged_gqa", arguments, self.sizes.repeats, workers)
                speeds = [stats["kv_bytes"] / s * 1e-9 for s in stats["seconds"]]
                self.add("decode", f"decode {name}", "GB/s", speeds, workers,
                         requests=case.requests, keys=case.keys, seconds=stats["seconds"],
                         flops_per_byte=case.flops_per_byte(), dtype=case.dtype,
                         pool_bytes=pool, pool_by_cache=pool / cache if cache else None)

    def masks(self):
        """Time by that of all pairs, over the share of pairs that the mask admits."""
        queries, keys = self.sizes.masks
        blocks = (keys - queries) // 64
        for name, entry, full, masked in (
            ("window 1024", "paged_gqa", cases.Paged(1, keys, queries),
             cases.Paged(1, keys, queries, window=1024)),
            ("10 % of blocks", "block_lists", cases.Listed(keys, queries, blocks),
             cases.Listed(keys, queries, max(1, blocks // 10))),
        ):
            runs = []
            for case in (full, masked):
                program, arguments, _ = self.prepare("mask", case)
                runs.append(self.attn_run(program, entry, arguments, self.sizes.blas_repeats, 1))
            all_pairs, some = runs
            # Pairs of lists are not counted: a list has as many as all others.
            share = (some["pairs"] / all_pairs["pairs"] if some["pairs"]
                     else masked.listed / full.listed)
            whole = statistics.median(all_pairs["seconds"])
            self.add("masks", f"{name}, cost by share", "x",
                     [s / whole / share for s in some["seconds"]], 1, share=share,
                     queries=queries, keys=keys, seconds=some["seconds"],
                     all_seconds=all_pairs["seconds"])

    def blas(self):
        """None, or why there is nothing to compare with."""
        queries, keys = self.sizes.prefill
        for width in (64, 128):
            for workers in self.workers:
                threads = {f"{name}_NUM_THREADS": str(workers)
                           for name in ("OPENBLAS", "MKL", "OMP", "BLIS")}
                sizes = (HEADS, queries, keys, width, self.sizes.blas_repeats)
                done = json.loads(self.call(sys.executable, HERE / "blas.py", *sizes,
                                            env={**os.environ, **threads}))
                if not done["library"]:
                    return "NumPy has no tuned BLAS (Debian: libopenblas0-pthread)"
                # The same pairs as in the program: what is masked is no work done.
                pairs = HEADS * GROUP * queries * (2 * keys - queries + 1) // 2
                for part in ("products", "total"):
                    name = f"{done['library']} f32 hd {width}" + (
                        ", products alone" if part == "products" else "")
                    speeds = [4 * width * pairs / s * 1e-9 for s in done[part]]
                    self.add("blas", name, "GFLOP/s", speeds, workers, seconds=done[part])
        return None

    def peaks(self):
        sizes = (self.workers[-1], self.sizes.peak_mib, self.sizes.peak_samples)
        return json.loads(self.call(self.tools / "cpu-peaks", *sizes))

    def set_ratios(self, peaks):
        for row in self.rows:
            used = "one" if row["workers"] == 1 else "all"
            if row["kind"] == "decode":
                # The products of a group may take longer than reading its keys.
                compute = compute_peak(peaks, used, row["dtype"]) / row["flops_per_byte"]
                row["peak_pages"] = max(peaks[f"pages_gbs_{used}"])
                row["peak_compute"] = compute
                row["peak"] = min(row["peak_pages"], compute)
            elif row["unit"] == "GFLOP/s":
                row["peak"] = compute_peak(peaks, used, row.get("dtype"))
            if row["peak"]:
                row["ratio"] = row["median"] / row["peak"]


def compute_peak(peaks, used, dtype):
    """GFLOP/s that the instructions for a type reach; of f32 where it has none."""
    names = [f"fma_gflops_{used}"]
    if dtype == "bf16":
        names += [f"dot_bf16_gflops_{used}", f"amx_bf16_gflops_{used}"]
    return max(max(peaks.get(name, [0])) for name in names)


def measure(options):
    sizes = SMOKE if options.smoke else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.build, sizes, folder)
        peaks = bench.peaks()
        bench.latency()
        bench.prefill()
        bench.decode()
        bench.masks()
        no_blas = bench.blas()
        # Once more at the end: the clock of a core may have changed on the way.
        for name, values in bench.peaks().items():
            if isinstance(values, list):
                peaks[name] += values
        bench.set_ratios(peaks)
    return {
        "date": machine.today(),
        "commit": machine.commit(ROOT),
        # As scripts/bench is called: where this tree lies says nothing.
        "command": shlex.join(
            ["scripts/bench", *(a for a in sys.argv[1:] if not a.startswith("--build"))]
        ),
        "smoke": options.smoke,
        "hardware": machine.hardware(),
        "no_blas": no_blas,
        "peaks": peaks,
        "rows": bench.rows,
    }


def table(result):
    hardware, peaks = result["hardware"], result["peaks"]
    caches = ", ".join(f"{name} {size >> 10} KiB" for name, size in hardware["caches"].items())
    yield f"{hardware['cpu']}, {hardware['cores_used']} of {hardware['cores']} cores; {caches}"
    yield f"features: {' '.join(hardware['features'])}"
    yield f"date {result['date']}, commit {result['commit']}"
    yield ""
    yield f"{'':34} {'workers':>7} {'median':>10} {'min':>10} {'max':>10} {'':8} {'of peak':>7}"
    for row in result["rows"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.1%}"
        numbers = " ".join(f"{row[key]:10.2f}" for key in ("median", "min", "max"))
        workers = row["workers"] or ""
        yield f"{row['name']:34} {workers:>7} {numbers} {row['unit']:8} {ratio:>7}"
        if "phases" in row:
            yield "    " + ", ".join(f"{name} {ms:.1f}" for name, ms in row["phases"].items())
    for key, title, unit in (
        ("fma_gflops", "peak: f32 multiply-add", "GFLOP/s"),
        ("dot_bf16_gflops", "peak: bf16 pairs", "GFLOP/s"),
        ("amx_bf16_gflops", "peak: bf16 tiles", "GFLOP/s"),
        ("read_gbs", "peak: memory read", "GB/s"),
        ("pages_gbs", "peak: read of random 4 KiB", "GB/s"),
    ):
        for used, cores in (("one", 1), ("all", peaks["threads"])):
            values = peaks.get(f"{key}_{used}")
            if values:
                numbers = (statistics.median(values), min(values), max(values))
                yield (f"{title:34} {cores:>7} " + " ".join(f"{v:10.2f}" for v in numbers)
                       + f" {unit}")
    yield ""
    if result["no_blas"]:
        yield f"no comparison with a BLAS: {result['no_blas']}"
    for row in result["rows"]:
        if row.get("pool_by_cache") is not None and row["workers"] == 1:
            fits = "" if row["pool_by_cache"] >= 4 else "; TOO SMALL to measure memory"
            yield (f"decode: pool of {row['pool_bytes'] / 1e6:.1f} MB, "
                   f"{row['pool_by_cache']:.2g} x the last cache{fits}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build folder")
    parser.add_argument("--out", default=ROOT / "benchmarks" / "results", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes")
    options = parser.parse_args()
    result = measure(options)
    print("\n".join(table(result)))
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"cpu-{result['date']}-{machine.short_name(result['hardware']['cpu'])}"
    for suffix, text in ((".json", json.dumps(result, indent=1) + "\n"),
                         (".svg", plot.draw(result))):
        path = options.out / (name + suffix)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


main()
